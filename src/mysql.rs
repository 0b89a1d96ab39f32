//! MySQL and MariaDB, on [`mysql`].
//!
//! [`MySqlManager`] opens connections, from a URL or [`Opts`](::mysql::Opts); [`MySqlDriver`] tells the pool how to ping and reset them and
//! what their errors mean. A checked-out connection is a [`Conn`](::mysql::Conn).
//!
//! ```no_run
//! use queuepool::mysql::{MySqlPool, mysql::prelude::Queryable};
//!
//! let pool = MySqlPool::builder("mysql://app:secret@db.internal/orders")?.build()?;
//! let mut connection = pool.get()?;
//! let open: Vec<i64> = connection.exec("SELECT id FROM invoice WHERE open = ?", (true,))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Encryption is said by `ssl-mode` ([`SslMode`](crate::SslMode)), `ssl-ca`, `ssl-cert` and `ssl-key`.
//!
//! A statement of your own is bounded by `command_timeout`, on the server, which leaves the connection good (on MySQL it
//! bounds reads only). A `read_timeout` or `write_timeout` in the [`Opts`](::mysql::Opts) ends the wait at the client, and is dearer: the
//! answer is still owed then, so the connection on which it happened is closed when it comes back, and whatever the server was
//! doing goes on. As the driver does not tell of it, each return asks a question that only the right answer satisfies: with
//! `reset_on_return=never`, which asks nothing otherwise, it is a round trip; with the others it travels with the reset. A
//! `read_timeout` shorter than `health_check_timeout` also bounds the pool's own pings and resets, and one that runs out closes
//! the connection.

/// The driver itself, in the version that this crate is built with.
pub use ::mysql;

#[cfg(feature = "tls")]
pub use crate::drivers::mysql::guarded_provider;
pub use crate::drivers::mysql::{MySqlDriver, MySqlManager};
use crate::pool::Pool;

/// A pool of MySQL or MariaDB connections: `MySqlPool::builder(url)?`, or from `mysql::Opts`.
pub type MySqlPool = Pool<MySqlManager>;
