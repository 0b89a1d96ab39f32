//! What is counted in a bay, and how it gets into the counters of the pool.

use std::time::Duration;

use crate::base::histogram::Histogram;
use crate::base::sync::Instant;
use crate::gate::counters::{Counters, Lately};

/// What was counted in a bay since it was last poured into the counters of the pool.
#[derive(Default)]
pub(super) struct Tally {
    checkouts: u64,
    checkins: u64,
    /// Checkouts that waited for nothing, not even for a lock.
    at_hand: u64,
    // Allocated when they are needed: a pool has many bays, and most are used by few threads.
    acquisition: Option<Histogram>,
    hold: Option<Histogram>,
    lately_held: Lately,
    /// When a connection that came back last was proved alive.
    proven: Option<Instant>,
}

impl Tally {
    #[inline]
    pub(super) fn checked_out(&mut self, waited: Duration) {
        self.checkouts += 1;
        match waited {
            Duration::ZERO => self.at_hand += 1,
            waited => self
                .acquisition
                .get_or_insert_with(Histogram::default)
                .record(waited),
        }
    }

    #[inline]
    pub(super) fn checked_in(&mut self, held: Duration) {
        self.checkins += 1;
        self.hold
            .get_or_insert_with(Histogram::default)
            .record(held);
        self.lately_held.note(held);
    }

    #[inline]
    pub(super) fn prove(&mut self, now: Instant) {
        self.proven = Some(now);
    }

    pub(super) fn proven(&self) -> Option<Instant> {
        self.proven
    }

    /// Pours the two counts: who is out can be told from them.
    pub(super) fn pour_counts(&mut self, into: &mut Counters) {
        into.counts.checkouts += std::mem::take(&mut self.checkouts);
        into.counts.checkins += std::mem::take(&mut self.checkins);
    }

    /// Pours everything.
    pub(super) fn pour(&mut self, into: &mut Counters) {
        self.pour_counts(into);
        into.acquisition
            .record_times(Duration::ZERO, std::mem::take(&mut self.at_hand));
        if let Some(acquisition) = &mut self.acquisition {
            into.acquisition.take_in(acquisition);
        }
        if let Some(hold) = &mut self.hold {
            into.hold.take_in(hold);
        }
        into.lately_held.take_in(&mut self.lately_held);
    }
}
