//! The core itself under loom: what holds in all interleavings of a few callers. `tests/run` shows the command.
//!
//! A model says how far it reaches: `All` interleavings or, if those are hundreds of thousands and more, all those with at
//! most a given number of `Preemptions`. loom allows at most five threads, including the test's own.
#![cfg(queuepool_loom)]

mod broken;
mod closing;
mod database;
mod explore;
mod hand_off;
mod helpers;
mod opening;
