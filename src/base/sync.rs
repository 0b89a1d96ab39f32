//! The locks, conditions, channels, atomics, threads and moments that the core is built from, so that a model checker can put its
//! own in their place: with `--cfg queuepool_loom` they are those of `loom.rs`. Only the bays' locks are chosen elsewhere, in
//! `gate/lock.rs`.

#[cfg(not(queuepool_loom))]
pub(crate) use crate::base::instant::{Condvar, Instant, tell_if_slow};
#[cfg(queuepool_loom)]
pub(crate) use crate::base::loom::{
    Condvar, Instant, Mutex, MutexGuard, Receiver, Sender, spawn, tell_if_slow, unbounded,
};
#[cfg(queuepool_loom)]
pub(crate) use ::loom::sync::atomic::AtomicU64;
#[cfg(not(queuepool_loom))]
pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};
#[cfg(not(queuepool_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(queuepool_loom))]
pub(crate) use std::sync::atomic::AtomicU64;

/// Starts a thread that nobody joins.
#[cfg(not(queuepool_loom))]
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name).spawn(work).map(drop)
}
