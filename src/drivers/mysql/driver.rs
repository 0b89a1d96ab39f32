//! What the pool does with MySQL's and MariaDB's connections.

use std::os::fd::AsRawFd;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError};
use nix::sys::socket::{Shutdown, shutdown};
use r2d2::ManageConnection;

use super::classify::classify;
use super::{MySqlManager, is_lost};
use crate::driver::{Driver, ErrorClass, Reset, ServerLimit};
use crate::error::Error;
use crate::settings::{ResetOnReturn, Settings};

/// How the pool pings and resets MySQL and MariaDB connections and reads their errors.
///
/// The ping is a look at the socket, then COM_PING or the settings' `validation_query`. No call is bounded, because the
/// driver's only limit, its `read_timeout`, would cut off users' statements too; a ping or reset that does not end is aborted
/// by shutting the socket down.
#[derive(Debug, Default)]
pub struct MySqlDriver {
    validation_query: Option<String>,
}

impl MySqlDriver {
    /// A driver that takes its settings when the pool is built.
    #[must_use]
    pub fn new() -> Self {
        MySqlDriver::default()
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
        manager.prepare(pool_name, settings)
    }

    fn ping(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
        _limit: Duration,
    ) -> Result<(), MyError> {
        match &self.validation_query {
            Some(sql) if !is_lost(connection) => manager.run(connection, sql),
            _ => manager.is_valid(connection),
        }
    }

    /// Rollback: the transaction is rolled back. Full: COM_RESET_CONNECTION, which rolls back too, and drops session
    /// variables, temporary tables, locks and prepared statements; the character set and the statement limit are set
    /// again.
    fn reset(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
        how: ResetOnReturn,
    ) -> Result<Reset, MyError> {
        if how != ResetOnReturn::Full {
            manager.run(connection, "ROLLBACK")?;
            return Ok(Reset::Done);
        }
        connection.reset()?;
        // MySQL's reset returns to the server's default character set, MariaDB's to the one of the login.
        manager.run(connection, "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci")?;
        manager.limit_statements(connection)?;
        Ok(Reset::Done)
    }

    fn classify(&self, error: &MyError) -> ErrorClass {
        classify(error)
    }

    fn explain(&self, manager: &MySqlManager, error: &MyError) -> Option<String> {
        manager.explain(error)
    }

    fn server_limit(
        &self,
        manager: &MySqlManager,
        connection: &mut Conn,
    ) -> Result<Option<ServerLimit>, MyError> {
        const SQL: &str = "SELECT @@max_connections";
        manager.note(SQL);
        let limit: Option<u64> = connection.query_first(SQL)?;
        Ok(limit.map(|limit| ServerLimit::new(limit, 0)))
    }

    /// Shuts the socket down.
    fn abort_handle(&self, connection: &Conn) -> Option<Box<dyn FnOnce() + Send>> {
        let socket = connection.as_raw_fd();
        Some(Box::new(move || {
            // It fails where the server has closed it already, which ends the call too.
            let _ = shutdown(socket, Shutdown::Both);
        }))
    }
}
