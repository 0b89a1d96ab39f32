//! A connection of whichever driver a database has: a small common interface, and the typed connection inside.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::base::log::say;
use crate::checkout::connection::Connection;
use crate::contract::connection_info::ConnectionInfo;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::contract::extensions::Extensions;
use crate::contract::row::Row;
use crate::contract::value::Value;
use crate::database::conflict::is_conflict;
use crate::drivers::FirstValue;
#[cfg(feature = "mysql")]
use crate::drivers::mysql::{MySqlManager, statements as mysql};
#[cfg(feature = "postgres")]
use crate::drivers::postgres::{PostgresManager, statements as postgres};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::{SqliteManager, statements as sqlite};
use crate::error::{Error, ErrorKind};

/// A connection of whichever driver the database has: a small common interface, and the typed connection inside.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct AnyConnection {
    pub(crate) inside: Inside,
    /// The log target for the SQL that is run here, if the setting echo is on.
    pub(crate) echo_target: Option<String>,
    /// A [`transaction`](AnyConnection::transaction) is running on it.
    pub(crate) in_transaction: bool,
}

pub(crate) enum Inside {
    #[cfg(feature = "postgres")]
    Postgres(Connection<PostgresManager>),
    #[cfg(feature = "mysql")]
    MySql(Connection<MySqlManager>),
    #[cfg(feature = "sqlite")]
    Sqlite(Connection<SqliteManager>),
}

