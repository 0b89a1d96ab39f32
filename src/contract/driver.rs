//! What the pool must know about a driver beyond opening a connection.

mod undescribed;

use std::time::Duration;

use crate::contract::call::{Call, Reset};
use crate::contract::error_class::{ErrorClass, Extent};
use crate::contract::replication::Replication;
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::settings::{Mode, ResetOnReturn, Settings};
pub(crate) use undescribed::Undescribed;

/// Any `r2d2::ManageConnection` whose errors can cross threads, so every r2d2 manager can be pooled.
pub trait Manager: r2d2::ManageConnection<Error: Send + Sync> {}

impl<M: r2d2::ManageConnection<Error: Send + Sync>> Manager for M {}

#[doc = include_str!("driver.md")]
pub trait Driver<M: Manager>: Send + Sync + 'static {
    /// Called once when the pool is built, before any connection is opened. This is the place to take connect_timeout,
    /// command_timeout, validation_query and echo from `settings`.
    ///
    /// # Errors
    /// Settings or Unsupported for a setting that this driver cannot honour; the build then fails with it. The default
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
                "validation_query is set, but this pool's driver does not run SQL: leave it out, and test the connection in \
                 ManageConnection::is_valid",
            )),
        }
    }

    /// Whether [`prepare`](Driver::prepare) makes the manager encrypt connections if `require_tls` is set. Default false; then
    /// building a pool with `require_tls` logs a warning, unless the manager is a bundled one, which encrypts under any driver.
    /// Asked once, when the pool is built.
    fn honours_require_tls(&self) -> bool {
        false
    }

    /// Opens a connection. A driver whose connect [is bounded](Driver::is_bounded) must keep to `limit`, which is
    /// connect_timeout or the time that is left until the caller's own deadline. Of a driver with [hosts](Driver::hosts), that
    /// method says more.
    ///
    /// # Errors
    /// The driver's own.
    fn connect(&self, manager: &M, _limit: Duration) -> Result<M::Connection, M::Error> {
        manager.connect()
    }

    /// As [`connect`](Driver::connect), for a bundled driver that needs something first which does not come from its database: its
    /// own error type has no error for the lack of it.
    #[doc(hidden)]
    fn log_in(
        &self,
        manager: &M,
        limit: Duration,
    ) -> Result<Result<M::Connection, M::Error>, Error> {
        Ok(self.connect(manager, limit))
    }

    /// How many hosts the manager walks along until one of them gives a connection, where `None`, the default, means that it does
    /// not. Each may take connect_timeout, so [`connect`](Driver::connect) may then take so many times connect_timeout, and its
    /// `limit` is less where the caller has less time left; a connect that takes longer than that limit goes on. Asked once, when
    /// the pool is built.
    fn hosts(&self, _manager: &M) -> Option<u32> {
        None
    }

    /// Which server and database the manager connects to, for the log and for errors of connecting: `app@db.internal:5432/orders`. It
    /// must not contain a secret. Asked once, when the pool is built. `None`, the default, leaves it out.
    fn server(&self, _manager: &M) -> Option<String> {
        None
    }

    /// The last step of connecting, after the connect hooks have run. This is the place to note what a reset must restore. An
    /// error counts as a failed connect.
    ///
    /// # Errors
    /// The driver's own.
    fn connected(&self, _manager: &M, _connection: &mut M::Connection) -> Result<(), M::Error> {
        Ok(())
    }

    /// Tests a connection, within `limit` if [`is_bounded`](Driver::is_bounded) says so.
    ///
    /// # Errors
    /// The driver's own. [`classify`](Driver::classify) tells whether the connection is lost.
    fn ping(
        &self,
        manager: &M,
        connection: &mut M::Connection,
        _limit: Duration,
    ) -> Result<(), M::Error> {
        manager.is_valid(connection)
    }

    /// Resets a returned connection to a clean session, or says that this driver cannot reset it so, which is the default, and which
    /// the pool remembers for this `how`. It must succeed where there is nothing to undo (SQLite refuses a `ROLLBACK` then). `how`
    /// is never [`ResetOnReturn::Never`] unless [`proves`](Driver::proves) is true. The return of the connection waits for it, even
    /// where another connection is idle, but not on a thread of a tokio runtime unless the reset [is bounded](Driver::is_bounded).
    ///
    /// A connection whose holder panicked is reset in full, or closed if that is not supported. In null mode, where the connection
    /// is closed next, `how` is always [`ResetOnReturn::Rollback`].
    ///
    /// # Errors
    /// The driver's own. The connection is then closed.
    fn reset(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
        _how: ResetOnReturn,
    ) -> Result<Reset, M::Error> {
        Ok(Reset::NotSupported)
    }

    /// Whether [`reset`](Driver::reset) has anything to do on this connection, which has just come back. The default says yes. A
    /// driver that knows better without a round trip saves the call, and with it the way to a helper thread; it must be sure. Asked
    /// on the thread that returns the connection, and not for one whose holder panicked. It must not block.
    fn reset_is_due(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
        _how: ResetOnReturn,
    ) -> bool {
        true
    }

    /// Whether the server has answered on this connection since it was opened, tested or reset, or since this was asked last. Asked
    /// when a connection comes back and is kept without a reset: only with an answer does its return prove that it is alive. The
    /// default says yes, for drivers that cannot know. It must not block.
    fn has_answered(&self, _manager: &M, _connection: &mut M::Connection) -> bool {
        true
    }

    /// Whether a connection must be asked at each return whether an answer is still owed on it, even under
    /// `reset_on_return = never`. If so, [`reset`](Driver::reset) is then called with [`ResetOnReturn::Never`], and must do nothing
    /// else. Asked once, when the pool is built.
    fn proves(&self, _manager: &M) -> bool {
        false
    }

    /// Whether a returned connection is known to be lost, without asking the server. It must not block.
    fn is_broken(&self, manager: &M, connection: &mut M::Connection) -> bool {
        manager.has_broken(connection)
    }

    /// What an error means.
    fn classify(&self, _error: &M::Error) -> ErrorClass {
        ErrorClass::Lost
    }

    /// What an error means that was passed to [`Connection::note_error`](crate::Connection::note_error) and that is not the
    /// manager's own error type and has none among its sources. For example, diesel's statements fail with
    /// `diesel::result::Error`, which is not the error type of its `ConnectionManager`. `None`, the default, counts as
    /// [`Statement`](ErrorClass::Statement).
    fn classify_other(&self, _error: &(dyn std::error::Error + 'static)) -> Option<ErrorClass> {
        None
    }

    /// How far an error of class [`Lost`](ErrorClass::Lost) reaches.
    fn extent(&self, _error: &M::Error) -> Extent {
        Extent::Server
    }

    /// The same for an error that [`classify_other`](Driver::classify_other) has called lost.
    fn extent_other(&self, _error: &(dyn std::error::Error + 'static)) -> Extent {
        Extent::Server
    }

    /// Whether a ping failed because the `validation_query` itself is wrong: its syntax, an object that does not exist, a
    /// missing permission. Until the query has succeeded once, such an error says nothing about the connection, so the connection
    /// is kept and the caller gets the error.
    fn refuses_query(&self, _error: &M::Error) -> bool {
        false
    }

    /// What an error says, where the driver's own text does not say it. With `None`, the default, the pool takes the error's text
    /// and those of its sources. It must not contain a secret.
    fn describe(&self, _error: &M::Error) -> Option<String> {
        None
    }

    /// Takes the passwords of this manager out of a text in which a server, a proxy or a hook may have sent them back: a part of an
    /// error, and with it of the log, the status and the events. `None`, the default, leaves the text as it is. The bundled drivers
    /// put `***` in place of the password of the URL or the configuration, and of the last four that came from a closure, if it has
    /// four characters or more (a shorter one would mask parts of ordinary words) and is not the user's or the database's name.
    /// It must not block.
    fn mask(&self, _manager: &M, _text: &str) -> Option<String> {
        None
    }

    /// Explains a failed connect to whoever has to mend it, if the driver's own text does not: which side refused what, and what
    /// would be right. The explanation is added to the text of the error, and must not contain a secret.
    fn explain(&self, _manager: &M, _error: &M::Error) -> Option<String> {
        None
    }

    /// Whether the call ends by itself within its limit, or is local. If so, it runs on the caller's thread; a bounded connect runs
    /// on the thread of the caller who asked for it. All other calls, except those that
    /// [can be aborted](Driver::abort_handle), run on a helper thread and are abandoned at their limit. Asked once for each call,
    /// when the pool is built.
    fn is_bounded(&self, _call: Call) -> bool {
        false
    }

    /// A function that aborts, from another thread, a ping, reset, server_limit or replication that blocks on this connection. With it,
    /// these calls run on the thread that needs them, and one that takes longer than its limit is aborted and its connection is
    /// closed. With `None`, the default, they run on a helper thread.
    ///
    /// The function is called at most once, while the call runs or has just ended, and before the connection is dropped. So a
    /// socket that it names is still the connection's own, provided that the call itself does not replace it. It must not block
    /// or use a pool, and it must make the call return soon: if the call goes on all the same, its caller hangs with it, and is
    /// not counted as abandoned.
    fn abort_handle(&self, _connection: &M::Connection) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }

    /// The same, for a driver that cannot find its socket without touching the connection. The pool asks this one; the default asks
    /// [`abort_handle`](Driver::abort_handle). It must not block.
    fn abort_handle_mut(
        &self,
        _manager: &M,
        connection: &mut M::Connection,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        self.abort_handle(connection)
    }

    /// A function that ends, on the server, the statement that a call on this connection waits for. It is run once the call is
    /// past its limit, on a helper thread, where it may block. The connection is closed in any case, since the cancel may hit its
    /// next statement. The pool asks for the function before each reset that may block. With `None`, the default, the statement is
    /// left to itself.
    fn cancel_handle(
        &self,
        _manager: &M,
        _connection: &M::Connection,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }

    /// Asks whether the server that this connection leads to is read-only, so that it refuses every write of this user. What the
    /// session itself has set does not count, such as a transaction of the user's own that is read-only. `None`, the default,
    /// means that this cannot be known; then the setting [`role`](crate::Settings::role) changes nothing.
    ///
    /// The pool asks when a connection comes back on which a statement failed with [`Unsuited`](ErrorClass::Unsuited), after the
    /// reset, together with which it is limited and aborted.
    ///
    /// # Errors
    /// The driver's own. The connection is then closed.
    fn is_read_only(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
    ) -> Result<Option<bool>, M::Error> {
        Ok(None)
    }

    /// What the login has said about the same. The pool asks once for each new connection, on the thread that opened it: after
    /// [`connected`](Driver::connected) if any server will do, and otherwise right after [`connect`](Driver::connect), before any
    /// hook. The default asks the server; a driver that has asked together with something else saves this round trip, and one whose
    /// resets ask may leave it to the first of them. Of a login to a server in the wrong role nobody hears then.
    ///
    /// # Errors
    /// The driver's own. The connect has then failed.
    fn read_only_at_login(
        &self,
        manager: &M,
        connection: &mut M::Connection,
    ) -> Result<Option<bool>, M::Error> {
        self.is_read_only(manager, connection)
    }

    /// What has been seen about the same in passing since this was asked last: in the answer to a ping or reset, which the pool has
    /// just made on this thread, or because the server has refused a write. `Some(true)` proves nothing by itself, and if it is
    /// news the pool [asks](Driver::is_read_only); `Some(false)` is taken at its word. `None`, the default, means that nothing was
    /// seen. It must not block.
    fn seen_read_only(&self, _manager: &M, _connection: &mut M::Connection) -> Option<bool> {
        None
    }

    /// How many connections the server accepts, or `None` if there is no such limit, which is the default. The pool asks until it
    /// gets an answer; either answer then holds for the life of the pool. The question runs on an idle connection, on a thread of
    /// the pool's own or that of a [health check](crate::Pool::health_check).
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

    /// How many more connections the server would accept now from this user in this database, or `None` if that cannot be told,
    /// which is the default. It is asked with [`instances`](crate::Settings::instances) above 1, while the pool has more than its
    /// share and at most once a second, where [`server_limit`](Driver::server_limit) is asked.
    ///
    /// # Errors
    /// The driver's own. One that [`classify`](Driver::classify) calls a [`Statement`](ErrorClass::Statement) means that it cannot
    /// be told, and it is not asked again.
    fn connections_left(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
    ) -> Result<Option<u64>, M::Error> {
        Ok(None)
    }

    /// How far the log of this connection's server has come: what it has written if it is a primary, what it has replayed if it is
    /// a replica. The default says that nothing is known. [`ReadWrite`](crate::ReadWrite) asks this of its primary and of its
    /// replicas at every check, on a thread of its own.
    ///
    /// # Errors
    /// The driver's own. One that [`classify`](Driver::classify) calls a [`Statement`](ErrorClass::Statement) means that the server
    /// works but does not tell.
    fn replication(
        &self,
        _manager: &M,
        _connection: &mut M::Connection,
    ) -> Result<Replication, M::Error> {
        Ok(Replication::unknown())
    }

    /// The mode if the settings name none. Asked once, when the pool is built.
    fn default_mode(&self) -> Mode {
        Mode::Queue
    }

    /// Called before the pool drops a connection, for whatever reason, and before an `on_release` or invalidate hook sees it. This
    /// is the place to keep the driver's own drop from doing harm. It may be called more than once, and must not block.
    fn closing(&self, _manager: &M, _connection: &mut M::Connection) {}

    /// Called once, when the pool has closed, to release whatever the manager keeps open outside the pool.
    fn shutdown(&self, _manager: &M) {}
}

#[cfg(test)]
mod tests;
