//! What the pool must know of a driver beyond opening a connection.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::settings::{Mode, ResetOnReturn, Settings};

/// Any `r2d2::ManageConnection` whose errors can cross threads: every r2d2 manager there is can be pooled.
pub trait Manager: r2d2::ManageConnection<Error: Send + Sync> {}

impl<M: r2d2::ManageConnection<Error: Send + Sync>> Manager for M {}

/// What a driver's error means for the connection and for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone (reset, killed, server restarted, refused). Worth another attempt; when a ping says so,
    /// every connection opened before is suspect too.
    Lost,
    /// The server cannot take us now (starting up, too many connections). Worth another attempt.
    Transient,
    /// Trying again changes nothing (wrong password, unknown database).
    Permanent,
    /// The server refused a statement; the connection is sound.
    Statement,
}

/// The driver calls that may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// `ManageConnection::connect`.
    Connect,
    /// [`Driver::ping`].
    Ping,
    /// [`Driver::reset`].
    Reset,
    /// Dropping the connection.
    Close,
    /// [`Driver::server_limit`].
    ServerLimit,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Connect => "connect",
            Call::Ping => "ping",
            Call::Reset => "reset",
            Call::Close => "close",
            Call::ServerLimit => "the question for the server's limit",
        })
    }
}

/// How many connections a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServerLimit {
    /// In all, over all its clients: `max_connections` on PostgreSQL, MySQL and MariaDB.
    pub max_connections: u64,
    /// Kept back for administrators, within `max_connections`: `superuser_reserved_connections` and
    /// `reserved_connections` on PostgreSQL. MySQL and MariaDB admit one administrator beyond `max_connections`: 0.
    pub reserved: u64,
}

impl ServerLimit {
    /// A limit of `max_connections`, of which `reserved` are kept back.
    #[must_use]
    pub fn new(max_connections: u64, reserved: u64) -> Self {
        ServerLimit {
            max_connections,
            reserved,
        }
    }

    /// What is left for applications.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// How many pools of this capacity fit, when nobody else connects.
    #[must_use]
    pub fn instances_of(&self, capacity: u64) -> u64 {
        self.available() / capacity.max(1)
    }

    /// How many connections are left when as many pools of this capacity as fit are full.
    #[must_use]
    pub fn remaining_of(&self, capacity: u64) -> u64 {
        self.available() % capacity.max(1)
    }
}

/// What the pool must know of a driver beyond opening a connection: how to ping and reset, what its errors mean, and
/// which of its calls end by themselves.
///
/// Every method has a default, which is what a manager without a driver gets: its ping is `is_valid` and a failed one
/// means that the connection is lost; a failed connect is worth another attempt. The bundled drivers
/// (modules `postgres`, `mysql` and `sqlite`) set all of it.
pub trait Driver<M: Manager>: Send + Sync + 'static {
    /// Called once when the pool is built, before anything is opened: the place to take connect_timeout,
    /// command_timeout, validation_query and echo from `settings`.
    ///
    /// # Errors
    /// Of kind Settings or Unsupported for a setting that this driver cannot honour; it fails the build. The default
    /// refuses a validation_query, which only a driver that runs SQL can honour, and warns of require_tls with a manager that is
    /// none of the bundled ones, of which it cannot tell whether it honours it; those do under any driver.
    fn prepare(
        &mut self,
        _manager: &mut M,
        pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        if settings.require_tls && crate::drivers::bundled::<M>().is_none() {
            log::warn!(
                target: &format!("queuepool::{pool_name}"),
                "require_tls is set, and this pool's driver knows nothing of encryption: see to it in the manager"
            );
        }
        match &settings.validation_query {
            None => Ok(()),
            Some(_) => Err(Error::unsupported(
                "validation_query is set, but this pool's driver does not run SQL: leave it out, or test the \
                 connection in ManageConnection::is_valid",
            )),
        }
    }

    /// Opens a connection; a driver whose connect [is bounded](Driver::is_bounded) keeps to `limit`, which is
    /// connect_timeout or what is left of the caller's own deadline.
    ///
    /// # Errors
    /// The driver's own.
    fn connect(&self, manager: &M, _limit: Duration) -> Result<M::Connection, M::Error> {
        manager.connect()
    }

    /// Tests a connection, within `limit` if [`is_bounded`](Driver::is_bounded) says so.
    ///
    /// # Errors
    /// The driver's own; [`classify`](Driver::classify) tells whether the connection is lost.
    fn ping(
        &self,
        manager: &M,
        connection: &mut M::Connection,
        _limit: Duration,
    ) -> Result<(), M::Error> {
        manager.is_valid(connection)
    }

    /// Whether [`reset`](Driver::reset) does anything.
    fn resets(&self) -> bool {
        true
    }

    /// Brings a returned connection back to a clean session; `how` is never [`ResetOnReturn::Never`].
    ///
    /// # Errors
    /// The driver's own; the connection is closed then.
    fn reset(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
        _how: ResetOnReturn,
    ) -> Result<(), M::Error> {
        Ok(())
    }

    /// Whether a returned connection is known to be lost, without asking the server. Must not block.
    fn is_broken(&self, manager: &M, connection: &mut M::Connection) -> bool {
        manager.has_broken(connection)
    }

    /// What an error means.
    fn classify(&self, _error: &M::Error) -> ErrorClass {
        ErrorClass::Lost
    }

    /// What a failed connect means for whoever has to mend it, where the driver's own words do not say: which side refused
    /// what, and what would be right. It is added to the words of the error, and must not contain a secret.
    fn explain(&self, _manager: &M, _error: &M::Error) -> Option<String> {
        None
    }

    /// Whether the call ends by itself within its limit, or is local: then it runs on the caller's thread. All others,
    /// except those that [can be aborted](Driver::abort_handle), run on a helper thread and are abandoned at their limit. A
    /// connect that is bounded is run on the thread of the caller who asked for it.
    fn is_bounded(&self, _call: Call) -> bool {
        false
    }

    /// What aborts a ping, reset or server_limit that blocks on this connection, from another thread. Then these run on the
    /// thread that needs them, and one that takes longer than its limit is aborted and its connection closed. `None`, the
    /// default: they run on a helper thread.
    ///
    /// It is called at most once, while the call runs or has just ended and before the connection is dropped; so a socket it
    /// names is the connection's own, provided that the call itself does not exchange it. It must not block nor use a pool,
    /// and must make the call return soon: a caller whose call goes on all the same hangs with it, and is not counted as
    /// abandoned.
    fn abort_handle(&self, _connection: &M::Connection) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }

    /// Whether [`server_limit`](Driver::server_limit) can tell anything.
    fn has_server_limit(&self) -> bool {
        false
    }

    /// How many connections the server takes; asked once in a pool's life, on an idle connection and on a
    /// thread of the pool's own or that of a [health check](crate::Pool::health_check).
    ///
    /// # Errors
    /// The driver's own.
    fn server_limit(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
    ) -> Result<Option<ServerLimit>, M::Error> {
        Ok(None)
    }

    /// The mode when the settings name none.
    fn default_mode(&self) -> Mode {
        Mode::Queue
    }

    /// Called when the pool has closed: let go of what the manager keeps open outside the pool.
    fn shutdown(&self, _manager: &M) {}
}

/// The driver of a manager that nobody described.
pub(crate) struct Undescribed;

impl<M: Manager> Driver<M> for Undescribed {
    fn resets(&self) -> bool {
        false
    }
}
