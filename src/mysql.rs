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
//!
//! # Several hosts
//!
//! A URL may name several hosts: `mysql://app:secret@db1:3306,db2:3306/orders`; [`Opts`](::mysql::Opts) have one. The pool walks
//! along them itself, and along the addresses of a name that has several:
//!
//! - The host that gave the last connection is asked first, then the others in the order given. One that was silent is asked last
//!   for 10 s. With `load_balance_hosts=random` (default `disable`) the order of hosts and addresses is drawn anew for each
//!   connection, except that silent ones come last.
//! - The setting `connect_timeout` (default 10 s) is the time for one host: from the lookup of its name over TCP, TLS and the
//!   login to the login's own SQL. The addresses of one name share it. So opening a connection may take `connect_timeout` times
//!   the number of hosts. A caller with less time left than that shares it among the hosts that are left, of which each is given
//!   250 ms or more. With `VERIFY_IDENTITY` the driver must be given the name, and a silent address of a name keeps the others
//!   of that name waiting; other hosts are tried all the same.
//! - A host that does not answer in its time is left behind on a thread of its own, which holds no place of the pool. At most
//!   four such threads wait at one address. If it answers before another one does, its connection is taken.
//! - The next host is tried after anything that may pass: refused, reset, silent, full, the wrong role. A refused login or an
//!   unknown database ends the walk: the next server would say the same, and accounts get locked by such attempts.
//! - If no host gives a connection, the error is that of a server that has answered, if there is one, and its text ends with what
//!   each host said, in one line.
//!
//! `target_session_attrs` says what a session must be, in libpq's words: `any` (the default), `read-write` or `primary`,
//! `read-only` or `standby`, and `prefer-standby`, which takes a writable server once no other host has turned out to be
//! read-only. A server is read-only if its global `read_only` or `innodb_read_only` is on. It is asked after the login in one
//! round trip, on one host too.
//!
//! `tcp_user_timeout` (the driver's `tcp_user_timeout_ms`) is how long data that was sent may stay unacknowledged before the
//! operating system ends the connection, in milliseconds; 0 is the system's default. It has an effect on Linux only. Without it, it
//! is what the keepalives need to find a dead host, idle + interval × count, so 80 s with the pool's defaults. It is not
//! `connect_timeout`, since Linux also ends a connection whose reader has stalled for that long.

/// The driver itself, in the version that this crate is built with.
pub use ::mysql;

#[cfg(feature = "tls")]
pub use crate::drivers::mysql::guarded_provider;
pub use crate::drivers::mysql::{MySqlDriver, MySqlManager, is_conflict};
use crate::pool::Pool;

/// A pool of MySQL or MariaDB connections: `MySqlPool::builder(url)?`, or from `mysql::Opts`.
pub type MySqlPool = Pool<MySqlManager>;
