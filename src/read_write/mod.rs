//! Reads and writes apart: writes go to a primary, reads to its replicas.
//!
//! # From the top
//! A [`ReadWrite`] has a pool of connections to the primary and one for each replica: all of them a `Database`,
//! or all of them a [`Pool`](crate::Pool) of one type. [`write`](ReadWrite::write) hands out a connection to the primary,
//! [`read`](ReadWrite::read) one to a replica. A replica that is down, or further behind than
//! [`max_lag`](Builder::max_lag), is passed over without waiting. Checks of its own, on threads of their own, ask each server at an
//! interval, and so find that it is fit again.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn main() -> Result<(), queuepool::Error> {
//! use std::time::Duration;
//! use queuepool::{Database, ReadWrite};
//!
//! let primary = Database::open("postgres://app@primary/orders")?;
//! let replica = Database::open("postgres://app@replica/orders")?;
//! let orders = ReadWrite::new(primary)
//!     .replica(replica)
//!     .max_lag(Duration::from_secs(5))
//!     .read_your_writes(true)
//!     .build()?;
//!
//! orders.write()?.execute("INSERT INTO orders VALUES (1, 'tea')")?;
//! let count = orders.read()?.query_i64("SELECT count(*) FROM orders")?; // sees the tea
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "postgres"))]
//! # fn main() {}
//! ```
//!
//! Give the primary's pool the setting [`role`](crate::Settings#structfield.role) `primary` and the replicas' pools `replica`: then
//! a fail-over behind their addresses is noticed.
//!
//! # Which replica
//! Those that are fit, in turns. A read gives each 250 ms at most to hand out a connection. A replica that cannot be reached in
//! that time is passed over from then on, so that the first failure costs one caller 250 ms and the others nothing, until a check
//! has succeeded. A replica whose pool is used up has not failed: once all that are fit are used up, the read goes on
//! waiting for them, and not for the primary, on which the load of the reads must not fall. If none is fit, the read goes to the
//! primary, or fails if [`read_from_primary`](Builder::read_from_primary) is off. All of it ends at the setting `timeout` of the
//! primary's pool.
//!
//! # The lag
//! - **PostgreSQL**: each check of the primary notes the time and `pg_current_wal_lsn()`, and a replica is as far behind as the
//!   newest note is old that it has replayed (`pg_last_wal_replay_lsn()`). On an idle primary this does not grow.
//! - **MySQL and MariaDB**: `Seconds_Behind_Source` or `Seconds_Behind_Master` of `SHOW REPLICA STATUS` (`SHOW SLAVE STATUS` on old
//!   servers), in whole seconds. NULL is unknown. The user needs the privilege `REPLICATION CLIENT` (MariaDB: `REPLICA MONITOR`).
//! - **Others**: unknown, unless the [`Driver`](crate::Driver::replication) tells it. Do not set `max_lag` there.
//!
//! While the primary does not answer its checks, a replica that has everything which the primary is known to have had is fit.
//!
//! # Seeing what was written
//! A replica shows a write later than the primary. With [`read_your_writes`](Builder::read_your_writes), a thread's reads go to the
//! primary from the end of its write guard until a replica has replayed what the primary had then. For other threads,
//! [`mark`](ReadWrite::mark) stands for what the primary has, and [`read_after`](ReadWrite::read_after) sees it:
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn main() -> Result<(), queuepool::Error> {
//! # use queuepool::{Database, ReadWrite};
//! # let orders = ReadWrite::new(Database::open("postgres://app@primary/orders")?).build()?;
//! orders.write()?.execute("INSERT INTO orders VALUES (2, 'milk')")?;
//! let mark = orders.mark();
//! let reader = orders.clone();
//! let reading = std::thread::spawn(move || {
//!     reader.read_after(&mark)?.query_i64("SELECT count(*) FROM orders") // sees the milk
//! });
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "postgres"))]
//! # fn main() {}
//! ```
//!
//! Neither costs a round trip: a mark is a moment, and it is reached once a replica has replayed a position at which the primary
//! was asked to be later than that. Positions are PostgreSQL's LSN and the GTIDs of MySQL and MariaDB. MySQL without `gtid_mode`
//! has only its lag in seconds; that says 0 also while the network holds the replica up, so do not rely on it there. Where nothing
//! is known, such reads always go to the primary.
//!
//! # Status
//! [`Registry::add`](crate::Registry::add) takes a `ReadWrite` under one name, which appears as `orders/primary`,
//! `orders/replica-1` and so on in the status, the metrics and the page. The health of a replica does not count in an
//! answer for all pools, since reads pass it over.

