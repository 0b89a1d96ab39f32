//! What users are told of a connection, and of why it was closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::sync::Instant;

/// What the pool tells of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    pub(crate) id: u64,
    pub(crate) pool: Arc<str>,
    pub(crate) opened: Instant,
    pub(crate) clock: Clock,
    pub(crate) checkouts: u64,
}

impl ConnectionInfo {
    /// Unique within its pool, from 1 upwards in the order of opening.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The name of the pool that opened it.
    #[must_use]
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// How long ago it was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.opened)
    }

    /// How often it was handed out.
    #[must_use]
    pub fn checkouts(&self) -> u64 {
        self.checkouts
    }
}

/// Why the pool closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CloseReason {
    /// Returned while pool_size connections were idle already.
    Overflow,
    /// Null mode closes at checkin.
    NullPool,
    /// Older than `recycle`.
    Recycled,
    /// Idle longer than `idle_timeout`.
    IdleTimeout,
    /// The server or the network had ended it.
    Lost,
    /// Its ping timed out or failed without being lost.
    ValidationFailed,
    /// Its reset on return failed or timed out.
    ResetFailed,
    /// A hook refused it, failed or panicked.
    HookFailed,
    /// Invalidated by its holder or by `invalidate_all`, or older than a connection that was found lost.
    Invalidated,
    /// Its holder panicked and it could not be fully reset.
    Panicked,
    /// An answer may still be owed on it, which its next user would be given: its holder's statement timed out at the client, or
    /// was answered by a row too large.
    Owed,
    /// The pool was closed or dropped.
    PoolClosed,
}

impl CloseReason {
    pub(crate) const ALL: [CloseReason; 12] = [
        CloseReason::Overflow,
        CloseReason::NullPool,
        CloseReason::Recycled,
        CloseReason::IdleTimeout,
        CloseReason::Lost,
        CloseReason::ValidationFailed,
        CloseReason::ResetFailed,
        CloseReason::HookFailed,
        CloseReason::Invalidated,
        CloseReason::Panicked,
        CloseReason::Owed,
        CloseReason::PoolClosed,
    ];
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Overflow => "overflow",
            CloseReason::NullPool => "null_pool",
            CloseReason::Recycled => "recycled",
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::Lost => "lost",
            CloseReason::ValidationFailed => "validation_failed",
            CloseReason::ResetFailed => "reset_failed",
            CloseReason::HookFailed => "hook_failed",
            CloseReason::Invalidated => "invalidated",
            CloseReason::Panicked => "panicked",
            CloseReason::Owed => "owed",
            CloseReason::PoolClosed => "pool_closed",
        })
    }
}
