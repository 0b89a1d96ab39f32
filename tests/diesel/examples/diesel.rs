//! diesel's connections in a queuepool, on a private SQLite file or, with a URL, on PostgreSQL.
//!
//! `cargo run --manifest-path tests/diesel/Cargo.toml --example diesel [-- postgresql://user:password@host/database]`
//!
//! It stands here and not in the package's `examples`, so that a first build of the package needs neither diesel nor libpq.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Error as PoolingError, ManageConnection, R2D2Connection};
use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};
use diesel::sqlite::SqliteConnection;
use queuepool::{Driver, ErrorClass, Pool, Reset, ResetOnReturn, Settings};

/// What a pool cannot know about diesel by itself. Without it everything works, except that a transaction begun in SQL,
/// behind diesel's back, stays open for the next holder, a wrong password is retried, and a malformed URL shows in the
/// error.
pub struct DieselDriver;

impl<C: R2D2Connection + Send + 'static> Driver<ConnectionManager<C>> for DieselDriver {
    /// libpq's message about a malformed URL quotes parts of it, including the password.
    fn connect(&self, manager: &ConnectionManager<C>, _limit: Duration) -> Result<C, PoolingError> {
        manager.connect().map_err(|error| match error {
            PoolingError::ConnectionError(ConnectionError::BadConnection(words))
                if !["connection to", "could not", "FATAL", "unable to open"]
                    .iter()
                    .any(|of_a_server| words.starts_with(of_a_server)) =>
            {
                let words = "the database URL is malformed".to_owned();
                PoolingError::ConnectionError(ConnectionError::InvalidConnectionUrl(words))
            }
            other => other,
        })
    }

    /// Rolls back what was begun in SQL. Transactions that diesel knows of do not get here: if a connection is returned
    /// within one, diesel calls it broken and the pool closes it. `DISCARD ALL` does not suit diesel: it would drop the
    /// statements diesel has prepared and the time zone it has set.
    fn reset(
        &self,
        _manager: &ConnectionManager<C>,
        connection: &mut C,
        _how: ResetOnReturn,
    ) -> Result<Reset, PoolingError> {
        // If there is nothing to roll back, ROLLBACK alone is an error on SQLite and a warning in PostgreSQL's log. If
        // there is, BEGIN is an error on SQLite, and on PostgreSQL in a failed transaction.
        connection
            .batch_execute("BEGIN; ROLLBACK")
            .or_else(|_| connection.batch_execute("ROLLBACK"))
            .map_err(PoolingError::QueryError)?;
        Ok(Reset::Done)
    }

    /// `Connection::note_error` is given the error of a statement, which has another type than the manager's errors.
    fn classify_other(&self, error: &(dyn std::error::Error + 'static)) -> Option<ErrorClass> {
        Some(classify_statement(error.downcast_ref()?))
    }

    /// Only the wording of libpq's messages tells whether trying again can help.
    fn classify(&self, error: &PoolingError) -> ErrorClass {
        match error {
            PoolingError::ConnectionError(ConnectionError::BadConnection(words)) => {
                let for_good = ["authentication failed", "does not exist", "no password"];
                match for_good.iter().any(|sign| words.contains(sign)) {
                    true => ErrorClass::Permanent,
                    false => ErrorClass::Transient,
                }
            }
            PoolingError::ConnectionError(_) => ErrorClass::Permanent,
            PoolingError::QueryError(error) => classify_statement(error),
        }
    }
}

fn classify_statement(error: &DieselError) -> ErrorClass {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | DieselError::BrokenTransactionManager => ErrorClass::Lost,
        _ => ErrorClass::Statement,
    }
}

/// A pool of diesel connections, to either database.
pub fn pool_of<C: R2D2Connection + Send + 'static>(
    url: &str,
    settings: Settings,
) -> Result<Pool<ConnectionManager<C>>, queuepool::Error> {
    Pool::builder(ConnectionManager::new(url))
        .driver(DieselDriver)
        .settings(settings)
        .build()
}

diesel::table! {
    book (id) {
        id -> Integer,
        title -> Text,
    }
}

/// What any program that uses diesel does: `&mut *connection` is diesel's own connection.
macro_rules! add_and_count {
    ($pool:expr) => {{
        let mut connection = $pool.get()?;
        connection.batch_execute(
            "CREATE TEMPORARY TABLE book (id INTEGER PRIMARY KEY, title TEXT NOT NULL)",
        )?;
        connection.transaction(|connection| {
            diesel::insert_into(book::table)
                .values(&[
                    (book::id.eq(1), book::title.eq("Dune")),
                    (book::id.eq(2), book::title.eq("Emma")),
                ])
                .execute(connection)
        })?;
        let titles: Vec<String> = book::table
            .select(book::title)
            .order(book::id)
            .load(&mut *connection)?;
        println!("{}", titles.join(", "));
        drop(connection);
        print!("{}", $pool.status());
    }};
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(url) => add_and_count!(pool_of::<PgConnection>(&url, Settings::small())?),
        None => {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("books.db");
            let pool = pool_of::<SqliteConnection>(&file.to_string_lossy(), Settings::small())?;
            add_and_count!(pool);
        }
    }
    Ok(())
}
