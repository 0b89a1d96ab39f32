//! What happens by the clock: connects and closes past their limit, sleepers, and the care of idle connections.
//!
//! All of it runs on the process's one timer thread, which never blocks: pings, closes and hooks go to helpers. The
//! timer holds the pool weakly.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{Attempt, Stage};
use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::base::timer::TIMER;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::opener::Failure;
use crate::places::Lease;
use crate::pool::{Inner, Pool};
use crate::queue::{Queue, Signal, YOUNG};
use crate::readiness::Pinged;

/// How often idle connections are looked at, at most and at least.
const TICK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

impl<M: Manager> Pool<M> {
    /// For tests: the regular look at idle connections, now.
    #[doc(hidden)]
    pub fn upkeep(&self) {
        self.inner().upkeep();
    }
}

fn unanswered_for<M: Manager>(lease: &Lease<M>, now: Instant) -> Duration {
    now.saturating_duration_since(lease.live().proven)
}

impl<M: Manager> Inner<M> {
    /// Makes sure that [`sweep`](Inner::sweep) runs at `at` or before.
    pub(crate) fn wake_timer(self: &Arc<Self>, queue: &mut Queue<M>, at: Instant) {
        if queue.sweep_at.is_some_and(|planned| planned <= at) {
            return;
        }
        queue.sweep_at = Some(at);
        if cfg!(queuepool_loom) {
            return; // a model lets time pass itself
        }
        let pool = Arc::downgrade(self);
        TIMER.execute_after(at.saturating_duration_since(Instant::now()), move || {
            if let Some(inner) = pool.upgrade() {
                inner.sweep(Instant::now());
                inner.leave_timer();
            }
        });
    }

    /// The timer serves all pools: should this be the last reference, what ends with the pool (an SQLite file's log, what
    /// hooks have captured) ends on a helper.
    fn leave_timer(self: Arc<Self>) {
        if Arc::strong_count(&self) == 1 {
            let helpers = self.helpers.clone();
            if let Err(unrun) = helpers.run(move || drop(self)) {
                (unrun.job)();
            }
        }
    }

    /// Ends what is past its time.
    pub(crate) fn sweep(self: &Arc<Self>, now: Instant) {
        let mut queue = self.queue.lock();
        if queue.sweep_at.is_none_or(|planned| planned > now) {
            return;
        }
        queue.sweep_at = None;
        let abandoned = self.abandon_overdue(&mut queue, now);
        self.free_overdue(&mut queue, now);
        queue.doubt_adopted(now);
        self.open_for_waiters(&mut queue);
        self.drained.notify_all();
        self.notice_episodes(&mut queue, now);
        let notices = queue.take_notices();
        if let Some(next) = self.next_sweep(&queue, now) {
            self.wake_timer(&mut queue, next);
        }
        drop(queue);
        for error in abandoned {
            self.event(format_args!("{error}"));
        }
        self.tell(notices);
    }

    /// Connects past connect_timeout are abandoned: the place is free, and the call counts as hung until it returns.
    /// Their errors come back to be logged, which is users' code.
    fn abandon_overdue(self: &Arc<Self>, queue: &mut Queue<M>, now: Instant) -> Vec<Error> {
        let mut abandoned = Vec::new();
        let limit = self.settings.connect_timeout;
        let overdue =
            |attempt: &Attempt| attempt.holds_place() && later(attempt.started, limit) <= now;
        while !self.too_many_hang(queue)
            && let Some(attempt) = queue.attempts.iter_mut().find(|attempt| overdue(attempt))
        {
            attempt.stage = Stage::Abandoned;
            let is_blamed = attempt.blames().is_some();
            let (owner, report) = (attempt.owner.take(), attempt.report.take());
            queue.note_abandoned();
            let message = format!("connecting did not finish within connect_timeout {limit:?}");
            let failure = Failure {
                transient: true,
                successes: queue.successes,
                ..Failure::permanent(ErrorKind::Connect, message)
            };
            queue.connect_failed(&failure.error);
            abandoned.push(failure.error.clone());
            if let Some(report) = report {
                let _ = report.send(Err((failure.error.clone(), true)));
            }
            if let Some(waiting) = owner.and_then(|owner| queue.find(owner)) {
                waiting.attempt = None;
                waiting.adopted_at = None;
                if is_blamed {
                    waiting.deciding = true;
                    waiting.waiter.post(Signal::Failed(failure));
                }
            }
        }
        abandoned
    }

