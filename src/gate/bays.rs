//! The bays, as whoever holds the gate's lock sees them: gathering, the long ways out and back, parking, and who holds what.

use std::panic::Location;
use std::time::Duration;

#[cfg(queuepool_loom)]
use crate::base::loom::{Fault, is_broken};
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::bay::Inside;
use crate::gate::berths::{self, Berths};
use crate::gate::counters::Counters;
use crate::gate::holders::HolderRecord;
use crate::gate::lease::{Lease, Live};
use crate::gate::state::State;

/// All bays of a pool, with what the gate knows of them.
pub(super) struct Bays<M: Manager> {
    all: Berths<M>,
    /// A bit for each bay that is open, so that the others need not be visited.
    open: u32,
    /// How many connections were parked in each bay when the gate last looked into it.
    parked: Vec<u64>,
    /// All of them together.
    away: u64,
}

impl<M: Manager> Bays<M> {
    pub(super) fn new(count: usize) -> Self {
        Bays {
            all: berths::take(count),
            open: 0,
            parked: vec![0; count],
            away: 0,
        }
    }

    pub(super) fn all(&self) -> Berths<M> {
        self.all.clone()
    }

    /// Whether connections may be parked somewhere.
    #[inline]
    pub(super) fn are_open(&self) -> bool {
        self.open != 0
    }

    /// How many connections may have been taken on short ways since the gate last looked.
    #[inline]
    pub(super) fn away(&self) -> u64 {
        self.away
    }

    fn open_ones(&self) -> impl Iterator<Item = usize> + use<M> {
        let mut left = self.open;
        std::iter::from_fn(move || {
            let index = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (index < u32::BITS).then_some(index as usize)
        })
    }

    /// Looks into a bay, changes what is there, and brings the counters and the number of parked connections up to date.
    #[inline]
    fn look_into<T>(
        &mut self,
        index: usize,
        counters: &mut Counters,
        change: impl FnOnce(&mut Inside<M>) -> T,
    ) -> T {
        let mut inside = self.all[index].lock();
        let result = change(&mut inside);
        inside.tally.pour_counts(counters);
        let parked = inside.parked.len() as u64;
        self.away = self.away - self.parked[index] + parked;
        self.parked[index] = parked;
        result
    }
}

impl<M: Manager> Drop for Bays<M> {
    fn drop(&mut self) {
        berths::give_back(&self.all);
    }
}

impl<M: Manager> State<M> {
    /// Closes all bays: what is parked there becomes idle here, and what was counted there is counted here.
    #[inline]
    pub(crate) fn gather(&mut self) {
        if self.bays.are_open() {
            self.gather_open();
        }
    }

    /// Somebody waits or is about to: what is parked must not be overlooked, and what comes back must find the waiter.
    pub(super) fn gather_for_waiters(&mut self) {
        #[cfg(queuepool_loom)]
        if is_broken(Fault::JoinsWithoutGathering) {
            return;
        }
        self.gather();
    }

    fn gather_open(&mut self) {
        for index in self.bays.open_ones() {
            let mut inside = self.bays.all[index].lock();
            inside.is_open = false;
            for mut lease in inside.parked.drain(..) {
                lease.live_mut().keeper = None;
                self.idle.push(lease);
            }
            self.proven = self.proven.max(inside.tally.proven());
            inside.tally.pour(&mut self.counters);
            self.bays.parked[index] = 0;
        }
        self.bays.open = 0;
        self.bays.away = 0;
        self.counts_changed = true;
        self.sort_idle();
    }

    /// The most recently used of the idle connections; if there is none, one that is parked in a bay, this thread's own bay first.
    /// `None` if that one is not wanted.
    pub(super) fn take_any(
        &mut self,
        own: usize,
        is_wanted: impl FnOnce(&Live<M>) -> bool,
    ) -> Option<Lease<M>> {
        if !self.idle.is_empty() || !self.bays.are_open() {
            let wanted = is_wanted(self.idle.last()?.live());
            return if wanted { self.idle.pop() } else { None };
        }
        let count = self.bays.all.len();
        let mut is_wanted = Some(is_wanted);
        for index in (own..own + count).map(|index| index & (count - 1)) {
            if self.bays.open & (1 << index) == 0 {
                continue;
            }
            let found = self.bays.look_into(index, &mut self.counters, |inside| {
                let last = inside.parked.last()?;
                let wanted = is_wanted
                    .take()
                    .is_some_and(|is_wanted| is_wanted(last.live()));
                Some(if wanted { inside.parked.pop() } else { None })
            });
            if let Some(found) = found {
                return found;
            }
        }
        None
    }

    /// The long way out: counts a checkout, and notes in this bay who holds the connection.
    pub(crate) fn count_checkout(
        &mut self,
        lease: &mut Lease<M>,
        bay: usize,
        location: &'static Location<'static>,
        waited: Duration,
        now: Instant,
    ) {
        let bound = self.counters.out() + 1 + self.bays.away();
        if bound > self.counters.recent_checked_out {
            self.gather();
        }
        let at = self.rules.clock.at(now);
        let live = lease.live_mut();
        live.taken_at(at);
        live.unused = false;
        live.info.checkouts += 1;
        let bay = &self.bays.all[bay];
        live.holder = bay.lock().holders.add(live.info.id, location, at);
        live.bay = Some(berths::same(bay));
        self.counters.checked_out(waited);
        self.counts_changed = true;
    }

    /// The long way back: counts a checkin. Returns how long the connection was held.
    pub(crate) fn count_checkin(&mut self, live: &Live<M>, now: Instant) -> Duration {
        let since = self
            .bays
            .look_into(live.bay().index, &mut self.counters, |inside| {
                inside.holders.remove(live.holder)
            });
        let held = self.rules.clock.at(now).saturating_duration_since(since);
        self.counters.checked_in(held);
        self.counts_changed = true;
        held
    }

    /// Whether a connection that has come back may be parked at all. It may not while more connections are open than may be idle,
    /// while a leak that was reported is not over, or if it would raise the bound above the recent peak.
    #[inline]
    pub(super) fn may_open_a_bay(&self) -> bool {
        self.rules.parks
            && !self.closed
            && self.counters.total() <= self.rules.pool_size as u64
            && self.counters.out() + self.bays.away() < self.counters.recent_checked_out
            && !self.episodes.is_leaking()
    }

    /// Parks a connection in its bay, which is open from now on.
    pub(super) fn park_in_bay(&mut self, lease: Lease<M>) {
        let bay = lease.live().bay().index;
        let oldest = self.waiters.front();
        let until = oldest.map(|oldest| oldest.waiter.since + self.rules.yield_for);
        self.bays.open |= 1 << bay;
        self.bays.look_into(bay, &mut self.counters, |inside| {
            inside.is_open = true;
            inside.until = until;
            inside.parked.push(lease);
        });
        // It was out, and may be again before anybody looks. Where it was counted as returned before its reset, the pool may be
        // full only now.
        self.turned_over = true;
        self.counts_changed = true;
    }

    /// Calls this for the record of each holder.
    pub(super) fn each_holder(&self, mut call: impl FnMut(&mut HolderRecord)) {
        for bay in self.bays.all.iter() {
            bay.lock().holders.iter_mut().for_each(&mut call);
        }
    }

    /// The records of all holders.
    pub(crate) fn holders(&self) -> Vec<HolderRecord> {
        let mut holders = Vec::new();
        self.each_holder(|holder| holders.push(holder.clone()));
        holders
    }
}
