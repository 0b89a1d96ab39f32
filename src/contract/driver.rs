//! What the pool must know of a driver beyond opening a connection.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::base::panics::words;
use crate::error::Error;
use crate::settings::{Mode, ResetOnReturn, Settings};

/// Any `r2d2::ManageConnection` whose errors can cross threads: every r2d2 manager there is can be pooled.
pub trait Manager: r2d2::ManageConnection<Error: Send + Sync> {}

impl<M: r2d2::ManageConnection<Error: Send + Sync>> Manager for M {}

/// What a driver's error means for its connection, for the other connections, and for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone (reset by the peer, killed, server restarted, refused). It is closed, and what becomes of the
    /// connections opened before it is up to [`Driver::extent`]. A connect that fails so is worth another attempt.
    Lost,
    /// The driver gave up on an answer that the server may still send: a time-out at the client, a row too large for it, an
    /// answer read halfway. The next statement on this connection could be given that answer, so the connection is
    /// closed when it comes back, whatever `reset_on_return` says. No other connection is affected. A connect that fails so
    /// is worth another attempt.
    Owed,
    /// The server cannot take us now (starting up, too many connections). Worth another attempt; a connection that is open
    /// stays open.
    Transient,
    /// Trying again changes nothing (wrong password, unknown database). A connection that is open stays open.
    Permanent,
    /// The server refused a statement; the connection is sound.
    Statement,
}

/// How far an error of class [`Lost`](ErrorClass::Lost) reaches: what it says of the connections opened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// The server ended this one session, by an idle limit for example. The others are not affected.
    Session,
    /// The session has ended, and the server may have gone or not (an administrator's kill and a shutdown say the same). The
    /// others are pinged before their next use, however recently they were used; if one of them is lost too, all are
    /// replaced, and so they are if it was a ping that found it.
    Unclear,
    /// The server has gone, or is another one now: every connection opened before is replaced, without a ping.
    Server,
}

/// What came of [`Driver::reset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reset {
    /// The connection is as clean as was asked for, and it has answered.
    Done,
    /// This driver resets nothing. The pool remembers it and does not ask again.
    NotSupported,
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

