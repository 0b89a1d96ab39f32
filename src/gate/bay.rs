//! Bays: where threads leave connections for themselves, each behind a lock of its own.
//!
//! If every checkout and every return took the pool's one lock, threads on several processors would spend most of their time on
//! waiting for one another's memory. So a pool has several *bays*, and every thread has one of them. A connection that comes back
//! is *parked* in the bay of the thread that took it, and the next checkout of that thread takes it out again. Both are
//! *short ways*: they lock the bay, and nothing that threads of other bays write to.
//!
//! # What the gate can rely on
//!
//! The lock of the gate comes first, then those of the bays, one at a time. Whoever holds the lock of a bay alone never takes that
//! of the gate. A bay is *open* or closed, and is opened and closed only by somebody who holds both locks:
//!
//! - Nothing is parked in a closed bay, and nothing is counted there: what came before was *gathered*, which is to say moved into
//!   the list of idle connections and into the counters of the pool. The holders stay; their records are read and removed
//!   under both locks.
//! - Whoever takes the gate's lock gathers all bays, and thereby closes them ([`Gate::lock`](super::Gate::lock)). From then on that
//!   thread has the whole pool before it, at one instant: a closed bay does not change until the thread lets go of the lock. The
//!   bays open again one by one, as connections come back. Only four steps leave the bays as they are, because they are frequent:
//!   the checkout of what is idle, the hand-out, the return and the look of a nudged waiter
//!   ([`Gate::lock_queue`](super::Gate::lock_queue)).
//!
//! # Why no connection is missed
//!
//! Whoever joins the queue gathers under the same hold of the lock. So for each bay there are two cases. Either the
//! return into it comes first, and the joiner finds the connection; or the bay was closed first, and the return takes the long
//! way, where it finds the waiter. There is nothing in between, as both look at the bay under its lock.
//!
//! While somebody waits, a bay is opened only by a return that nudges the oldest waiter in the same step, and only until that
//! waiter has waited for [`YIELD`](super::barging): the rule of [`barging`](super::barging) holds in the bays as it does at the
//! gate.
//!
//! # Why the peaks are exact
//!
//! A short way changes how many connections are out, and tells nobody. But it takes out only what was parked, and so no more can be
//! out than the gate has counted as out, and as parked when it last looked: this sum is the *bound*. It stays at or below the
//! highest number seen since the last sample, because a connection is parked only within that number, and because a
//! hand-out that would raise the bound above it gathers first and then knows how many really are out.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
#[cfg(queuepool_loom)]
use crate::base::loom::{Fault, is_broken};
use crate::base::sync::Instant;
use crate::base::thread::move_on;
use crate::contract::driver::Manager;
use crate::gate::barging::SHORT;
use crate::gate::holders::Holders;
use crate::gate::lease::{Lease, Live};
use crate::gate::lock::{BayLock, BayLockGuard, Stalls};
use crate::gate::tally::Tally;

/// On lines of its own in the processors' caches: 128 bytes, as they are fetched in pairs.
#[repr(align(128))]
pub(crate) struct Bay<M: Manager> {
    pub(crate) index: usize,
    inside: BayLock<Inside<M>>,
}

pub(super) struct Inside<M: Manager> {
    pub(super) is_open: bool,
    /// From then on the oldest waiter must not be passed over. `None`: nobody waits.
    pub(super) until: Option<Instant>,
    /// The most recently used last.
    pub(super) parked: Vec<Lease<M>>,
    pub(super) tally: Tally,
    pub(super) holders: Holders,
}

impl<M: Manager> Inside<M> {
    fn new() -> Self {
        Inside {
            is_open: false,
            until: None,
            parked: Vec::new(),
            tally: Tally::default(),
            holders: Holders::default(),
        }
    }

    #[cfg_attr(queuepool_counting, inline(never))] // benches/counting.sh finds it by name
    #[cfg_attr(not(queuepool_counting), inline)]
    fn count_checkout(
        &mut self,
        connection_id: u64,
        location: &'static Location<'static>,
        waited: Duration,
        at: Instant,
    ) -> usize {
        self.tally.checked_out(waited);
        self.holders.add(connection_id, location, at)
    }

    #[cfg_attr(queuepool_counting, inline(never))] // benches/counting.sh finds it by name
    #[cfg_attr(not(queuepool_counting), inline)]
    fn count_checkin(&mut self, holder: usize, held: Duration) {
        self.holders.remove(holder);
        self.tally.checked_in(held);
    }
}

impl<M: Manager> Bay<M> {
    pub(super) fn new(index: usize, stalls: Arc<Stalls>) -> Self {
        Bay {
            index,
            inside: BayLock::new(Inside::new(), stalls),
        }
    }

    /// As if it were new.
    #[cfg(not(queuepool_loom))]
    pub(super) fn clear(&self) {
        *self.inside.lock() = Inside::new();
    }

    /// For whoever holds the gate's lock.
    #[inline]
    pub(super) fn lock(&self) -> BayLockGuard<'_, Inside<M>> {
        self.inside.lock()
    }

    /// Those of its pool.
    #[inline]
    pub(crate) fn stalls(&self) -> &Arc<Stalls> {
        self.inside.stalls()
    }

    /// The short way out: the connection that was parked last, if it is ready and nobody must go first.
    #[inline]
    pub(crate) fn take(
        &self,
        started: Instant,
        clock: &Clock,
        location: &'static Location<'static>,
        is_ready: impl FnOnce(&Live<M>, Instant) -> bool,
    ) -> Option<Lease<M>> {
        // Everybody is to sleep at the gate then, so that the processors become free (`gate/lock.rs`).
        if self.stalls().any() {
            return None;
        }
        // The clock is read once more only if the lock had to be waited for: it is a third of what a checkout costs.
        let (mut inside, now, waited) = match self.inside.try_lock() {
            Some(inside) => (inside, started, Duration::ZERO),
            None => {
                move_on();
                let inside = self.inside.lock_alone();
                let now = Instant::now();
                (inside, now, now.saturating_duration_since(started))
            }
        };
        if inside.until.is_some_and(|until| now >= until) {
            return None;
        }
        let at = clock.at(now);
        if !is_ready(inside.parked.last()?.live(), at) {
            return None;
        }
        let mut lease = inside.parked.pop()?;
        let live = lease.live_mut();
        live.info.checkouts += 1;
        live.info.taken = Some(at);
        let id = live.info.id;
        live.holder = inside.count_checkout(id, location, waited, at);
        Some(lease)
    }

    /// The short way back: the connection is parked. It comes back if it must go the long way.
    #[inline]
    pub(crate) fn put(
        &self,
        mut lease: Lease<M>,
        now: Instant,
        at: Instant,
        has_answered: bool,
    ) -> Result<(), Lease<M>> {
        let mut inside = self.inside.lock_alone();
        #[cfg(queuepool_loom)]
        let is_open = inside.is_open || is_broken(Fault::ParksInClosedBay);
        #[cfg(not(queuepool_loom))]
        let is_open = inside.is_open;
        if !is_open {
            return Err(lease);
        }
        let holder = lease.live().holder;
        let held = at.saturating_duration_since(inside.holders.since(holder));
        if inside
            .until
            .is_some_and(|until| now >= until || held >= SHORT)
        {
            return Err(lease);
        }
        inside.count_checkin(holder, held);
        let live = lease.live_mut();
        live.info.idle_since = at;
        live.info.taken = None;
        if has_answered {
            live.proven = at;
            inside.tally.prove(now);
        }
        inside.parked.push(lease);
        Ok(())
    }
}
