//! The guard of a checked-out connection, and its way back.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::driver::{Call, Manager};
use crate::hooks::{CloseReason, ConnectionInfo};
use crate::places::Lease;
use crate::pool::{Inner, on_a_runtime};
use crate::queue::{Queue, Signal};
use crate::settings::{Mode, ResetOnReturn};
use crate::sync::Instant;

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
        // Its failure is counted and logged; the connection is closed in any case.
        let _ = pool.run_hook("invalidate", |hooks| hooks.invalidating(lease.live_mut()));
        pool.close_lease_and_settle(lease, CloseReason::Invalidated);
    }

    /// Takes the driver's connection out of the pool for good: its place is free, and no hook of the pool sees it again.
    #[must_use = "the connection is closed when it is dropped"]
    pub fn detach(mut this: Self) -> M::Connection {
        let (pool, lease) = this.end();
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

    /// The driver's ping, on this thread.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn ping(this: &mut Self) -> Result<(), M::Error> {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        let pool = &this.pool;
        let limit = pool.settings.health_check_timeout;
        pool.driver
            .ping(&pool.manager, &mut lease.live_mut().connection, limit)
    }

    /// What an error of this connection means.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn classify(this: &Self, error: &M::Error) -> crate::driver::ErrorClass {
        this.pool.driver.classify(error)
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
        let resets = how != ResetOnReturn::Never && self.driver.resets();
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
        if self.driver.is_bounded(Call::Reset) || !on_a_runtime() {
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
                .run_hook("checkin", |hooks| hooks.checking_in(lease.live_mut()))
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
                .run_hook("reset", |hooks| hooks.resetting(lease.live_mut()))
                .is_err()
        {
            return Some((lease, Some(CloseReason::HookFailed)));
        }
        if how == ResetOnReturn::Never {
            return Some((lease, None));
        }
        if !self.driver.resets() {
            return Some((lease, panicked.then_some(CloseReason::Panicked)));
        }
        let limit = self.settings.health_check_timeout;
        let work = move |inner: &Inner<M>, live: &mut crate::places::Live<M>| {
            inner
                .driver
                .reset(&inner.manager, &mut live.connection, how)
        };
        let (lease, result) =
            self.call(Call::Reset, lease, limit, CloseReason::ResetFailed, work)?;
        match result {
            Ok(Ok(())) => Some((lease, None)),
            Ok(Err(error)) => {
                log::debug!(target: &self.target, "a reset failed: {}", self.describe(&error).1);
                Some((lease, Some(CloseReason::ResetFailed)))
            }
            Err(_) => Some((lease, Some(CloseReason::ResetFailed))),
        }
    }

    fn reset_for(&self, panicked: bool) -> ResetOnReturn {
        if panicked {
            ResetOnReturn::Full
        } else {
            self.settings.reset_on_return
        }
    }

    /// Why a returned connection is not kept, as far as can be told without asking the server.
    fn unfitness(&self, lease: &mut Lease<M>, now: Instant) -> Option<CloseReason> {
        let connection = &mut lease.live_mut().connection;
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.driver.is_broken(&self.manager, connection)
        }));
        // A driver that panics when asked cannot be trusted with the connection.
        if broken.unwrap_or(true) {
            Some(CloseReason::Lost)
        } else {
            self.staleness(lease.live(), now)
        }
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
