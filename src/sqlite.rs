//! SQLite, on [`rusqlite`] and `r2d2_sqlite`.
//!
//! [`SqliteManager`] opens connections with their [`Pragmas`] (WAL and the rest), on a file or in memory. [`SqliteDriver`] tells
//! the pool how to ping and reset them. In null mode, the default, a connection is opened at checkout and closed at
//! checkin, so threads share nothing but the file.
//!
//! # Writing: `BEGIN IMMEDIATE`
//! A plain `BEGIN` takes no lock. If a transaction reads first and writes later, and another connection has written in
//! between, the write fails **immediately** with SQLITE_BUSY, whatever busy_timeout says: waiting could not help, because what
//! the transaction has read is out of date. So a transaction that will write should say so at its beginning, where it can wait
//! for its turn:
//!
//! ```
//! # fn main() -> rusqlite::Result<()> {
//! use queuepool::sqlite;
//! # let mut conn = rusqlite::Connection::open_in_memory()?;
//! # conn.execute_batch("CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER)")?;
//!
//! let transaction = sqlite::immediate(&mut conn)?; // rolled back when dropped
//! transaction.execute("UPDATE account SET cents = cents - 100 WHERE id = 1", [])?;
//! transaction.commit()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Journal files
//! In WAL mode there are files `app.db-wal` and `app.db-shm` beside `app.db` while the pool is open: copy the three together, or
//! use `VACUUM INTO`. WAL needs shared memory, so it does not work on a network file system.

/// The driver itself, in the version that this crate is built with.
pub use rusqlite;

pub use crate::drivers::sqlite::{
    JournalMode, Pragmas, SqliteDriver, SqliteManager, Synchronous, TempStore, immediate,
};
use crate::pool::Pool;

/// A pool of SQLite connections: `SqlitePool::builder(url)?`, or from a path.
pub type SqlitePool = Pool<SqliteManager>;
