//! Checkouts and checkins: counted, and who holds what.

use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::Notice;
use crate::gate::counters::Counters;
use crate::gate::places::Place;
use crate::gate::state::State;

impl<M: Manager> State<M> {
    /// Its connection is somebody else's now.
    pub(crate) fn count_detached(&mut self, place: Place) {
        self.counters.detached += 1;
        self.ended(place);
    }

    /// A connection has ended, and its place is free.
    pub(super) fn ended(&mut self, place: Place) {
        drop(place);
        self.counts_changed = true;
        self.may_open = true;
        self.something_ended = true;
    }

    /// The counts and the number of waiters, for a sample. The maxima since the last sample start anew.
    pub(crate) fn take_sample(&mut self) -> (Counters, u64) {
        let counters = self.counters.clone();
        let waiting = self.waiters.len() as u64;
        self.counters.recent_checked_out = counters.out();
        self.counters.recent_total = counters.total();
        self.counters.recent_waiting = waiting;
        (counters, waiting)
    }

    /// Warns of each holder that has had its connection for longer than `limit`, once.
    pub(crate) fn warn_of_holders(&mut self, limit: Duration, now: Instant) {
        let mut warnings = Vec::new();
        self.each_holder(|holder| {
            let held = now.saturating_duration_since(holder.since);
            if held >= limit && !holder.warned {
                holder.warned = true;
                warnings.push(format!(
                    "connection {} has been held by {} at {} for {held:.1?}",
                    holder.connection_id, holder.thread, holder.location
                ));
            }
        });
        for warning in warnings {
            self.notice(Notice::Warning(warning));
        }
    }
}
