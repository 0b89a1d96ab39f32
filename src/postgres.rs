//! PostgreSQL, on [`postgres`] and `r2d2_postgres`.
//!
//! [`PostgresManager`] opens connections, from a URL or a [`Config`](::postgres::Config). [`PostgresDriver`] tells the pool how
//! to ping and reset them and what their errors mean. A checked-out connection is a [`Client`](::postgres::Client).
//!
//! ```no_run
//! use queuepool::postgres::PostgresPool;
//!
//! let pool = PostgresPool::builder("postgresql://app:secret@db.internal/orders")?.build()?;
//! let mut client = pool.get()?;
//! for row in client.query("SELECT id FROM invoice WHERE open = $1", &[&true])? {
//!     println!("{}", row.get::<_, i64>(0));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Encryption is set as for libpq: by all six words of `sslmode` ([`SslMode`](crate::SslMode)), `sslrootcert`, `sslcert` and
//! `sslkey`. A statement of your own is limited by `command_timeout` (the server's `statement_timeout`) and by nothing else.
//!
//! The pool reads the protocol as it goes by on encrypted connections, and on plain TCP connections if
//! [`watch_plain_connections`](PostgresManager::watch_plain_connections) says so. There it sends a reset at a return only if a
//! transaction is open, an answer is owed, there was a `COPY`, the session may listen, the server has refused a write as read-only,
//! or not everything was understood; otherwise a return costs no round trip. It aborts a reset or a `validation_query` that is not answered on the thread that waits for it. On
//! Unix sockets and on other plain connections every return is one round trip, and so it is on a thread of a tokio runtime.

/// The driver itself, in the version that this crate is built with.
pub use ::postgres;

pub use crate::drivers::postgres::{PostgresDriver, PostgresManager};
use crate::pool::Pool;

/// A pool of PostgreSQL connections: `PostgresPool::builder(url)?`, or from a `postgres::Config`.
pub type PostgresPool = Pool<PostgresManager>;
