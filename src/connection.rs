//! The guard of a checked-out connection, and its way back.

use std::error::Error as StdError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::sync::Instant;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::{Call, ErrorClass, Manager, Reset};
use crate::places::Lease;
use crate::pool::{Inner, on_a_runtime};
use crate::queue::{Queue, Signal};
use crate::settings::{Mode, ResetOnReturn};
use crate::verdict::Verdict;

/// A checked-out connection. It dereferences to the driver's own and goes back to the pool when dropped: an open
/// transaction is rolled back first (setting `reset_on_return`).
///
/// A guard dropped by a panicking thread is reset in full or closed. A guard that is leaked (`mem::forget`) keeps its
/// place for ever.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct Connection<M: Manager> {
    pool: Arc<Inner<M>>,
    /// `None` only while the guard ends.
    lease: Option<Lease<M>>,
    holder: usize,
    panicking_at_checkout: bool,
}

impl<M: Manager> Connection<M> {
    pub(crate) fn new(pool: Arc<Inner<M>>, lease: Lease<M>, holder: usize) -> Self {
        Connection {
            pool,
            lease: Some(lease),
            holder,
            panicking_at_checkout: std::thread::panicking(),
        }
    }

    /// What the pool knows of this connection.
    #[must_use]
    pub fn info(this: &Self) -> &ConnectionInfo {
        &this.lease().live().info
    }

    /// Closes this connection instead of returning it: its place is freed and a waiter is served. For a connection
    /// that the holder knows to be unfit.
    pub fn invalidate(mut this: Self) {
        let (pool, mut lease) = this.end();
        if pool.home.is_left() {
            return pool.forget(lease);
        }
        pool.count_checkin(this.holder);
        pool.speak_for_others(lease.live(), lease.live().verdict);
        pool.prepare_to_close(&mut lease.live_mut().connection);
        // Its failure is counted and logged; the connection is closed in any case.
        let _ = pool.run_hook("invalidate", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.invalidating(connection, info)
        });
        pool.close_lease_and_settle(lease, CloseReason::Invalidated);
    }

    /// Takes the driver's connection out of the pool for good: its place is free, and no hook of the pool sees it again. What is
    /// wrong with it is the new owner's: on MySQL, one whose statement a `write_timeout` cut off sends that statement once
    /// more, which the server may run in pieces; [`invalidate`](Connection::invalidate) such a connection instead.
    #[must_use = "the connection is closed when it is dropped"]
    pub fn detach(mut this: Self) -> M::Connection {
        let (pool, lease) = this.end();
        if !pool.home.is_left() {
            pool.speak_for_others(lease.live(), lease.live().verdict);
        }
        let (place, live) = lease.empty();
        if pool.home.is_left() {
            pool.forget(place);
            return live.connection;
        }
        pool.event(format_args!("connection {} is detached", live.info.id));
        let mut queue = pool.queue.lock();
        pool.count_checkin_in(&mut queue, this.holder, Instant::now());
        queue.counters.detached += 1;
        pool.note_fullness(&mut queue, pool.clock.now());
        drop(place);
        pool.open_for_waiters(&mut queue);
        pool.drained.notify_all();
        drop(queue);
        live.connection
    }

    /// Tells the pool of an error that a statement on this connection ended with, and returns what it means: by the
    /// [error hooks](crate::Builder::on_error), else by the driver. Acted on when the connection comes back: one that is lost is
    /// closed, and those opened before it are replaced or pinged before their next use ([`Extent`](crate::Extent)); one on which
    /// an answer is still owed is closed. Any other error changes nothing, and of several the gravest counts.
    ///
    /// Without it the pool finds most of this out for itself, later: at the return, by the reset, or by the next ping. To
    /// note errors spares other callers an error of their own when a server goes away. `error` may be the driver's own, or
    /// have it beneath as a [source](StdError::source). An `AnyConnection` notes its own errors.
    ///
    /// ```
    /// # use queuepool::{Connection, sqlite::SqlitePool};
    /// # let pool = SqlitePool::builder("sqlite::memory:")?.build()?;
    /// let mut connection = pool.get()?;
    /// if let Err(error) = connection.execute("INSERT INTO nowhere VALUES (1)", ()) {
    ///     let class = Connection::note_error(&mut connection, &error);
    ///     assert_eq!(class, queuepool::ErrorClass::Statement); // the connection stays in use
    /// }
    /// # Ok::<(), queuepool::Error>(())
    /// ```
    pub fn note_error(this: &mut Self, error: &(dyn StdError + 'static)) -> ErrorClass {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        this.pool.note_error(lease.live_mut(), error)
    }

    /// Whether an answer may still be owed on it, which its next statement could be given.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn is_owed_an_answer(this: &Self) -> bool {
        this.lease().live().verdict == Verdict::Owed
    }

    /// The driver's ping, on this thread.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn ping(this: &mut Self) -> Result<(), M::Error> {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        let pool = &this.pool;
        let limit = pool.settings.health_check_timeout;
        pool.driver
            .ping(&pool.manager, &mut lease.live_mut().connection, limit)
    }

    /// Whether an error of the ping tells of the validation_query and not of the connection.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn refuses_query(this: &Self, error: &M::Error) -> bool {
        this.pool.refuses_query(error)
    }

    fn lease(&self) -> &Lease<M> {
        self.lease.as_ref().expect("bug: a guard without a lease")
    }

    fn end(&mut self) -> (Arc<Inner<M>>, Lease<M>) {
        (
            self.pool.clone(),
            self.lease.take().expect("bug: a guard ended twice"),
        )
    }
}

