//! The bounds of the server, so that nobody who connects to it can use up the program that it serves.

use std::time::Duration;

/// Connections at once. One more closes another: first the one that has been without a request for longest, then the slowest
/// reader, then the one that has waited for its answer for longest. So a new probe is heard, unless as many others connect before
/// its request has arrived.
pub const CONNECTIONS: usize = 64;

/// Connections that the system has made and the server has not accepted yet, where the system allows as many.
pub const QUEUED: i32 = 4096;

/// The most bytes of a request's line and headers together, eight times what browsers send; more is answered with 431.
pub const HEADER_BYTES: usize = 16 * 1024;

/// The longest that a request's header may take to arrive; on a new connection from when it was accepted, later from its
/// first byte. What comes together with the request before has [`IDLE_TIME`].
pub const HEADER_TIME: Duration = Duration::from_secs(5);

/// The longest that a connection is kept between two requests, twice what Prometheus waits between two scrapes by default.
pub const IDLE_TIME: Duration = Duration::from_secs(120);

/// The longest that a client may take to read an answer, which is kept for as long: a `/history` of 3,600 samples is 1.3 MB.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// Threads of the server that wait for databases. Equal requests at one time share one of them, and its answer. With more
/// mute databases than that, each asked for by its name, the check of a well one waits for theirs.
pub const WAITING_ANSWERS: usize = 8;

/// Pools whose databases are asked side by side for one answer; further ones are asked as these are done.
pub const CHECKED_AT_ONCE: usize = 32;
