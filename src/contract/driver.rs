//! What the pool must know of a driver beyond opening a connection.

use std::time::Duration;

use crate::contract::call::{Call, Reset};
use crate::contract::error_class::{ErrorClass, Extent};
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::settings::{Mode, ResetOnReturn, Settings};

/// Any `r2d2::ManageConnection` whose errors can cross threads: every r2d2 manager there is can be pooled.
pub trait Manager: r2d2::ManageConnection<Error: Send + Sync> {}

impl<M: r2d2::ManageConnection<Error: Send + Sync>> Manager for M {}

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

/// The driver of a manager that nobody described.
pub(crate) struct Undescribed;

impl<M: Manager> Driver<M> for Undescribed {}
