//! The pool: get, return, and what can be asked of it.

pub(crate) mod builder;
pub(crate) mod bundled;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod sources;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::fork::{FORK_FIRST, Home};
use crate::base::helpers::Helpers;
use crate::base::panics::words;
use crate::base::sync::{AtomicU64, Condvar, Instant, Mutex};
use crate::checkout::Turn;
use crate::connection::Connection;
use crate::contract::driver::{Driver, Facts, Manager};
use crate::contract::hooks::{HookError, HookFailure, HookSet, Hooks};
use crate::error::Error;
use crate::health_check::Checking;
use crate::monitor::MonitorSwitch;
use crate::observe::history::History;
use crate::places::Places;
use crate::pool::builder::Source;
use crate::queue::Queue;
use crate::settings::{Mode, Settings};

/// A pool of one driver's connections, shared by cloning and usable from any thread.
///
/// The last handle's drop closes the pool without waiting; connections still out are closed when they are returned.
///
/// Fork before the first pool is built, or `exec` in the child. A pool that a child inherits is its parent's: calls that
/// may wait are Unsupported, its status is that of an empty pool, and dropping it, or a guard of it, closes and returns
/// nothing. A guard that was out at the fork still leads to the parent's connection: do not use it there. Nor can the child
/// build a pool of its own: threads that are not there have left locks behind that a pool needs, and SQLite's. (A child made
/// by a raw `clone` system call is not noticed.)
pub struct Pool<M: Manager> {
    inner: Arc<Inner<M>>,
}

/// What all handles, guards and helper threads of one pool share.
pub(crate) struct Inner<M: Manager> {
    /// In a forked child nothing here is touched: locks may be held by threads that are not there, and the connections are
    /// the parent's.
    pub(crate) home: Home,
    pub(crate) name: Arc<str>,
    /// The log target, `queuepool::<name>`.
    pub(crate) target: String,
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// pool_size + max_overflow.
    pub(crate) capacity: u64,
    pub(crate) manager: M,
    pub(crate) driver: Box<dyn Driver<M>>,
    pub(crate) facts: Facts,
    /// Counted up when a connection is lost and it is unclear whether the server went too.
    pub(crate) doubts: AtomicU64,
    pub(crate) hooks: HookSet<M>,
    pub(crate) places: Places,
    pub(crate) helpers: Helpers,
    pub(crate) clock: Clock,
    /// On that clock.
    pub(crate) built: Instant,
    /// Raised when all connections opened so far must be replaced.
    pub(crate) generation: AtomicU64,
    /// Lock order: this one, then a waiter's own. r2d2's lock is taken inside it for an instant.
    pub(crate) queue: Mutex<Queue<M>>,
    /// Notified under `queue` whenever a connection or an attempt has ended.
    pub(crate) drained: Condvar,
    /// Never taken together with `queue`.
    pub(crate) history: Mutex<History>,
    pub(crate) checking: Checking,
    pub(crate) monitor: Arc<MonitorSwitch>,
    pub(crate) handles: AtomicUsize,
}

impl<M: Manager> Inner<M> {
    /// Calls that may wait are refused in a forked child, inside this pool's hooks and on an async runtime's own thread.
    pub(crate) fn may_block_here(&self, call: &str) -> Result<(), Error> {
        if self.home.is_left() {
            return Err(Error::unsupported(format!(
                "{call}: the pool {} was built before this process was forked off, and its connections are the \
                 parent's: {FORK_FIRST}",
                self.name
            )));
        }
        if self.hooks.inside() {
            return Err(Error::unsupported(format!(
                "{call} inside a hook of the same pool would wait for itself"
            )));
        }
        if on_async_runtime_thread() {
            return Err(Error::unsupported(format!(
                "{call} blocks, and this is a thread of an async runtime: call it in spawn_blocking or block_in_place"
            )));
        }
        Ok(())
    }

    /// In a forked child: neither closed nor counted, and what is shared stays for good, with all that is idle in it.
    pub(crate) fn forget(self: &Arc<Self>, of_the_parent: impl Sized) {
        std::mem::forget(of_the_parent);
        std::mem::forget(self.clone());
    }

    /// A lifecycle event: debug, or info with echo_pool.
    pub(crate) fn event(&self, words: std::fmt::Arguments<'_>) {
        let level = if self.settings.echo_pool {
            log::Level::Info
        } else {
            log::Level::Debug
        };
        log::log!(target: &self.target, level, "{words}");
    }

    /// Runs a hook; its failure is counted and logged, a refusal as what it is and a panic as a fault.
    pub(crate) fn run_hook(
        &self,
        name: &str,
        call: impl FnOnce(&Hooks<M>) -> Result<(), HookError>,
    ) -> Result<(), HookFailure> {
        let result = self.hooks.run(call);
        self.note_failure(name, &result);
        result
    }