    fn next_sweep(&self, queue: &Queue<M>, now: Instant) -> Option<Instant> {
        let connects = queue
            .attempts
            .iter()
            .filter(|attempt| attempt.holds_place());
        let limit = self.settings.connect_timeout;
        let overdue = connects
            .clone()
            .map(|attempt| later(attempt.started, limit));
        let grown = connects
            .map(|attempt| attempt.started + YOUNG)
            .filter(|_| !queue.may_start(now));
        let closes = queue
            .closings
            .iter()
            .filter(|closing| !closing.hung)
            .map(|closing| closing.due);
        let patience = queue.patience.limit();
        let adopted = queue
            .waiters
            .iter()
            .filter_map(|waiting| Some(waiting.adopted_at? + patience));
        let asleep = queue
            .waiters
            .iter()
            .filter_map(|waiting| waiting.asleep_until);
        let restock = queue
            .restock_after
            .filter(|_| self.settings.min_pool_size > 0);
        let next = overdue
            .chain(grown)
            .chain(closes)
            .chain(adopted)
            .chain(asleep)
            .chain(restock)
            .chain(queue.episodes.due())
            .chain(self.leak_due(queue, now))
            // What is overdue and cannot be ended yet (too many hang, no room) is looked at again a little later, and
            // holds up nothing else.
            .map(|at| if at <= now { now + TICK.0 } else { at });
        next.min()
    }

    /// Starts the regular look at idle connections.
    pub(crate) fn start_upkeep(self: &Arc<Self>) {
        if cfg!(queuepool_loom) {
            return;
        }
        let pool = Arc::downgrade(self);
        let tick = self.tick();
        TIMER.execute_with_dynamic_delay(tick, move || {
            let inner = pool.upgrade()?;
            let closed = inner.queue.lock().closed;
            if !closed {
                inner.upkeep();
            }
            inner.leave_timer();
            (!closed).then_some(tick)
        });
    }

    /// A tenth of the shortest time that upkeep has to watch, within [`TICK`].
    fn tick(&self) -> Duration {
        let settings = &self.settings;
        [
            Some(settings.recycle),
            settings.idle_timeout,
            settings.keepalive,
            settings.holder_warn_after,
        ]
        .into_iter()
        .flatten()
        .min()
        .map_or(TICK.1, |shortest| (shortest / 10).clamp(TICK.0, TICK.1))
    }

    /// Retires idle connections that are too old or idle too long, pings those due for keepalive, fills up min_pool_size, and
    /// logs holders older than holder_warn_after, each once.
    pub(crate) fn upkeep(self: &Arc<Self>) {
        let now = self.clock.now();
        let (warnings, old, idle_too_long, keeps_alive) = {
            let mut queue = self.queue.lock();
            let mut warnings = self.warnings_of_holders(&mut queue, now);
            self.notice_leak(&mut queue);
            warnings.append(&mut queue.take_notices());
            let old = queue.take_idle_where(|lease| self.staleness(lease.live(), now).is_some());
            let idle_too_long = self.take_idle_too_long(&mut queue, now);
            self.open_for_waiters(&mut queue);
            let is_due = self.settings.keepalive.is_some_and(|limit| {
                let mut idle = queue.idle.iter();
                idle.any(|lease| unanswered_for(lease, now) >= limit)
            });
            // Not while the last round is still under way.
            let keeps_alive = is_due && !std::mem::replace(&mut queue.keeping_alive, true);
            (warnings, old, idle_too_long, keeps_alive)
        };
        // A logger is users' code: not under the lock.
        for warning in warnings {
            log::warn!(target: &self.target, "{warning}");
        }
        for lease in old {
            let reason = self
                .staleness(lease.live(), now)
                .unwrap_or(CloseReason::Recycled);
            self.on_helper(move |inner| inner.close_lease(lease, reason));
        }
        for lease in idle_too_long {
            self.on_helper(move |inner| inner.close_lease(lease, CloseReason::IdleTimeout));
        }
        if self.wants_server_limit() {
            self.on_helper(|inner| inner.learn_server_limit());
        }
        if keeps_alive {
            self.on_helper(|inner| {
                while inner.keep_one_alive() {}
                inner.queue.lock().keeping_alive = false;
            });
        }
    }

