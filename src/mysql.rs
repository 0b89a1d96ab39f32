//! MySQL and MariaDB, on [`mysql`].
//!
//! [`MySqlManager`] opens connections, from a URL or [`Opts`](::mysql::Opts). [`MySqlDriver`] tells the pool how to ping and
//! reset them and what their errors mean. A checked-out connection is a [`Conn`](::mysql::Conn).
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
//! Encryption is set by `ssl-mode` ([`SslMode`](crate::SslMode)), `ssl-ca`, `ssl-cert` and `ssl-key`.
//!
//! `command_timeout` limits a statement of your own on the server, and leaves the connection usable (on MySQL it limits reads
//! only). A `read_timeout` or `write_timeout` in the [`Opts`](::mysql::Opts) ends the wait at the client, which is more
//! expensive: the answer is then still owed, so the connection is closed when it comes back, while the server goes on with
//! whatever it was doing. The driver does not report this, so with such a timeout each return asks a question that only the right
//! answer satisfies. With `reset_on_return=never`, which otherwise sends nothing, that is a round trip; with the other values it
//! travels with the reset. A `read_timeout` shorter than `health_check_timeout` also limits the pool's own pings and resets, and
//! closes the connection when it runs out.

/// The driver itself, in the version that this crate is built with.
pub use ::mysql;

#[cfg(feature = "tls")]
pub use crate::drivers::mysql::guarded_provider;
pub use crate::drivers::mysql::{MySqlDriver, MySqlManager};
use crate::pool::Pool;

/// A pool of MySQL or MariaDB connections: `MySqlPool::builder(url)?`, or from `mysql::Opts`.
pub type MySqlPool = Pool<MySqlManager>;
