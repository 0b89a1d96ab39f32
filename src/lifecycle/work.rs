//! What the gate wants done on a thread of the pool's own.

use std::io;
use std::sync::Arc;

use crate::contract::driver::Manager;
use crate::lifecycle::shared::Shared;

/// Runs this attempt to connect.
///
/// # Errors
/// Where no thread can be had.
pub(crate) fn open<M: Manager>(shared: &Arc<Shared<M>>, attempt: u64) -> io::Result<()> {
    let pool = shared.clone();
    shared
        .helpers
        .run(move || pool.attempt(attempt))
        .map_err(|unrun| unrun.error)
}
