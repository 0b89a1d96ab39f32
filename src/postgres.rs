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
//!
//! # Several hosts
//!
//! A URL may name several hosts, each with its port: `postgresql://app:secret@db1:5432,db2:5432/orders`, or
//! `?host=db1,db2&port=5432`, or a [`Config`](::postgres::Config) with several. The pool walks along them itself, and along the
//! addresses of a name that has several:
//!
//! - The host that gave the last connection is asked first, then the others in the order given. One that was silent is asked last
//!   for 10 s. With `load_balance_hosts=random` (default `disable`) the order of hosts and addresses is drawn anew for each
//!   connection, except that silent ones come last.
//! - The setting `connect_timeout` (default 10 s) is the time for one host, as for libpq: from the lookup of its name over TCP,
//!   TLS and the login to the login's own SQL. The addresses of one name share it; only if the first half of it has gone by
//!   without an answer from the first of two is the second tried. So opening a connection may take `connect_timeout` times the
//!   number of hosts. A caller with less time left than that shares it among the hosts that are left, of which each is given
//!   250 ms or more.
//! - A host that does not answer in its time is left behind on a thread of its own, which holds no place of the pool. At most four
//!   such threads wait at one address. If it answers before another one does, its connection is taken.
//! - The next host is tried after anything that may pass: refused, reset, silent, full, starting up, the wrong role. A refused
//!   login or an unknown database ends the walk: the next server would say the same, and accounts get locked by such attempts.
//! - If no host gives a connection, the error is that of a server that has answered, if there is one, and its text ends with
//!   what each host said, in one line:
//!   `the hosts said: db1:5432: no answer within 10.0 s | db2:5432: Connection refused (os error 111)`.
//!
//! `target_session_attrs` says what a session must be, in all of libpq's words: `any` (the default), `read-write`, `read-only`,
//! `primary`, `standby`, or `prefer-standby`, which takes a primary once no other host has turned out to be a standby. It is asked
//! after the login, in one round trip together with the pool's own `SET`, on one host too; a `Config` knows the first three. If
//! no host is what was asked for, that is a passing failure.
//!
//! A certificate is checked for the name of the host that is being tried. A cancel goes to the address of its connection. A
//! `Config` with several hosts cannot pass on its `notice_callback`: use
//! [`notice_callback`](PostgresManager::notice_callback). With hosts of more than one server, `invalidate_all` and the counters
//! speak of all of them together.
//!
//! `tcp_user_timeout` is how long data that was sent may stay unacknowledged before the operating system ends the connection, in
//! milliseconds in a URL; 0 is the system's default. It has an effect on Linux only. Without it, it is what the keepalives need to
//! find a dead host, idle + interval × count, so 80 s with the pool's defaults; without keepalives it is the system's. It is not
//! `connect_timeout`, since Linux also ends a connection whose reader has stalled for that long.

/// The driver itself, in the version that this crate is built with.
pub use ::postgres;

pub use crate::drivers::postgres::{PostgresDriver, PostgresManager, is_conflict};
use crate::pool::Pool;

/// A pool of PostgreSQL connections: `PostgresPool::builder(url)?`, or from a `postgres::Config`.
pub type PostgresPool = Pool<PostgresManager>;