/// Runs the same function of whichever driver it is, and notes its error.
macro_rules! run {
    ($any:expr, $function:ident ( $($argument:expr),* )) => {
        match &mut $any.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => {
                run(connection, |connection| postgres::$function(connection, $($argument),*))
            }
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => {
                run(connection, |connection| mysql::$function(connection, $($argument),*))
            }
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => {
                run(connection, |connection| sqlite::$function(connection, $($argument),*))
            }
        }
    };
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
        run!(self, execute(sql))
    }

    /// Runs one statement with parameters, and returns the number of rows as [`execute`](AnyConnection::execute) does. The setting
    /// `echo` logs the statement without its parameters.
    ///
    /// Placeholders are those of the database:
    /// - PostgreSQL: `$1`, `$2`, each as often as it is needed. The server infers their types from the statement, so a
    ///   [`Text`](Value::Text) also fits a uuid, a timestamp, json or a numeric, and a number every numeric type that holds it.
    ///   [`Bytes`](Value::Bytes) are for bytea: a text column stores them in PostgreSQL's notation, `\\x…`, and a Text for bytea is
    ///   read in that notation. Where nothing tells the type, as in `SELECT $1`, it is text: write `$1::bigint`.
    /// - MySQL and MariaDB: `?`, in their order. A text or number is converted to the column's type as by the server's `sql_mode`;
    ///   a [`Bool`](Value::Bool) is 0 or 1.
    /// - SQLite: `?`, in their order, or `?1`, `?2`, each as often as it is needed; PostgreSQL's `$1`, `$2` too, if they first occur in
    ///   this order. The type is what is given, converted by the affinity of the column; a [`Bool`](Value::Bool) is 0 or 1.
    ///
    /// ```
    /// # use queuepool::Database;
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), queuepool::Error> {
    /// # let database = Database::open("sqlite::memory:")?;
    /// let mut connection = database.get()?;
    /// connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, note TEXT)")?;
    /// let none: Option<&str> = None;
    /// connection.execute_with("INSERT INTO orders VALUES (?, ?, ?)", &[7.into(), "tea".into(), none.into()])?;
    /// for row in connection.query("SELECT item, note FROM orders WHERE id = ?", &[7.into()])? {
    ///     let item: String = row.get("item")?;
    ///     let note: Option<String> = row.get(1)?;
    ///     assert_eq!((item.as_str(), note), ("tea", None));
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`execute`](AnyConnection::execute); also Statement if the number of parameters is wrong, if the server refuses a value
    /// (PostgreSQL then names the parameter, the others the column), or if there are several statements.
    pub fn execute_with(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        self.echo(sql);
        run!(self, execute_with(sql, values)).map_err(naming_parameter)
    }

    /// Runs one statement with parameters, as [`execute_with`](AnyConnection::execute_with) does, and returns all its rows at once.
    /// For more rows than fit into memory, use the typed connection.
    ///
    /// What the databases' types become (of any, NULL is [`Null`](Value::Null)):
    /// - PostgreSQL: bool is [`Bool`](Value::Bool); int2, int4, int8 and oid are [`Integer`](Value::Integer); float4 and float8 are
    ///   [`Float`](Value::Float); text, varchar, char, name, citext, enums, xml, json, jsonb, uuid and numeric (with all its digits)
    ///   are [`Text`](Value::Text); bytea is [`Bytes`](Value::Bytes). Others, such as timestamps, intervals and arrays, have
    ///   to be cast in the statement: `created::text`. For an enum or a type of an extension the driver prepares a query of its
    ///   own, by name, to look it up.
    /// - MySQL and MariaDB: all whole numbers, YEAR, BIT, and BOOLEAN, which is `tinyint(1)`, are [`Integer`](Value::Integer);
    ///   FLOAT and DOUBLE are [`Float`](Value::Float); CHAR, TEXT, ENUM, SET, JSON, DECIMAL (with all its digits), DATE, DATETIME,
    ///   TIMESTAMP and TIME are [`Text`](Value::Text), with six decimals of a second or none; BINARY, BLOB and GEOMETRY are
    ///   [`Bytes`](Value::Bytes). An unsigned number beyond `i64::MAX` has to be cast to CHAR.
    /// - SQLite: what is stored in this row, whatever the column says: [`Integer`](Value::Integer), [`Float`](Value::Float),
    ///   [`Text`](Value::Text) or [`Bytes`](Value::Bytes).
    ///
    /// So `sum()` of whole numbers is a Text on the servers: cast it (`sum(size)::bigint`, `CAST(sum(size) AS SIGNED)`), or use
    /// [`query_i64`](AnyConnection::query_i64), which reads it. A column that cannot be read is an error when it is read, not before.
    ///
    /// # Errors
    /// As [`execute_with`](AnyConnection::execute_with).
    pub fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Error> {
        self.echo(sql);
        run!(self, query(sql, values)).map_err(naming_parameter)
    }

    /// Runs SQL without parameters and returns the first column of the first row, which must be a whole number.
    ///
    /// # Errors
    /// As [`execute`](AnyConnection::execute); also Statement if there is no row, or if the column is NULL or not a whole number.
    pub fn query_i64(&mut self, sql: &str) -> Result<i64, Error> {
        self.echo(sql);
        let value = run!(self, query_i64(sql))?;
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

    /// What is kept with this connection for as long as it is open; see [`Connection::extensions`].
    #[must_use]
    pub fn extensions(&mut self) -> &mut Extensions {
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => Connection::extensions(connection),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => Connection::extensions(connection),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => Connection::extensions(connection),
        }
    }

    /// Tells the pool about an error that the typed connection returned, as [`Connection::note_error`] does. Errors of this type's
    /// own methods are noted already.
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

    pub(super) fn echo(&self, sql: &str) {
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

pub(super) fn run<M: Manager, T>(
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
        Error::new(kind, Connection::words(connection, &error))
            .with_conflict(is_conflict(&error))
            .with_source(Arc::new(error))
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

/// PostgreSQL does not say in the message which parameter it has refused.
fn naming_parameter(error: Error) -> Error {
    #[cfg(feature = "postgres")]
    if let Some(refusal) = error.source().and_then(|source| source.downcast_ref())
        && let Some(parameter) = postgres::refused_parameter(refusal)
    {
        return error.reworded(format!("parameter {parameter}: {error}"));
    }
    error
}