    /// The longest idle first, while more than min_pool_size are open.
    fn take_idle_too_long(&self, queue: &mut Queue<M>, now: Instant) -> Vec<Lease<M>> {
        let Some(limit) = self.settings.idle_timeout else {
            return Vec::new();
        };
        // Open ones count, in use or idle.
        let spare = queue
            .counters
            .total()
            .saturating_sub(self.settings.min_pool_size.into()) as usize;
        let too_long =
            |lease: &Lease<M>| now.saturating_duration_since(lease.live().idle_since) >= limit;
        let count = queue
            .idle
            .iter()
            .take(spare)
            .take_while(|lease| too_long(lease))
            .count();
        queue.idle.drain(..count).collect()
    }

    fn warnings_of_holders(&self, queue: &mut Queue<M>, now: Instant) -> Vec<String> {
        let Some(limit) = self.settings.holder_warn_after else {
            return Vec::new();
        };
        let mut warnings = Vec::new();
        for holder in queue.holders.iter_mut().filter(|holder| !holder.warned) {
            let held = now.saturating_duration_since(holder.since);
            if held >= limit {
                holder.warned = true;
                warnings.push(format!(
                    "connection {} has been held by {} at {} for {held:.1?}",
                    holder.connection_id, holder.thread, holder.location
                ));
            }
        }
        warnings
    }

    /// Runs on a helper; where none can be had, here.
    pub(crate) fn on_helper(self: &Arc<Self>, work: impl FnOnce(&Arc<Inner<M>>) + Send + 'static) {
        let inner = self.clone();
        if let Err(unrun) = self.helpers.run(move || work(&inner)) {
            (unrun.job)();
        }
    }

    /// Pings the idle connection that is due for it, which is in nobody's way meanwhile, and puts it back where it was.
    /// One at a time, so that the others stay at hand. False when none is due.
    fn keep_one_alive(self: &Arc<Self>) -> bool {
        let now = self.clock.now();
        // Those that will soon be due go along, so that a pool's pings come together and no thread stays for them.
        let limit = self.settings.keepalive.unwrap_or(Duration::MAX) / 2;
        let is_due = |lease: &Lease<M>| unanswered_for(lease, now) >= limit;
        let lease = {
            let mut queue = self.queue.lock();
            let Some(position) = queue.idle.iter().position(is_due) else {
                return false;
            };
            queue.idle.remove(position)
        };
        match self.ping(lease, self.settings.health_check_timeout) {
            Pinged::Alive(lease) => self.put_back_idle(lease),
            Pinged::QueryRefused(lease, error) => {
                log::warn!(target: &self.target, "keepalive: {error}");
                self.put_back_idle(lease);
                // The others would fare no better, and this one is still due.
                return false;
            }
            Pinged::Failed(lease, fault) => {
                self.speak_for_others(lease.live(), fault.verdict);
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                self.close_lease(lease, reason);
            }
            Pinged::NoAnswer => {}
        }
        true
    }

    /// Back where it was among the idle: a keepalive is no use.
    pub(crate) fn put_back_idle(self: &Arc<Self>, lease: Lease<M>) {
        self.put_back(lease);
        // Stable, and nearly sorted: all others are in the order of their last use.
        self.queue
            .lock()
            .idle
            .sort_by_key(|lease| lease.live().idle_since);
    }
}
