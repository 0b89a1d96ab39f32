//! The limits of the server, so that no client can use up the resources of the program that it runs in.
//!
//! They are fixed. They can be read so that a proxy in front of the server, an alert or a test can go by them; a new version may
//! change a number.

use std::time::Duration;

/// The most connections at once. One more closes another: first the one that has been without a request for longest, then the
/// slowest reader, then the one that has waited for its answer for longest. So a new probe is answered, unless as many others
/// connect before its request has arrived.
pub const CONNECTIONS: usize = 64;

/// The most connections that the system has completed and the server has not accepted yet, if the system allows as many.
pub const QUEUED: i32 = 4096;

/// The most bytes in a request's line and headers together: eight times what browsers send. A larger request is answered with 431.
pub const HEADER_BYTES: usize = 16 * 1024;

/// The longest that a request's header may take to arrive. On a new connection, the time counts from when the connection was
/// accepted, later from the first byte of the header. Bytes that arrived together with the previous
/// request do not start that time: until more arrive, [`IDLE_TIME`] applies.
pub const HEADER_TIME: Duration = Duration::from_secs(5);

/// The longest that a connection is kept open between two requests: twice the time that Prometheus waits between two scrapes by
/// default.
pub const IDLE_TIME: Duration = Duration::from_secs(120);

/// The longest that a client may take to read an answer. The answer is kept in memory for as long: a `/history` of 3,600 samples
/// is 1.3 MB.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// The threads of the server that wait for databases. Equal requests at the same time share one thread and its answer. If more
/// databases than that do not answer, and each is asked for by its pool's name, the check of one that does has to wait for theirs.
pub const WAITING_ANSWERS: usize = 8;

/// The threads of the server that make the other large answers: those about all pools, and histories. Equal requests at the same
/// time share one answer. One thread, so that whoever asks for metrics without a pause takes up one core of this machine at most.
pub const MADE_AT_ONCE: usize = 1;

/// The most bytes of an answer that are sent to one client before the others have their turn. Sending as many takes about 20 us.
pub const SENT_AT_ONCE: usize = 64 * 1024;

/// The most pools whose databases are checked in parallel for one answer. The others are checked as these finish.
pub const CHECKED_AT_ONCE: usize = 32;
