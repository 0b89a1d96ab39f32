//! SQLite, on [`rusqlite`] and `r2d2_sqlite`.
//!
//! [`SqliteManager`] opens connections with their [`Pragmas`] (WAL and the rest), on a file or in memory. [`SqliteDriver`] tells
//! the pool how to ping and reset them. In null mode, the default, a connection is opened at checkout and closed at
//! checkin, so threads share nothing but the file.
//!
//! # Null mode or queue mode
//! Null mode costs what opening a connection costs, and most of that is SQLite's own: it sets the connection up, opens the file and
//! its log, and reads the whole schema, so it grows with the number of tables. The pragmas take 3 µs of it. The pool adds one
//! question for the journal mode, a look at whether the file is still the same one, and its own accounting. Queue mode pays this
//! once for each connection that it keeps (medians, file on ext4, 2 cores; `cargo bench -p queuepool-benches -- sqlite`):
//!
//! | work of one checkout | no pool: open, the same pragmas, work, close | null mode | queue mode | null / queue |
//! |---|---|---|---|---|
//! | SELECT of one row, 1 table in the schema | 40 µs | 43 µs | 2.8 µs | 15 |
//! | SELECT of one row, 20 tables | 80 µs | 83 µs | 2.8 µs | 29 |
//! | SELECT of one row, 200 tables | 495 µs | 498 µs | 2.9 µs | 172 |
//! | INSERT of one row | 46 µs | 49 µs | 6.9 µs | 7.1 |
//! | 50 SELECTs of one row | 180 µs | 180 µs | 135 µs | 1.3 |
//! | a scan of 20,000 rows | 770 µs | 770 µs | 585 µs | 1.3 |
//!
//! So queue mode is faster in every row. Choose it ([`Mode::Queue`](crate::Mode::Queue)) for many short checkouts; the
//! [recommendations](crate::Status::recommendations) advise it once 1,000 connections have been opened. Null mode keeps nothing
//! between uses: no page cache (up to `cache_size` for each idle connection), no attached database or temporary table, no pragma
//! that a user has changed, and no old file if another has taken its place.
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
    is_conflict,
};
use crate::pool::Pool;

/// A pool of SQLite connections: `SqlitePool::builder(url)?`, or from a path.
pub type SqlitePool = Pool<SqliteManager>;
