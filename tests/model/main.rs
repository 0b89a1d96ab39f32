//! The core itself under loom: what holds in all interleavings of a few callers. `tests/run` has the command.
//!
//! A model says how far it reaches: `All` interleavings, or, where those are hundreds of thousands and more, all those
//! with at most so many `Preemptions`. loom counts five threads at most, the test's own included.
#![cfg(queuepool_loom)]

mod broken;
mod closing;
mod database;
mod explore;
mod hand_off;
mod helpers;
mod opening;
