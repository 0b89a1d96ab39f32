//! Forked processes: what a child inherits of a pool belongs to its parent.

use std::sync::OnceLock;

use crate::error::{Error, ErrorKind};

/// What helps.
pub(crate) const FORK_FIRST: &str = "fork before the first pool is built, or exec in the child";

/// The process in which a pool was built. It is asked on every checkout and checkin, so it costs a load and a comparison, where
/// asking for the process id would be a system call.
#[derive(Clone)]
pub(crate) struct Home(forkguard::Guard);

impl Home {
    /// This process, if it may build a pool. Once a pool has been built there are threads that wait, at least the timer's. In a
    /// forked child, parking_lot's table of waiting threads then leads to stacks that no longer belong to threads, and SQLite takes
    /// locks for its own that only the parent holds.
    ///
    /// # Errors
    /// Unsupported in a process that was forked after a pool had been built; Resources when the system has no memory for the
    /// handler that notices a fork.
    pub(crate) fn of_a_pool() -> Result<Self, Error> {
        static FIRST: OnceLock<Home> = OnceLock::new();
        let home = Home::here()?;
        if FIRST.get_or_init(|| home.clone()).is_left() {
            return Err(Error::unsupported(format!(
                "this process was forked off from one that had built a pool, and cannot have one of its own: {FORK_FIRST}"
            )));
        }
        Ok(home)
    }

    fn here() -> Result<Self, Error> {
        forkguard::Guard::try_new().map(Home).map_err(|error| {
            Error::new(
                ErrorKind::Resources,
                format!("a fork of this process could not be noticed: {error}"),
            )
        })
    }

    /// Whether this process is another, forked off from that one.
    #[inline]
    pub(crate) fn is_left(&self) -> bool {
        self.0.clone().detected_fork()
    }
}