impl<M: Manager> Deref for Connection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.lease().live().connection
    }
}

impl<M: Manager> DerefMut for Connection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self
            .lease
            .as_mut()
            .expect("bug: a guard without a lease")
            .live_mut()
            .connection
    }
}

impl<M: Manager> Drop for Connection<M> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            if self.pool.home.is_left() {
                return self.pool.forget(lease);
            }
            let panicked = std::thread::panicking() && !self.panicking_at_checkout;
            self.pool.check_in(lease, self.holder, panicked);
        }
    }
}

impl<M: Manager> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("info", Connection::info(self))
            .finish_non_exhaustive()
    }
}

impl<M: Manager> Inner<M> {
    /// The way back: reset hook, reset, checkin hook, then the oldest waiter, else idle, else closed.
    fn check_in(self: &Arc<Self>, mut lease: Lease<M>, holder: usize, panicked: bool) {
        let now = Instant::now();
        let unfit = self.unfitness(&mut lease, self.clock.at(now));
        let how = self.reset_for(panicked);
        let resets = self.facts.resets(how);
        if unfit.is_none()
            && !panicked
            && !resets
            && !self.hooks.has_reset
            && !self.hooks.has_checkin
        {
            self.hand_back(lease, now, Some(holder));
            return;
        }
        self.count_checkin(holder);
        if self.facts.is_bounded(Call::Reset) || !on_a_runtime() {
            self.reset_and_give(lease, unfit, how, panicked);
            return;
        }
        let inner = self.clone();
        if let Err(unrun) = self
            .helpers
            .run(move || inner.reset_and_give(lease, unfit, how, panicked))
        {
            (unrun.job)();
        }
    }

    fn reset_and_give(
        self: &Arc<Self>,
        lease: Lease<M>,
        unfit: Option<CloseReason>,
        how: ResetOnReturn,
        panicked: bool,
    ) {
        let (mut lease, mut unfit) = match unfit {
            Some(reason) => (lease, Some(reason)),
            None => match self.reset(lease, how, panicked) {
                Some(result) => result,
                None => return,
            },
        };
        if self.hooks.has_checkin
            && self
                .run_hook("checkin", |hooks| {
                    let (connection, info) = lease.live_mut().as_hooks_see_it();
                    hooks.checking_in(connection, info)
                })
                .is_err()
        {
            unfit = unfit.or(Some(CloseReason::HookFailed));
        }
        if let Some(reason) = unfit {
            self.close_lease_and_settle(lease, reason);
            return;
        }
        self.hand_back(lease, Instant::now(), None);
    }

    /// A used connection goes to the oldest waiter, else idle, else it is closed. Counts the checkin if a holder is named.
    fn hand_back(self: &Arc<Self>, mut lease: Lease<M>, now: Instant, holder: Option<usize>) {
        let live = lease.live_mut();
        live.proven = self.clock.at(now);
        live.idle_since = live.proven;
        let mut queue = self.queue.lock();
        queue.proven = Some(now);
        if let Some(holder) = holder {
            self.count_checkin_in(&mut queue, holder, now);
        }
        let leftover = if self.mode == Mode::Null {
            Some(lease)
        } else {
            self.give(&mut queue, lease)
        };
        let closed = queue.closed;
        drop(queue);
        if let Some(lease) = leftover {
            self.close_lease_and_settle(lease, self.leftover_reason(closed));
        }
    }

