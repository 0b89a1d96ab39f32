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
pub(crate) mod statements;
mod url;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use busy::is_conflict;
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

#[cfg(test)]
mod tests;
