//! The settings that are a choice among named ways.

use std::time::Duration;

/// Whether a connection is tested before it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrePing {
    /// Never tested: a stale connection reaches its caller.
    Never,
    /// Tested every time.
    Always,
    /// Tested unless it was proved alive (used without error, reset or pinged) within this time.
    IdleFor(Duration),
}

impl Default for PrePing {
    /// [`PrePing::IdleFor`] 500 ms.
    fn default() -> Self {
        PrePing::IdleFor(Duration::from_millis(500))
    }
}

impl From<bool> for PrePing {
    /// `true` is the default, [`PrePing::IdleFor`] 500 ms; `false` is [`PrePing::Never`].
    fn from(on: bool) -> Self {
        if on {
            PrePing::default()
        } else {
            PrePing::Never
        }
    }
}

/// How a returned connection is cleaned before the next one gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResetOnReturn {
    /// Not at all.
    Never,
    /// An open transaction is rolled back.
    #[default]
    Rollback,
    /// The whole session is reset: `DISCARD ALL` on PostgreSQL, `COM_RESET_CONNECTION` on MySQL.
    Full,
}

/// Whether connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Kept between uses, as SQLAlchemy's QueuePool does.
    Queue,
    /// Opened at checkout and closed at checkin, as SQLAlchemy's NullPool does; never more than
    /// `pool_size + max_overflow` at once.
    Null,
}
