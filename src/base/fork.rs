//! Processes that are forked off: what one inherits of a pool belongs to its parent.

use std::sync::OnceLock;

use crate::error::{Error, ErrorKind};

/// What helps.
pub(crate) const FORK_FIRST: &str = "fork before the first pool is built, or exec in the child";

/// The process in which a pool was built. Asked on every checkout and checkin: a load and a comparison, where asking for
/// the process id is a system call.
#[derive(Clone)]
pub(crate) struct Home(forkguard::Guard);

impl Home {
    /// This process, if it may build a pool. Once one was built there are threads that wait, the timer's at least, and in a
    /// forked child parking_lot's table of those who wait leads to stacks that are no longer theirs; SQLite takes locks for
    /// its own there that only the parent has.
    ///
    /// # Errors
    /// Unsupported in a process that was forked off after a pool was built; Connect when the system has no memory for the
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
    pub(crate) fn is_left(&self) -> bool {
        self.0.clone().detected_fork()
    }
}
