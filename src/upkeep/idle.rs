//! The regular care of idle connections: closing those that are too old or have been idle too long, and pinging those that are due.
//!
//! It starts on the one timer thread of the process. That thread must never block, so pings, closes and hooks run on helper
//! threads.

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

/// How often a pool that shares its server with others may have to look whether they find room there.
const LOOKS_FOR_ROOM: Duration = Duration::from_secs(1);

fn unanswered_for<M: Manager>(live: &Live<M>, now: Instant) -> Duration {
    now.saturating_duration_since(live.proven)
}

impl<M: Manager> Shared<M> {
    /// Starts the regular care of idle connections.
    ///
    /// # Errors
    /// Resources if the timer's thread cannot be started.
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

    /// How often to look: a tenth of the shortest time that has to be watched, within the bounds of [`TICK`].
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
        .min(if settings.instances > 1 {
            LOOKS_FOR_ROOM
        } else {
            TICK.1
        })
    }

    /// Retires idle connections that are too old or idle too long, pings those due for keepalive, fills up min_pool_size, and
    /// logs holders older than holder_warn_after, each once.
    pub(crate) fn upkeep(self: &Arc<Self>) {
        let now = self.clock.now();
        let (old, idle_too_long, keeps_alive, wants_limit, hopes) = {
            let mut gate = self.gate.lock();
            if let Some(limit) = self.settings.holder_warn_after {
                gate.warn_of_holders(limit, now);
            }
            let old = gate.take_idle_where(|live| self.staleness(live, now).is_some());
            let idle_too_long = match self.settings.idle_timeout {
                Some(limit) => gate.take_idle_too_long(limit, now),
                None => Vec::new(),
            };
            gate.look_again();
            gate.settle();
            // After that, because what was parked may show that the pool is not full.
            gate.notice_leak();
            let is_due = self
                .settings
                .keepalive
                .is_some_and(|limit| gate.any_idle(|live| unanswered_for(live, now) >= limit));
            // The next round does not begin while the last one is still under way.
            let keeps_alive = is_due && gate.begin_keepalive();
            (
                old,
                idle_too_long,
                keeps_alive,
                gate.wants_limit(),
                gate.hopes_for_writes(),
            )
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
        self.look_for_room();
        if hopes {
            self.on_helper(|shared| shared.look_for_writes());
        }
        if keeps_alive {
            self.on_helper(|shared| {
                while shared.keep_one_alive() {}
                shared.gate.lock().end_keepalive();
            });
        }
    }

    /// Pings one idle connection that is due for it and puts it back in its old place. One at a time, so that all others stay
    /// available to callers meanwhile. False if none is due.
    fn keep_one_alive(self: &Arc<Self>) -> bool {
        let now = self.clock.now();
        // Those that will soon be due are pinged along with it, so that the pings of a pool come together and no helper thread has
        // to stay for them.
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
                say!(Warn, self.target(), "keepalive: {error}");
                self.put_back_idle(lease);
                // The query would fail on the others too, and this connection would be taken again at once.
                return false;
            }
            Pinged::Failed(lease, fault) => {
                self.speak_for_others(lease.live(), fault.verdict);
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                self.close_lease(lease, reason);
            }
            Pinged::Unsuited | Pinged::NoAnswer => {}
        }
        true
    }
}
