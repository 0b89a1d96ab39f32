//! What the pool does with MySQL's and MariaDB's connections.

use std::time::Duration;

use ::mysql::{Conn, Error as MyError};
use r2d2::ManageConnection;

use super::MySqlManager;
use super::base::{Base, Bases};
use super::classify::{classify, extent, refuses_query};
use super::hosts::wrong_role;
use super::inside;
use super::login::without;
use super::owed::{another_answer, is_unread, listen};
use super::role;
use super::socket::{self, Socket};
use super::strictly::ROLLBACK;
use crate::contract::call::Reset;
use crate::contract::driver::Driver;
use crate::contract::error_class::{ErrorClass, Extent};
use crate::contract::replication::Replication;
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::settings::{ResetOnReturn, Role, Settings};

/// How the pool pings and resets MySQL and MariaDB connections and reads their errors.
///
/// The ping checks the socket, and then sends COM_PING or the setting `validation_query`. No call is bounded, because the
/// driver's only limit, its `read_timeout`, would cut off users' statements too. Instead, a ping or reset that does not end is
/// aborted by shutting down the socket. All that is done with the socket is done on Linux only: elsewhere such calls run on helper
/// threads, and each return asks a question that only the right answer satisfies.
#[derive(Debug, Default)]
pub struct MySqlDriver {
    validation_query: Option<String>,
    never_resets: bool,
    /// A server in the wrong role is no good, and is asked before anybody uses the connection.
    role_is_asked_first: bool,
    bases: Bases,
}

impl MySqlDriver {
    /// A driver that takes its settings when the pool is built.
    #[must_use]
    pub fn new() -> Self {
        MySqlDriver::default()
    }
}

impl MySqlDriver {
    /// Runs the pool's own SQL and ends a transaction that it has opened. Where autocommit is off, any SQL opens a transaction, and
    /// with it a snapshot from which the next user would read. A transaction that is open already belongs to a holder who pings
    /// the connection, and stays open.
    fn leaving_no_transaction<T>(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
        run: impl FnOnce(&mut Conn) -> Result<T, MyError>,
    ) -> Result<T, MyError> {
        let opens_one = !self.never_resets
            && !self.bases.of(connection).autocommit
            && inside::is_in_transaction(connection) == Some(false);
        let ran = run(connection);
        let is_spoilt = ran
            .as_ref()
            .is_err_and(|error| matches!(classify(error), ErrorClass::Lost | ErrorClass::Owed));
        if opens_one && !is_spoilt {
            let ended = manager.run_all(connection, &[ROLLBACK], None);
            // An error of the statement itself comes first.
            return ran.and_then(|answer| ended.map(|_| answer));
        }
        ran
    }
}

impl Driver<MySqlManager> for MySqlDriver {
    fn prepare(
        &mut self,
        manager: &mut MySqlManager,
        pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        self.validation_query.clone_from(&settings.validation_query);
        self.never_resets = settings.reset_on_return == ResetOnReturn::Never;
        self.role_is_asked_first = settings.role != Role::Any;
        manager.prepare(pool_name, settings)
    }

    fn honours_require_tls(&self) -> bool {
        true
    }

    fn connect(&self, manager: &MySqlManager, limit: Duration) -> Result<Conn, MyError> {
        let opened = manager.connect_within(limit);
        opened.unwrap_or_else(|unavailable| Err(without(unavailable)))
    }

    fn log_in(
        &self,
        manager: &MySqlManager,
        limit: Duration,
    ) -> Result<Result<Conn, MyError>, Error> {
        manager.connect_within(limit).map_err(Error::from)
    }

    fn hosts(&self, manager: &MySqlManager) -> Option<u32> {
        manager.hosts.to_walk()
    }

    fn server(&self, manager: &MySqlManager) -> Option<String> {
        // Whoever the closure says logs in.
        let user = match &manager.credentials {
            Some(_) => None,
            None => Some(manager.opts.get_user()?),
        };
        manager.hosts.server(user, manager.opts.get_db_name()?)
    }

    /// Asks for the state that a reset has to restore, and whether the server is read-only.
    fn connected(&self, manager: &MySqlManager, connection: &mut Conn) -> Result<(), MyError> {
        let (row, read_only, first) = manager.ask_at_login(connection, Base::COLUMNS)?;
        let base = Base::read(row.as_ref(), first);
        self.bases.note(connection, Base { read_only, ..base });
        Ok(())
    }

