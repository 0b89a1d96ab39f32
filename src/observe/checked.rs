//! What a health check found.

use std::time::{Duration, SystemTime};

/// What a health check found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// Whether the database can be reached: as just found, or, where the check was skipped, as last known.
    pub reachable: bool,
    /// Not made, because the pool is exhausted: no connection is idle, and there is no room to open another, or the ping of an
    /// earlier check still hangs on one that was opened for it.
    pub skipped: bool,
    /// When the check ended on which this rests: just now, or, where it was skipped, the last one before. `None`: skipped, and
    /// none was made before.
    pub checked_at: Option<SystemTime>,
    /// How long that check took.
    pub took: Option<Duration>,
    /// Why the database cannot be reached.
    pub error: Option<String>,
}
