//! What users are told about a connection, and about why it was closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::sync::Instant;

/// What the pool tells about a connection.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    pub(crate) id: u64,
    pub(crate) pool: Arc<str>,
    pub(crate) opened: Instant,
    pub(crate) clock: Clock,
    pub(crate) checkouts: u64,
    /// When it last became idle, or was opened.
    pub(crate) idle_since: Instant,
    /// When it was taken; `None` while it is not out.
    pub(crate) taken: Option<Instant>,
    pub(crate) read_only: Option<bool>,
}

impl ConnectionInfo {
    /// A number that is unique within the pool: connections are numbered from 1 in the order in which they are opened.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The name of the pool that opened the connection.
    #[must_use]
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// How long ago the connection was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.opened)
    }

    /// How long the connection had been idle when it was checked out, for hooks and its holder. Zero if it was opened for this
    /// checkout, or handed on by its last holder. For a connection that is not checked out, such as one that is closed while it is
    /// idle: how long it has been idle.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        let until = self.taken.unwrap_or_else(|| self.clock.now());
        until.saturating_duration_since(self.idle_since)
    }

    /// How often the connection has been checked out.
    #[must_use]
    pub fn checkouts(&self) -> u64 {
        self.checkouts
    }

    /// Whether the server that the connection leads to is read-only, as the server said at the login or when it was asked last.
    /// `None` if the driver cannot know, and in hooks before the login has ended.
    #[must_use]
    pub fn read_only(&self) -> Option<bool> {
        self.read_only
    }
}

/// Why the pool closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was returned while pool_size connections were idle already.
    Overflow,
    /// In null mode, connections are closed at checkin.
    NullPool,
    /// It was older than `recycle`.
    Recycled,
    /// It was idle for longer than `idle_timeout`.
    IdleTimeout,
    /// The server or the network had ended it.
    Lost,
    /// Its ping timed out, or failed in a way that does not mean that it was lost.
    ValidationFailed,
    /// Its reset on return failed or timed out.
    ResetFailed,
    /// A hook refused it, failed or panicked.
    HookFailed,
    /// It was invalidated by its holder or by `invalidate_all`, or had been opened before another connection was found lost or on a
    /// server that has become read-only.
    Invalidated,
    /// Its holder panicked, and it could not be reset in full.
    Panicked,
    /// An answer may still be owed on it, which its next user would be given. For example, its holder's statement timed out at the
    /// client, or its answer had a row that was too large.
    Owed,
    /// The server was full, and this instance had more connections than its share (setting `instances`).
    OverShare,
    /// Its server is read-only: it has refused a write, or has become read-only since the login, and the setting
    /// [`role`](crate::Settings::role) says that the pool looks for another server then.
    Unsuited,
    /// The pool was closed or dropped.
    PoolClosed,
}

impl CloseReason {
    pub(crate) const ALL: [CloseReason; 14] = [
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
        CloseReason::OverShare,
        CloseReason::Unsuited,
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
            CloseReason::OverShare => "over_share",
            CloseReason::Unsuited => "unsuited",
            CloseReason::PoolClosed => "pool_closed",
        })
    }
}
