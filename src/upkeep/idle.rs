//! The care of idle connections, by the clock: too old, idle too long, due for a ping.
//!
//! The look at them runs on the process's one timer thread, which never blocks: pings, closes and hooks go to helpers.

use std::sync::Arc;
use std::time::Duration;

use crate::base::log::say;
use crate::base::sync::Instant;
use crate::base::timer::timer;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::lease::Live;
use crate::lifecycle::shared::Shared;
use crate::lifecycle::validate::Pinged;
use crate::upkeep::sweep::leave_timer;

/// How often idle connections are looked at, at most and at least.
const TICK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

fn unanswered_for<M: Manager>(live: &Live<M>, now: Instant) -> Duration {
    now.saturating_duration_since(live.proven)
}

impl<M: Manager> Shared<M> {
    /// Starts the regular look at idle connections.
    ///
    /// # Errors
    /// Resources where no timer can be had.
    pub(crate) fn start_upkeep(self: &Arc<Self>) -> Result<(), Error> {
        if cfg!(queuepool_loom) {
            return Ok(());
        }
        let pool = Arc::downgrade(self);
        let tick = self.tick();
        timer()?.execute_with_dynamic_delay(tick, move || {
            let shared = pool.upgrade()?;
            let closed = shared.gate.lock().is_closed();
            if !closed {
                shared.upkeep();
            }
            leave_timer(shared);
            (!closed).then_some(tick)
        });
        Ok(())
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
        let (old, idle_too_long, keeps_alive, wants_limit) = {
            let mut gate = self.gate.lock();
            if let Some(limit) = self.settings.holder_warn_after {
                gate.warn_of_holders(limit, now);
            }
            gate.notice_leak();
            let old = gate.take_idle_where(|live| self.staleness(live, now).is_some());
            let idle_too_long = match self.settings.idle_timeout {
                Some(limit) => gate.take_idle_too_long(limit, now),
                None => Vec::new(),
            };
            gate.look_again();
            gate.settle();
            let is_due = self
                .settings
                .keepalive
                .is_some_and(|limit| gate.any_idle(|live| unanswered_for(live, now) >= limit));
            // Not while the last round is still under way.
            let keeps_alive = is_due && gate.begin_keepalive();
            (old, idle_too_long, keeps_alive, gate.wants_limit())
        };
        for lease in old {
            let reason = self
                .staleness(lease.live(), now)
                .unwrap_or(CloseReason::Recycled);
            self.on_helper(move |shared| shared.close_lease(lease, reason));
        }
        for lease in idle_too_long {
            self.on_helper(move |shared| shared.close_lease(lease, CloseReason::IdleTimeout));
        }
        if wants_limit {
            self.on_helper(|shared| shared.learn_server_limit());
        }
        if keeps_alive {
            self.on_helper(|shared| {
                while shared.keep_one_alive() {}
                shared.gate.lock().end_keepalive();
            });
        }
    }

    /// Pings the idle connection that is due for it, which is in nobody's way meanwhile, and puts it back where it was.
    /// One at a time, so that the others stay at hand. False when none is due.
    fn keep_one_alive(self: &Arc<Self>) -> bool {
        let now = self.clock.now();
        // Those that will soon be due go along, so that a pool's pings come together and no thread stays for them.
        let limit = self.settings.keepalive.unwrap_or(Duration::MAX) / 2;
        let due = self
            .gate
            .lock()
            .take_first_idle(|live| unanswered_for(live, now) >= limit);
        let Some(lease) = due else {
            return false;
        };
        match self.ping(lease, self.settings.health_check_timeout) {
            Pinged::Alive(lease) => self.put_back_idle(lease),
            Pinged::QueryRefused(lease, error) => {
                say!(Warn, &self.target, "keepalive: {error}");
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
}
