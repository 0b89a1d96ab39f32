//! The result of a health check.

use std::time::{Duration, SystemTime};

/// The result of a health check.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// Whether the database can be reached: as this check found, or, if it was skipped, as last known.
    pub reachable: bool,
    /// Whether the server is full and the pool has no connection: the last connect was refused so, less than 10 s ago. Then
    /// `reachable` is false, although the server answers.
    pub full: bool,
    /// Whether the check was skipped because the pool is exhausted: no connection is idle, and either there is no room to open
    /// another, or the ping of an earlier check still hangs on one that was opened for it.
    pub skipped: bool,
    /// When the check ended that this result rests on: just now, or, if this check was skipped, when the previous one did. `None`
    /// if it was skipped and there was none before.
    pub checked_at: Option<SystemTime>,
    /// How long that check took.
    pub took: Option<Duration>,
    /// Why the database cannot be reached; `None` if it can.
    pub error: Option<String>,
}
