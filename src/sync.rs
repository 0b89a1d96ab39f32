//! The locks, conditions, threads and moments that the core is built from, so that a model checker can put its own in
//! their place.

use std::io;

pub(crate) use parking_lot::{Condvar, Mutex};
pub(crate) use std::time::Instant;

/// Starts a thread that nobody joins.
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name).spawn(work).map(drop)
}