    /// To the oldest waiter, else idle, else back to the caller to be closed.
    pub(crate) fn give(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        mut lease: Lease<M>,
    ) -> Option<Lease<M>> {
        if queue.closed {
            return Some(lease);
        }
        if let Some(waiting) = queue.remove_waiter(0) {
            waiting.waiter.post(Signal::Lease(lease));
            if waiting.attempt.is_some() {
                self.open_for_waiters(queue);
            }
            return None;
        }
        if self.mode == Mode::Null || queue.idle.len() >= self.settings.pool_size as usize {
            return Some(lease);
        }
        lease.live_mut().unused = false;
        queue.idle.push(lease);
        None
    }

    /// Gives a connection that nobody used back to the queue.
    pub(crate) fn put_back(self: &Arc<Self>, lease: Lease<M>) {
        let mut queue = self.queue.lock();
        let leftover = self.give(&mut queue, lease);
        let reason = self.leftover_reason(queue.closed);
        drop(queue);
        if let Some(lease) = leftover {
            self.close_lease(lease, reason);
        }
    }

    /// The reset hook and the driver's reset. `None`: the reset did not end in time and the connection is abandoned.
    fn reset(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        how: ResetOnReturn,
        panicked: bool,
    ) -> Option<(Lease<M>, Option<CloseReason>)> {
        if self.hooks.has_reset
            && self
                .run_hook("reset", |hooks| {
                    let (connection, info) = lease.live_mut().as_hooks_see_it();
                    hooks.resetting(connection, info)
                })
                .is_err()
        {
            return Some((lease, Some(CloseReason::HookFailed)));
        }
        if !self.facts.resets(how) {
            return Some((lease, panicked.then_some(CloseReason::Panicked)));
        }
        let doubts = self.doubts.load(Ordering::Acquire);
        let limit = self.settings.health_check_timeout;
        let work = move |inner: &Inner<M>, live: &mut crate::places::Live<M>| {
            inner
                .driver
                .reset(&inner.manager, &mut live.connection, how)
        };
        let (mut lease, result) =
            self.call(Call::Reset, lease, limit, CloseReason::ResetFailed, work)?;
        let failed = match result {
            Ok(Ok(Reset::Done)) => {
                lease.live_mut().doubts = doubts;
                return Some((lease, None));
            }
            Ok(Ok(Reset::NotSupported)) => {
                self.facts.note_that_it_resets_nothing();
                return Some((lease, panicked.then_some(CloseReason::Panicked)));
            }
            Ok(Err(error)) => Ok(error),
            Err(panic) => Err(panic),
        };
        let fault = self.fault(&lease, failed);
        log::debug!(target: &self.target, "a reset failed: {}", fault.words);
        self.speak_for_others(lease.live(), fault.verdict);
        let reason = fault.close_reason(CloseReason::ResetFailed);
        Some((lease, Some(reason)))
    }

    fn reset_for(&self, panicked: bool) -> ResetOnReturn {
        if panicked {
            ResetOnReturn::Full
        } else {
            self.settings.reset_on_return
        }
    }

    /// Why a returned connection is not kept, as far as can be told without asking the server. One that is lost speaks for
    /// others.
    fn unfitness(self: &Arc<Self>, lease: &mut Lease<M>, now: Instant) -> Option<CloseReason> {
        let live = lease.live_mut();
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.driver.is_broken(&self.manager, &mut live.connection)
        }));
        // A driver that panics when asked cannot be trusted with the connection; one that calls it broken does not say
        // why.
        if broken.unwrap_or(true) {
            live.verdict = match live.verdict {
                Verdict::Sound => Verdict::Suspect,
                noted => noted,
            };
        }
        let verdict = std::mem::replace(&mut live.verdict, Verdict::Sound);
        self.speak_for_others(lease.live(), verdict);
        verdict
            .close_reason()
            .or_else(|| self.staleness(lease.live(), now))
    }

    pub(crate) fn leftover_reason(&self, closed: bool) -> CloseReason {
        match (closed, self.mode) {
            (true, _) => CloseReason::PoolClosed,
            (false, Mode::Null) => CloseReason::NullPool,
            (false, Mode::Queue) => CloseReason::Overflow,
        }
    }

    fn count_checkin(self: &Arc<Self>, holder: usize) {
        self.count_checkin_in(&mut self.queue.lock(), holder, Instant::now());
    }

    #[cfg_attr(queuepool_counting, inline(never))] // benches/counting.sh finds it by name
    fn count_checkin_in(self: &Arc<Self>, queue: &mut Queue<M>, holder: usize, now: Instant) {
        let now = self.clock.at(now);
        let record = queue.holders.remove(holder);
        queue
            .counters
            .checked_in(now.saturating_duration_since(record.since));
        self.note_fullness(queue, now);
    }
}