    fn is_read_only(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Option<bool>, MyError> {
        self.leaving_no_transaction(manager, connection, |connection| {
            manager.is_read_only(connection)
        })
    }

    fn read_only_at_login(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Option<bool>, MyError> {
        match self.role_is_asked_first {
            true => manager.is_read_only(connection),
            false => Ok(self.bases.of(connection).read_only),
        }
    }

    /// What the last reset was told. Nobody need have had a write refused.
    fn seen_read_only(&self, _manager: &MySqlManager, _connection: &mut Conn) -> Option<bool> {
        role::take_seen()
    }

    fn ping(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
        _limit: Duration,
    ) -> Result<(), MyError> {
        let Some(sql) = &self.validation_query else {
            return manager.is_valid(connection);
        };
        listen(connection)?;
        self.leaving_no_transaction(manager, connection, |connection| {
            manager.run(connection, sql)
        })
    }

    /// Rollback: the transaction is rolled back, table locks are released, and autocommit is again what it was after the login,
    /// `init` and the connect hooks. Full: COM_RESET_CONNECTION, and then what that does not restore: the character set, the
    /// `init` of the `Opts`, the database and the statement limit as after the login, and the roles as after the connect hooks.
    fn reset(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
        how: ResetOnReturn,
    ) -> Result<Reset, MyError> {
        if manager.is_unfinished(connection) {
            return Err(another_answer());
        }
        listen(connection)?;
        match how {
            ResetOnReturn::Never => manager.prove_nothing_is_owed(connection),
            ResetOnReturn::Rollback => manager.roll_back(connection, &self.bases.of(connection)),
            ResetOnReturn::Full => manager.reset_in_full(connection, &self.bases),
        }?;
        Ok(Reset::Done)
    }

    /// Shuts down the socket if a statement is only half sent, because the driver would send it once more when it is dropped.
    fn closing(&self, manager: &MySqlManager, connection: &mut Conn) {
        manager.is_unfinished(connection);
    }

    fn proves(&self, manager: &MySqlManager) -> bool {
        manager.may_give_up()
    }

    /// Whether the stream has ended. Waiting bytes are left to the reset, which can tell a farewell from an answer; if there is no
    /// reset, they are reason enough to call the connection broken.
    fn is_broken(&self, manager: &MySqlManager, connection: &mut Conn) -> bool {
        if self.never_resets && !manager.may_give_up() {
            return is_unread(connection);
        }
        // An unfinished statement is left to the reset, whose error says why. It is checked here too, for its side effect, because
        // a connection that is closed in any case is not reset.
        !manager.is_unfinished(connection) && socket::look(connection) == Socket::Gone
    }

    fn classify(&self, error: &MyError) -> ErrorClass {
        classify(error)
    }

    fn extent(&self, error: &MyError) -> Extent {
        extent(error)
    }

    fn refuses_query(&self, error: &MyError) -> bool {
        refuses_query(error)
    }

    fn describe(&self, error: &MyError) -> Option<String> {
        wrong_role(error).map(ToString::to_string)
    }

    fn mask(&self, manager: &MySqlManager, text: &str) -> Option<String> {
        Some(manager.masked(text.to_owned()))
    }

    fn shutdown(&self, manager: &MySqlManager) {
        manager.hosts.stop();
    }

    fn explain(&self, manager: &MySqlManager, error: &MyError) -> Option<String> {
        manager.explain(error)
    }

    fn server_limit(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Option<ServerLimit>, MyError> {
        self.leaving_no_transaction(manager, connection, |connection| {
            manager.server_limit(connection)
        })
    }

    fn connections_left(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Option<u64>, MyError> {
        self.leaving_no_transaction(manager, connection, |connection| {
            manager.connections_left(connection)
        })
    }

    fn replication(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Replication, MyError> {
        self.leaving_no_transaction(manager, connection, |connection| {
            manager.replication(connection)
        })
    }

    /// Shuts down the socket, on Linux.
    fn abort_handle(&self, connection: &Conn) -> Option<Box<dyn FnOnce() + Send>> {
        socket::abort_handle(connection)
    }
}
