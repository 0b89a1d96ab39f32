//! The pool: get, return, and what can be asked of it.

pub(crate) mod builder;
pub(crate) mod bundled;
mod doors;
pub(crate) mod source;
// Not left out without a driver, so that the documentation of what it implements names only that driver's feature.
#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(unused_imports, unused_macros)
)]
mod sources;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::checkout::connection::Connection;
use crate::checkout::turn::Turn;
use crate::contract::cancellation::CancellationToken;
use crate::contract::driver::Manager;
use crate::contract::replication::Replication;
use crate::error::Error;
use crate::lifecycle::shared::Shared;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::pool::source::Source;
use crate::settings::Settings;
use crate::upkeep::Care;
use crate::upkeep::health_check::health_check;
use crate::upkeep::monitor::sample;

/// A pool of one driver's connections, shared by cloning and usable from any thread.
///
/// Dropping the last handle closes the pool without waiting. Connections that are still out are closed when they are returned.
///
/// If the process forks, let it fork before the first pool is built, or `exec` in the child. A pool that a child inherits belongs
/// to its parent: in the child, calls that may wait return Unsupported, the status is that of an empty pool, and dropping the pool
/// or one of its guards closes and returns nothing. A guard that was out at the fork still leads to the parent's connection, so do
/// not use it there. The child cannot build a pool of its own either, because locks that a pool and SQLite need may have been left
/// behind by threads that do not exist in the child. (A child made by a raw `clone` system call is not noticed.)
pub struct Pool<M: Manager> {
    shared: Arc<Shared<M>>,
    care: Arc<Care>,
}

impl<M: Manager> Pool<M> {
    /// Starts to describe a pool. What comes back depends on what goes in:
    ///
    /// | call | from | result |
    /// |---|---|---|
    /// | `Pool::builder(manager)` | any r2d2 manager | [`Builder`](crate::Builder) |
    /// | `PostgresPool::builder(…)` | a URL (`&str`, `String`), `postgres::Config` | `Result<Builder, Error>` |
    /// | `MySqlPool::builder(…)` | a URL, `mysql::Opts` | `Result<Builder, Error>` |
    /// | `SqlitePool::builder(…)` | a URL, `&Path`, `PathBuf` | `Result<Builder, Error>` |
    ///
    /// ```
    /// use queuepool::{Pool, Settings};
    /// # struct Files;
    /// # impl r2d2::ManageConnection for Files {
    /// #     type Connection = ();
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> std::io::Result<()> { Ok(()) }
    /// #     fn is_valid(&self, _: &mut ()) -> std::io::Result<()> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut ()) -> bool { false }
    /// # }
    ///
    /// let pool = Pool::builder(Files).name("files").settings(Settings::small()).build()?;
    /// # drop(pool.get()?);
    /// # Ok::<(), queuepool::Error>(())
    /// ```
    ///
    /// # Errors
    /// From a URL or a configuration value: Settings for one that is malformed or names a setting that is out of range.
    pub fn builder<S: Source<M>>(source: S) -> S::Output {
        source.into_builder()
    }

    fn new(shared: Arc<Shared<M>>, care: Arc<Care>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Pool { shared, care }
    }