    pub(crate) fn note_failure(&self, name: &str, result: &Result<(), HookFailure>) {
        if let Err(failure) = result {
            self.queue.lock().counters.hook_failures += 1;
            match failure {
                HookFailure::Refused(error) => {
                    log::info!(target: &self.target, "the {name} hook refused a connection: {error}");
                }
                HookFailure::Panicked(panic) => {
                    log::warn!(target: &self.target, "the {name} hook panicked: {}", words(&**panic));
                }
            }
        }
    }
}

impl<M: Manager> Drop for Inner<M> {
    fn drop(&mut self) {
        // Where connections were still out when the last handle went.
        self.shut_driver();
        self.helpers.stop();
        self.monitor.switch_off();
    }
}

/// Whether blocking here would block an async runtime; `spawn_blocking` and `block_in_place` are fine. The postgres
/// driver aborts the process there.
pub(crate) fn on_async_runtime_thread() -> bool {
    let Ok(handle) = tokio::runtime::Handle::try_current() else {
        return false;
    };
    if cfg!(panic = "abort") {
        // The trial would end the process where it finds something.
        return false;
    }
    std::panic::catch_unwind(|| handle.block_on(std::future::ready(()))).is_err()
}

/// Whether this thread belongs to an async runtime, for blocking work or not.
pub(crate) fn on_a_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

impl<M: Manager> Pool<M> {
    /// Starts to describe a pool: `Pool::builder(manager)` for any r2d2 manager; for a bundled driver also
    /// `PostgresPool::builder(url)?` and its like, which set the driver too.
    pub fn builder<S: Source<M>>(source: S) -> S::Output {
        source.into_builder()
    }

    pub(crate) fn from_inner(inner: Arc<Inner<M>>) -> Self {
        inner.handles.fetch_add(1, Ordering::Relaxed);
        Pool { inner }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner<M>> {
        &self.inner
    }

    /// A connection, within the setting `timeout`.
    ///
    /// # Errors
    /// Timeout at capacity; Overloaded beyond max_waiting; Connect with the driver's own error beneath; Validation; Closed;
    /// Hook; and Unsupported inside a hook of the same pool, on an async runtime's own thread, or in a forked child.
    ///
    /// # Panics
    /// With a connect or checkout hook's own panic.
    #[track_caller]
    pub fn get(&self) -> Result<Connection<M>, Error> {
        self.get_timeout(self.inner.settings.timeout)
    }

    /// A connection, within `timeout`, everything included: waiting, connecting, pinging, retrying. With zero: an idle
    /// connection if no ping is due, else an error at once.
    ///
    /// # Errors
    /// As [`get`](Pool::get).
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn get_timeout(&self, timeout: Duration) -> Result<Connection<M>, Error> {
        self.inner.checkout(Turn::new(timeout, Location::caller()))
    }

    /// An idle connection, or `None`. Never waits for a connection and passes no waiter; a ping that is due is made,
    /// within `health_check_timeout`. In null mode a connection is opened if there is room and the driver's connect is local.
    ///
    /// # Errors
    /// As [`get`](Pool::get), without Timeout.
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<Connection<M>>, Error> {
        self.inner.try_checkout(Turn::new(
            self.inner.settings.health_check_timeout,
            Location::caller(),
        ))
    }

    /// Whether the database answers: takes a connection as a checkout would, pings it whatever `pre_ping` says, and puts
    /// it back, all within `health_check_timeout`. It counts as a health check, not as a checkout, and runs no checkout
    /// hook. Where all connections are out it waits for one as a checkout does: Timeout then means that the pool is used
    /// up, not that the database is down.
    ///
    /// # Errors
    /// As [`get`](Pool::get); Validation when pings fail or do not end in time, `max_validation_failures` in a row.
    ///
    /// # Panics
    /// With a connect hook's own panic.
    #[track_caller]
    pub fn ping(&self) -> Result<(), Error> {
        self.inner.probe(Turn::new(
            self.inner.settings.health_check_timeout,
            Location::caller(),
        ))
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The pool's name; `db_pool` unless the builder gave another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Replaces every connection opened so far: the idle ones now, those checked out after their return.
    pub fn invalidate_all(&self) {
        if self.inner.home.is_left() {
            return;
        }
        self.inner.generation.fetch_add(1, Ordering::AcqRel);
        self.inner.close_idle_of_older_generations();
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool::from_inner(self.inner.clone())
    }
}

impl<M: Manager> Drop for Pool<M> {
    fn drop(&mut self) {
        if self.inner.home.is_left() {
            return self.inner.forget(());
        }
        if self.inner.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.shut();
        }
    }
}

impl<M: Manager> std::fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Pool");
        debug
            .field("name", &self.inner.name)
            .field("mode", &self.inner.mode);
        if self.inner.home.is_left() {
            return debug.finish_non_exhaustive();
        }
        let queue = self.inner.queue.lock();
        debug
            .field("total", &queue.counters.total())
            .field("checked_out", &queue.counters.out())
            .field("waiting", &queue.waiters.len())
            .finish_non_exhaustive()
    }
}
