//! What the gate has others do, once its lock is let go.

use std::io;

use crate::base::sync::Instant;

/// What the gate wants done once its lock is let go.
pub(crate) struct Doors {
    /// Runs this attempt to connect, on a helper thread; an error where none can be had.
    pub(crate) open: Box<dyn Fn(u64) -> io::Result<()> + Send + Sync>,
    /// Calls [`Gate::sweep`] at that moment.
    pub(crate) wake: Box<dyn Fn(Instant) + Send + Sync>,
    /// Logs the notices, and drops what others wrote.
    pub(crate) tell: Box<dyn Fn(Vec<Notice>, Discarded) + Send + Sync>,
}

/// What others wrote and nobody needs any more: its drop is their code.
pub(crate) type Discarded = Vec<Box<dyn Send>>;

/// What the log is told.
pub(crate) enum Notice {
    Warning(String),
    /// A lifecycle event.
    Event(String),
}