    #[cfg(any(
        queuepool_loom,
        feature = "postgres",
        feature = "mysql",
        feature = "sqlite"
    ))]
    pub(crate) fn shared(&self) -> &Arc<Shared<M>> {
        &self.shared
    }

    /// A connection, within the setting `timeout`.
    ///
    /// # Errors
    /// Timeout at capacity; Overloaded beyond max_waiting; Connect with the driver's own error beneath; Validation; Closed;
    /// Hook; and Unsupported inside a hook of the same pool, on an async runtime's own thread, or in a forked child.
    ///
    /// # Panics
    /// With a connect or checkout hook's own panic.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Result<Connection<M>, Error> {
        self.get_timeout(self.shared.settings.timeout)
    }

    /// A connection, within `timeout`, which covers everything: waiting, connecting, pinging and retrying. With a timeout of zero,
    /// an idle connection if no ping is due for it, else an error at once.
    ///
    /// # Errors
    /// As [`get`](Pool::get).
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[inline]
    #[track_caller]
    pub fn get_timeout(&self, timeout: Duration) -> Result<Connection<M>, Error> {
        self.shared.checkout(timeout, Location::caller())
    }

    /// As [`get`](Pool::get), but another thread can end the wait: [`CancellationToken::cancel`] ends all that were begun with the
    /// token, and one that begins later fails at once. A connect that was started for a caller that leaves goes on for others.
    ///
    /// What runs on the caller's own thread is not interrupted: a ping, a connect to SQLite, hooks, and what a driver of your own
    /// [bounds](crate::Driver::is_bounded) or [can abort](crate::Driver::abort_handle). The wait ends after it, within the limits
    /// that it has anyway.
    ///
    /// # Errors
    /// Cancelled; and as [`get`](Pool::get).
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn get_cancellable(&self, token: &CancellationToken) -> Result<Connection<M>, Error> {
        let timeout = self.shared.settings.timeout;
        self.shared
            .checkout_unless(token, timeout, Location::caller())
    }

    /// An idle connection, or `None`. It never waits for a connection, and callers that wait go first, as with `get`. If a ping is
    /// due, it is made, within `health_check_timeout`. In null mode a connection is opened if there is room and the driver's
    /// connect is local.
    ///
    /// # Errors
    /// As [`get`](Pool::get), without Timeout.
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<Connection<M>>, Error> {
        self.shared.try_checkout(
            self.shared.settings.health_check_timeout,
            Location::caller(),
        )
    }

    /// Whether the database answers. It takes a connection as a checkout would, pings it whatever `pre_ping` says, and puts it
    /// back, all within `health_check_timeout`. It counts as a health check and not as a checkout, and runs no checkout hook. If
    /// all connections are out it waits for one as a checkout does; Timeout then means that the pool is used up, not that the
    /// database is down.
    ///
    /// # Errors
    /// As [`get`](Pool::get); Validation when pings fail or do not end in time, `max_validation_failures` in a row.
    ///
    /// # Panics
    /// With a connect hook's own panic.
    #[track_caller]
    pub fn ping(&self) -> Result<(), Error> {
        self.shared.probe(Turn::new(
            Instant::now(),
            self.shared.settings.health_check_timeout,
            Location::caller(),
        ))
    }

    /// Whether the database answers, asked without queueing behind users. The check pings an idle connection. If none is idle, or
    /// if that one does not answer, it opens a connection and pings that, provided that a place is free. Otherwise it is skipped
    /// and returns what was last known. It takes at most the setting health_check_timeout and counts as a health check, not as a
    /// checkout. While one check is under way, others wait for its result instead of making their own.
    ///
    /// [`Pool::ping`], in contrast, waits for a connection if all are out.
    ///
    /// # Errors
    /// Closed; Unsupported inside a hook of the same pool, on an async runtime's own thread, or in a forked child. A database
    /// that cannot be reached is not an error but a result.
    pub fn health_check(&self) -> Result<HealthCheck, Error> {
        self.shared.may_block_here("health_check")?;
        health_check(&self.shared, &self.care.checking)
    }

    /// A consistent snapshot of the pool. It takes the pool's lock for a moment and asks no server.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status(&self.care.history)
    }

    /// Whether the pool is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }

    /// The monitor's samples of the last hour, the oldest first. Only those with a number above `after` are returned, so that a
    /// reader that comes again can ask for what is new. Empty without the setting enable_pool_metrics.
    #[must_use]
    pub fn history(&self, after: u64) -> Vec<Sample> {
        if self.shared.home.is_left() {
            return Vec::new();
        }
        self.care.history.lock().after(after)
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The pool's name: the one that the builder was given, or `DB_POOL_NAME` of the environment gave, or under which the pool was
    /// added to a [`Registry`](crate::Registry) first; otherwise `db_pool`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// Takes this name, unless it was given one.
    pub(crate) fn adopt(&self, name: &str) {
        self.shared.name.adopt(name);
    }

    /// Opens connections until `connections` are open, and waits for them, within the setting `timeout`. Transient
    /// failures are retried by the setting `retry`.
    ///
    /// # Errors
    /// Settings when `connections` is above pool_size or the mode is null; Connect with the driver's own error; Timeout;
    /// Closed; Unsupported from inside a hook of this pool, or in a forked child.
    pub fn warm_up(&self, connections: u32) -> Result<(), Error> {
        self.shared.warm_up(connections)
    }

    /// Replaces every connection that has been opened so far: idle ones now, the others when they are returned.
    pub fn invalidate_all(&self) {
        if self.shared.home.is_left() {
            return;
        }
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        self.shared.close_idle_of_older_generations();
    }

    /// Closes the pool. Callers that wait, and all that come later, get the error Closed; idle connections are closed; and the call
    /// waits, for at most `deadline`, for connections that are out, being opened or being closed. Closing twice is harmless.
    ///
    /// # Errors
    /// Timeout when connections are still out, opening or closing at the deadline: the text names who holds them. They
    /// are closed when they are returned. Unsupported from inside a hook of this pool, or in a forked child.
    pub fn close(&self, deadline: Duration) -> Result<(), Error> {
        self.shared.may_block_here("close")?;
        self.care.monitor.switch_off();
        self.shared.close(deadline)
    }

    /// Whether the pool has been closed, by [`close`](Pool::close) of any handle. Calls that take a connection then end with the
    /// error Closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shared.home.is_left() && self.shared.gate.read(Vec::new()).closed
    }

    /// A function that asks how far the server's log has come. It takes a connection as a checkout would, within the limit that it
    /// is given, but counts as none. It does not keep the pool from being closed by its last handle.
    pub(crate) fn replication(
        &self,
    ) -> Arc<dyn Fn(Duration) -> Result<Replication, Error> + Send + Sync> {
        let shared = self.shared.clone();
        Arc::new(move |limit| shared.replication(limit))
    }

    /// For tests: the regular care of idle connections, now.
    #[doc(hidden)]
    pub fn upkeep(&self) {
        self.shared.upkeep();
    }

    /// For tests: the monitor's sample, now.
    #[doc(hidden)]
    pub fn sample(&self) {
        sample(&self.shared, &self.care);
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool::new(self.shared.clone(), self.care.clone())
    }
}

impl<M: Manager> Drop for Pool<M> {
    fn drop(&mut self) {
        if self.shared.home.is_left() {
            return self.shared.forget(self.care.clone());
        }
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.care.monitor.switch_off();
            self.shared.shut();
        }
    }
}

impl<M: Manager> std::fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Pool");
        debug
            .field("name", &self.name())
            .field("mode", &self.shared.mode);
        if self.shared.home.is_left() {
            return debug.finish_non_exhaustive();
        }
        let reading = self.shared.gate.read(Vec::new());
        debug
            .field("total", &reading.counters.total())
            .field("checked_out", &reading.counters.out())
            .field("waiting", &reading.waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(queuepool_loom)))]
mod tests;
