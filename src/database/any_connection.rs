//! A connection of whichever driver a database has: a small common interface, and the typed connection inside.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::base::log::say;
use crate::checkout::connection::Connection;
use crate::contract::connection_info::ConnectionInfo;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::drivers::FirstValue;
#[cfg(feature = "mysql")]
use crate::drivers::mysql::{self, MySqlManager};
#[cfg(feature = "postgres")]
use crate::drivers::postgres::{self, PostgresManager};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::{self, SqliteManager};
use crate::error::{Error, ErrorKind};

/// A connection of whichever driver the database has: a small common interface, and the typed connection inside.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct AnyConnection {
    pub(crate) inside: Inside,
    /// The log target for the SQL that is run here, if the setting echo is on.
    pub(crate) echo_target: Option<String>,
}

pub(crate) enum Inside {
    #[cfg(feature = "postgres")]
    Postgres(Connection<PostgresManager>),
    #[cfg(feature = "mysql")]
    MySql(Connection<MySqlManager>),
    #[cfg(feature = "sqlite")]
    Sqlite(Connection<SqliteManager>),
}

impl AnyConnection {
    /// Runs SQL without parameters, one statement or several separated by semicolons, and returns the number of rows that they
    /// changed. On PostgreSQL and MySQL, rows that a statement returns count too; on SQLite they do not.
    ///
    /// # Errors
    /// Statement if the database refused it, or if the driver gave up on the answer; Connect if the connection is lost, and
    /// for every statement after one on whose answer the driver gave up. The source is the driver's own error.
    pub fn execute(&mut self, sql: &str) -> Result<u64, Error> {
        self.echo(sql);
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => {
                run(connection, |connection| postgres::execute(connection, sql))
            }
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => {
                run(connection, |connection| mysql::execute(connection, sql))
            }
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => {
                run(connection, |connection| sqlite::execute(connection, sql))
            }
        }
    }

    /// Runs SQL without parameters and returns the first column of the first row, which must be a whole number.
    ///
    /// # Errors
    /// As [`execute`](AnyConnection::execute); also Statement if there is no row, or if the column is NULL or not a whole number.
    pub fn query_i64(&mut self, sql: &str) -> Result<i64, Error> {
        self.echo(sql);
        let value = match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => run(connection, |connection| {
                postgres::query_i64(connection, sql)
            })?,
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => {
                run(connection, |connection| mysql::query_i64(connection, sql))?
            }
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => {
                run(connection, |connection| sqlite::query_i64(connection, sql))?
            }
        };
        match value {
            FirstValue::Integer(integer) => Ok(integer),
            other => Err(Error::new(
                ErrorKind::Statement,
                format!("query_i64 expected a whole number, but the query returned {other}"),
            )),
        }
    }

    /// Checks whether the connection answers, with the pool's own ping (or `validation_query`), on this thread. PostgreSQL's ping
    /// keeps to `health_check_timeout`; MySQL's takes as long as the driver waits.
    ///
    /// # Errors
    /// Connect if it does not answer, Validation if the server refuses the `validation_query`. The source is the driver's own
    /// error.
    pub fn ping(&mut self) -> Result<(), Error> {
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => ping(connection),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => ping(connection),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => ping(connection),
        }
    }

    /// What the pool knows about this connection.
    #[must_use]
    pub fn info(&self) -> &ConnectionInfo {
        match &self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => Connection::info(connection),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => Connection::info(connection),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => Connection::info(connection),
        }
    }

    /// Closes this connection instead of returning it, as [`Connection::invalidate`] does.
    pub fn invalidate(self) {
        match self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => Connection::invalidate(connection),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => Connection::invalidate(connection),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => Connection::invalidate(connection),
        }
    }

    /// Tells the pool about an error that the typed connection returned, as [`Connection::note_error`] does. Errors of
    /// [`execute`](AnyConnection::execute), [`query_i64`](AnyConnection::query_i64) and [`ping`](AnyConnection::ping) are noted
    /// already.
    pub fn note_error(&mut self, error: &(dyn StdError + 'static)) -> ErrorClass {
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => Connection::note_error(connection, error),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => Connection::note_error(connection, error),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => Connection::note_error(connection, error),
        }
    }

    /// The typed connection, if this is PostgreSQL.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(&mut self) -> Option<&mut Connection<PostgresManager>> {
        match &mut self.inside {
            Inside::Postgres(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed connection, if this is MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    #[must_use]
    pub fn mysql(&mut self) -> Option<&mut Connection<MySqlManager>> {
        match &mut self.inside {
            Inside::MySql(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed connection, if this is SQLite.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(&mut self) -> Option<&mut Connection<SqliteManager>> {
        match &mut self.inside {
            Inside::Sqlite(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    fn echo(&self, sql: &str) {
        if let Some(target) = &self.echo_target {
            say!(Debug, target, "{sql}");
        }
    }
}

impl fmt::Debug for AnyConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => connection.fmt(f),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => connection.fmt(f),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => connection.fmt(f),
        }
    }
}

fn run<M: Manager, T>(
    connection: &mut Connection<M>,
    work: impl FnOnce(&mut M::Connection) -> Result<T, M::Error>,
) -> Result<T, Error> {
    if Connection::is_owed_an_answer(connection) {
        return Err(Error::new(
            ErrorKind::Connect,
            "the answer to an earlier statement on this connection may still arrive, and would be taken for the answer to this \
             one: drop this connection, and get another",
        ));
    }
    work(connection).map_err(|error| {
        let kind = match Connection::note_error(connection, &error) {
            ErrorClass::Lost => ErrorKind::Connect,
            ErrorClass::Owed
            | ErrorClass::Transient
            | ErrorClass::Full
            | ErrorClass::Unsuited
            | ErrorClass::Permanent
            | ErrorClass::Statement => ErrorKind::Statement,
        };
        Error::new(kind, Connection::words(connection, &error)).with_source(Arc::new(error))
    })
}

fn ping<M: Manager>(connection: &mut Connection<M>) -> Result<(), Error> {
    Connection::ping(connection).map_err(|error| {
        let (kind, what) = match Connection::refuses_query(connection, &error) {
            true => (ErrorKind::Validation, "the validation_query was refused"),
            false => (ErrorKind::Connect, "the ping failed"),
        };
        Connection::note_error(connection, &error);
        let words = Connection::words(connection, &error);
        Error::new(kind, format!("{what}: {words}")).with_source(Arc::new(error))
    })
}
