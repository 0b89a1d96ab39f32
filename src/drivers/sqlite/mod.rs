//! How connections to SQLite are opened, pinged and reset, and what their errors mean.

mod busy;
mod driver;
mod kept;
mod manager;
mod modes;
mod opener;
mod opening;
mod place;
mod pragmas;
mod url;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Transaction, TransactionBehavior};

use crate::drivers::FirstValue;

pub use driver::SqliteDriver;
pub use manager::SqliteManager;
pub use modes::{JournalMode, Synchronous, TempStore};
pub use pragmas::Pragmas;

/// Begins a transaction that may write, with `BEGIN IMMEDIATE`, which waits for other writers for up to busy_timeout. It is
/// rolled back if it is dropped without a [`commit`](Transaction::commit).
///
/// # Errors
/// SQLITE_BUSY if another writer holds the file for longer than busy_timeout; SQLITE_READONLY on a database that
/// cannot be written to.
pub fn immediate(conn: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Runs SQL, one statement or several separated by semicolons, and returns how many rows they inserted, updated or
/// deleted in all. Triggers and foreign key actions do not count, nor do the rows that a statement returns, which are read and
/// discarded. The statements before a failed one remain in force, unless the text has its own BEGIN and COMMIT.
pub(crate) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let mut changed = 0;
    let mut batch = Batch::new(conn, sql);
    while let Some(mut statement) = batch.next()? {
        let parameters = statement.parameter_count();
        if parameters > 0 {
            return Err(rusqlite::Error::InvalidParameterCount(0, parameters));
        }
        // `changes` is the count of the last statement that changed anything, which may be an earlier one.
        let before = conn.total_changes();
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        if conn.total_changes() != before {
            changed += conn.changes();
        }
    }
    Ok(changed)
}

/// The first column of the first row, as it is stored. A text that looks like a number is not a number.
pub(crate) fn query_i64(conn: &Connection, sql: &str) -> rusqlite::Result<FirstValue> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(FirstValue::NoRow);
    };
    Ok(match row.get_ref(0)? {
        ValueRef::Null => FirstValue::Null,
        ValueRef::Integer(integer) => FirstValue::Integer(integer),
        ValueRef::Real(real) => FirstValue::NotAnInteger(real.to_string()),
        ValueRef::Text(text) => {
            FirstValue::NotAnInteger(String::from_utf8_lossy(text).chars().take(40).collect())
        }
        ValueRef::Blob(blob) => FirstValue::NotAnInteger(format!("a blob of {} bytes", blob.len())),
    })
}

#[cfg(test)]
mod tests;
