//! Processes that are forked off: what one inherits of a pool belongs to its parent.

use crate::error::{Error, ErrorKind};

/// The process in which something was made. Asked on every checkout and checkin: a load and a comparison, where asking
/// for the process id is a system call.
pub(crate) struct Home(forkguard::Guard);

impl Home {
    /// This process.
    ///
    /// # Errors
    /// When the system has no memory for the handler that notices a fork.
    pub(crate) fn here() -> Result<Self, Error> {
        forkguard::Guard::try_new().map(Home).map_err(|error| {
            Error::new(
                ErrorKind::Connect,
                format!("a fork of this process could not be noticed: {error}"),
            )
        })
    }

    /// Whether this process is another, forked off from that one.
    pub(crate) fn is_left(&self) -> bool {
        self.0.clone().detected_fork()
    }
}
