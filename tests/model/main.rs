//! The core itself under loom: what holds in all interleavings of a few callers. `tests/run` shows the command.
//!
//! A model says how far it reaches: `All` interleavings or, if those are hundreds of thousands and more, all those with at
//! most a given number of `Preemptions`. loom allows at most five threads, including the test's own.
//!
//! The bound is 4 for a model that is done with it in a second, and 3 for most others. Five models of `hand_off` have 40,000 to
//! 96,000 interleavings with 3, which took 48 % of the time of all models. They have 3,000 to 5,000 with 2, in less than a second
//! each, and with 2 they still notice all eight faults of `broken` among themselves.
#![cfg(queuepool_loom)]

mod broken;
mod cancel;
mod closing;
mod database;
mod explore;
mod hand_off;
mod helpers;
mod opening;