impl Call {
    pub(crate) const ALL: [Call; 5] = [
        Call::Connect,
        Call::Ping,
        Call::Reset,
        Call::Close,
        Call::ServerLimit,
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
    /// refuses a validation_query, which only a driver that runs SQL can honour.
    fn prepare(
        &mut self,
        _manager: &mut M,
        _pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        match &settings.validation_query {
            None => Ok(()),
            Some(_) => Err(Error::unsupported(
                "validation_query is set, but this pool's driver does not run SQL: leave it out, or test the \
                 connection in ManageConnection::is_valid",
            )),
        }
    }

    /// Whether [`prepare`](Driver::prepare) sees to it that connections are encrypted where `require_tls` is set. Where it does not,
    /// which is the default, and the manager is none of the bundled ones either, which do under any driver, the build warns
    /// of it. Asked once, when the pool is built.
    fn honours_require_tls(&self) -> bool {
        false
    }

    /// Opens a connection; a driver whose connect [is bounded](Driver::is_bounded) keeps to `limit`, which is
    /// connect_timeout or what is left of the caller's own deadline.
    ///
    /// # Errors
    /// The driver's own.
    fn connect(&self, manager: &M, _limit: Duration) -> Result<M::Connection, M::Error> {
        manager.connect()
    }

    /// The last step of connecting, after the connect hooks have run: the place to note what a reset must restore. An error
    /// is that of a failed connect.
    ///
    /// # Errors
    /// The driver's own.
    fn connected(&self, _manager: &M, _connection: &mut M::Connection) -> Result<(), M::Error> {
        Ok(())
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

    /// Brings a returned connection back to a clean session, or says that this driver cannot, which is the default and is
    /// remembered. `how` is never [`ResetOnReturn::Never`] unless [`proves`](Driver::proves) is true.
    ///
    /// A connection whose holder panicked is reset in full, or closed where that is not supported.
    ///
    /// # Errors
    /// The driver's own; the connection is closed then.
    fn reset(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
        _how: ResetOnReturn,
    ) -> Result<Reset, M::Error> {
        Ok(Reset::NotSupported)
    }

    /// Whether a connection must be asked at each return if an answer is still owed on it, under `reset_on_return = never` too:
    /// then [`reset`](Driver::reset) is called with [`ResetOnReturn::Never`], and asks nothing else. Asked once, when the pool
    /// is built.
    fn proves(&self, _manager: &M) -> bool {
        false
    }

    /// Whether a returned connection is known to be lost, without asking the server. Must not block.
    fn is_broken(&self, manager: &M, connection: &mut M::Connection) -> bool {
        manager.has_broken(connection)
    }

    /// What an error means.
    fn classify(&self, _error: &M::Error) -> ErrorClass {
        ErrorClass::Lost
    }

    /// What an error means that is not the manager's own and has none of those beneath it, as given to
    /// [`Connection::note_error`](crate::Connection::note_error): diesel's statements fail with `diesel::result::Error`, which
    /// is not the error of its `ConnectionManager`. `None`, the default, counts as
    /// [`Statement`](ErrorClass::Statement).
    fn classify_other(&self, _error: &(dyn std::error::Error + 'static)) -> Option<ErrorClass> {
        None
    }

    /// How far an error reaches that is of class [`Lost`](ErrorClass::Lost).
    fn extent(&self, _error: &M::Error) -> Extent {
        Extent::Server
    }

    /// Whether a ping failed because the `validation_query` itself is wrong: its syntax, an object that does not exist, a
    /// permission. Until the query has succeeded once, such an error tells nothing of the connection: it is kept, and the
    /// caller gets the error.
    fn refuses_query(&self, _error: &M::Error) -> bool {
        false
    }

    /// What a failed connect means for whoever has to mend it, where the driver's own words do not say: which side refused
    /// what, and what would be right. It is added to the words of the error, and must not contain a secret.
    fn explain(&self, _manager: &M, _error: &M::Error) -> Option<String> {
        None
    }

    /// Whether the call ends by itself within its limit, or is local: then it runs on the caller's thread. All others,
    /// except those that [can be aborted](Driver::abort_handle), run on a helper thread and are abandoned at their limit. A
    /// connect that is bounded is run on the thread of the caller who asked for it. Asked once for each call, when the pool is
    /// built.
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

    /// What ends, on the server, the statement that a call on this connection waits for: run once the call is past its limit,
    /// on a helper thread, and may block there. The connection is closed in any case, since the cancel may reach its
    /// next statement. It is asked for before each reset on a helper thread. `None`, the default: the call is left to itself.
    fn cancel_handle(
        &self,
        _manager: &M,
        _connection: &M::Connection,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }

    /// How many connections the server takes, or `None` if there is no such limit, which is the default; asked until it
    /// is answered, which either answer does for the life of the pool. It runs on an idle connection and on a thread of the pool's own or
    /// that of a [health check](crate::Pool::health_check).
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

    /// The mode when the settings name none. Asked once, when the pool is built.
    fn default_mode(&self) -> Mode {
        Mode::Queue
    }

    /// Called before the pool drops a connection, for whatever reason, and before an `on_release` or invalidate hook sees it: the
    /// place to keep a driver's own drop from doing harm. It may be called more than once and must not block.
    fn closing(&self, _manager: &M, _connection: &mut M::Connection) {}

    /// Called once, when the pool has closed: let go of what the manager keeps open outside the pool.
    fn shutdown(&self, _manager: &M) {}
}

/// What a driver says once for a pool's whole life, asked when the pool is built.
pub(crate) struct Facts {
    bounded: [bool; Call::ALL.len()],
    pub(crate) proves: bool,
    /// Until the driver has said that it resets nothing.
    resets: AtomicBool,
}

impl Facts {
    /// # Errors
    /// Unsupported for a driver that panics when asked.
    pub(crate) fn of<M: Manager>(
        driver: &dyn Driver<M>,
        manager: &M,
        is_described: bool,
    ) -> Result<Self, Error> {
        let mut bounded = [false; Call::ALL.len()];
        for call in Call::ALL {
            bounded[call as usize] = ask_driver("is_bounded", || driver.is_bounded(call))?;
        }
        Ok(Facts {
            bounded,
            proves: ask_driver("proves", || driver.proves(manager))?,
            // A driver of our own that resets nothing need not be asked.
            resets: AtomicBool::new(is_described),
        })
    }

    pub(crate) fn is_bounded(&self, call: Call) -> bool {
        self.bounded[call as usize]
    }

    /// Whether there is anything to call [`Driver::reset`] for.
    pub(crate) fn resets(&self, how: ResetOnReturn) -> bool {
        (how != ResetOnReturn::Never || self.proves) && self.resets.load(Ordering::Relaxed)
    }

    pub(crate) fn note_that_it_resets_nothing(&self) {
        self.resets.store(false, Ordering::Relaxed);
    }
}

/// Asks the driver while the pool is being built.
///
/// # Errors
/// Unsupported where it panics.
pub(crate) fn ask_driver<T>(what: &str, ask: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(|panic| {
        let words = words(&*panic);
        Error::unsupported(format!("the driver panicked in Driver::{what}: {words}"))
    })
}

/// The driver of a manager that nobody described.
pub(crate) struct Undescribed;

impl<M: Manager> Driver<M> for Undescribed {}