mod builder;
mod checks;
mod endpoint;
mod inner;
mod notes;
mod replica;
mod status;
mod write_guard;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::error::{Error, ErrorKind};
use inner::{Inner, Server};
use replica::Obstacle;

pub use builder::Builder;
pub use endpoint::Endpoint;
pub use status::Status;
pub use write_guard::{Mark, WriteGuard};

/// Time since long before the `ReadWrite` was built, by its clock.
type Moment = Duration;

/// What a replica is given to hand out a connection, when nobody knows yet that it is down.
const FIRST_TRY: Duration = Duration::from_millis(250);

/// Writes go to a primary, reads to its replicas; see the [module](self). Clones share everything, also the checks, which end with
/// the last clone.
pub struct ReadWrite<P: Endpoint> {
    inner: Arc<Inner<P>>,
}

impl<P: Endpoint> ReadWrite<P> {
    /// Starts to describe where writes and reads go, with the pool of connections to the primary.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(primary: P) -> Builder<P> {
        Builder::new(primary)
    }

    /// A connection to the primary, within the setting `timeout` of its pool.
    ///
    /// # Errors
    /// As [`Pool::get`](crate::Pool::get).
    ///
    /// # Panics
    /// As [`Pool::get`](crate::Pool::get).
    #[track_caller]
    pub fn write(&self) -> Result<WriteGuard<P>, Error> {
        let primary = &self.inner.primary;
        let connection = primary.get_timeout(primary.settings().timeout)?;
        Ok(WriteGuard::new(connection, self.clone()))
    }

    /// A connection to a replica that is fit, or to the primary if none is, within the setting `timeout` of the primary's pool. Do
    /// not write with it. If the setting [`read_your_writes`](Builder::read_your_writes) is on, it sees what this thread has written.
    ///
    /// # Errors
    /// As [`Pool::get`](crate::Pool::get). Connect if no replica is fit and [`read_from_primary`](Builder::read_from_primary) is off:
    /// the text says why each of them is not.
    ///
    /// # Panics
    /// As [`Pool::get`](crate::Pool::get).
    #[track_caller]
    pub fn read(&self) -> Result<P::Connection, Error> {
        let mark = match self.inner.rules.read_your_writes {
            true => write_guard::last_write(self.inner.number),
            false => None,
        };
        self.read_since(mark)
    }

    /// As [`read`](ReadWrite::read), but what it reads includes everything that the primary had when the mark was made.
    ///
    /// # Errors
    /// As [`read`](ReadWrite::read).
    ///
    /// # Panics
    /// As [`read`](ReadWrite::read).
    #[track_caller]
    pub fn read_after(&self, mark: &Mark) -> Result<P::Connection, Error> {
        let mut mark = mark.0;
        if self.inner.rules.read_your_writes {
            mark = write_guard::last_write(self.inner.number).map_or(mark, |wrote| wrote.max(mark));
        }
        self.read_since(Some(mark))
    }

    /// Stands for everything that the primary has now: whatever was committed before this call. It asks no server.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.inner.now())
    }

    #[track_caller]
    fn read_since(&self, mark: Option<Moment>) -> Result<P::Connection, Error> {
        let inner = &self.inner;
        let end = later(Instant::now(), inner.primary.settings().timeout);
        let left = || end.saturating_duration_since(Instant::now());
        if inner.home.is_left() {
            // The pool says what is wrong.
            return inner.primary.get_timeout(left());
        }
        let mut patience = FIRST_TRY;
        let mut must_see = false;
        loop {
            let mut used_up = None;
            for number in inner.in_turns() {
                match inner.obstacle(number, mark) {
                    None => {}
                    Some(Obstacle::Mark) => {
                        must_see = true;
                        continue;
                    }
                    Some(_) => continue,
                }
                match inner.replicas[number].get_timeout(patience.min(left())) {
                    Ok(connection) => return Ok(connection),
                    Err(error) => match error.kind() {
                        ErrorKind::Timeout | ErrorKind::Overloaded => used_up = Some(error),
                        ErrorKind::Connect | ErrorKind::Validation | ErrorKind::Closed => {
                            inner.fail(number, &error);
                            inner.bell.ring();
                        }
                        _ => return Err(error),
                    },
                }
            }
            match used_up {
                None => break,
                Some(error) if error.kind() == ErrorKind::Overloaded || left().is_zero() => {
                    return Err(error);
                }
                // A replica may fail while callers wait for it, so they look again, more and more seldom: each time they go to the
                // end of its queue.
                Some(_) => patience *= 2,
            }
        }
        if must_see {
            inner.bell.ring();
        } else if !inner.rules.read_from_primary && !inner.replicas.is_empty() {
            return Err(self.no_replica());
        }
        inner.primary.get_timeout(left())
    }

    #[cold]
    fn no_replica(&self) -> Error {
        let reasons = (0..self.inner.replicas.len()).map(|number| {
            let (_, why) = self.inner.standing(number);
            let why = why.unwrap_or_else(|| "it is fit again".to_owned());
            format!("replica {}: {why}", number + 1)
        });
        let reasons: Vec<String> = reasons.collect();
        Error::new(
            ErrorKind::Connect,
            format!(
                "no replica is fit to read from, and read_from_primary is off: {}",
                reasons.join("; ")
            ),
        )
    }

    /// The pool of connections to the primary.
    #[must_use]
    pub fn primary(&self) -> &P {
        &self.inner.primary
    }

    /// The pools of connections to the replicas, in the order in which they were added.
    #[must_use]
    pub fn replicas(&self) -> &[P] {
        &self.inner.replicas
    }

    /// Closes all pools, within one deadline. See [`Pool::close`](crate::Pool::close).
    ///
    /// # Errors
    /// The first error of those that could not be closed. All are asked to.
    pub fn close(&self, deadline: Duration) -> Result<(), Error> {
        let end = later(Instant::now(), deadline);
        let pools = self.inner.replicas.iter().chain([&self.inner.primary]);
        let closed = pools.map(|pool| pool.close(end.saturating_duration_since(Instant::now())));
        // All are closed before the first error is looked at.
        closed.collect::<Vec<_>>().into_iter().collect()
    }

    /// For tests: one round of checks, on this thread.
    #[doc(hidden)]
    pub fn check(&self) {
        self.inner.check(Server::Primary);
        let numbers = 0..self.inner.replicas.len();
        numbers.for_each(|number| self.inner.check(Server::Replica(number)));
    }

    /// What this thread has written is complete.
    fn note_that_this_thread_wrote(&self) {
        if self.inner.rules.read_your_writes && !self.inner.home.is_left() {
            write_guard::note_write(self.inner.number, self.inner.now());
        }
    }
}

impl<P: Endpoint> Clone for ReadWrite<P> {
    fn clone(&self) -> Self {
        ReadWrite {
            inner: self.inner.clone(),
        }
    }
}

impl<P: Endpoint> Drop for ReadWrite<P> {
    fn drop(&mut self) {
        if self.inner.home.is_left() {
            // Its locks may be held by threads that do not exist in the child.
            std::mem::forget(self.inner.clone());
        }
    }
}

impl<P: Endpoint> fmt::Debug for ReadWrite<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replicas: Vec<&str> = self.replicas().iter().map(Endpoint::name).collect();
        f.debug_struct("ReadWrite")
            .field("primary", &self.primary().name())
            .field("replicas", &replicas)
            .finish_non_exhaustive()
    }
}
