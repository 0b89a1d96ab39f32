//! The driver calls that may block, and the outcome of a reset.

use std::fmt;

/// The outcome of [`Driver::reset`](crate::Driver::reset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reset {
    /// The connection has been reset as was asked for, and it has answered.
    Done,
    /// This driver cannot reset connections. The pool remembers this and does not ask again.
    NotSupported,
}

/// The driver calls that may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `ManageConnection::connect`.
    Connect,
    /// [`Driver::ping`](crate::Driver::ping).
    Ping,
    /// [`Driver::reset`](crate::Driver::reset).
    Reset,
    /// Dropping the connection.
    Close,
    /// [`Driver::server_limit`](crate::Driver::server_limit) and
    /// [`Driver::connections_left`](crate::Driver::connections_left).
    ServerLimit,
    /// [`Driver::replication`](crate::Driver::replication).
    Replication,
}

impl Call {
    pub(crate) const ALL: [Call; 6] = [
        Call::Connect,
        Call::Ping,
        Call::Reset,
        Call::Close,
        Call::ServerLimit,
        Call::Replication,
    ];
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Connect => "connect",
            Call::Ping => "ping",
            Call::Reset => "reset",
            Call::Close => "close",
            Call::ServerLimit => "the question for the server's limit",
            Call::Replication => "the question for the server's replication",
        })
    }
}
