//! Plain counts, read and written under the gate's lock.
//!
//! At every instant under that lock: `created = closed + detached + total` and `checkouts = checkins + checked_out`.

use std::time::{Duration, SystemTime};

use crate::base::histogram::{Histogram, nanos};
use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::counts::Counts;
use crate::error::Error;
use crate::gate::reach::{LastCheck, LastError};

/// What one pool has counted and measured since it was built.
#[derive(Default, Clone)]
pub(crate) struct Counters {
    pub(crate) counts: Counts,
    closed_by_reason: [u64; CloseReason::ALL.len()],
    pub(crate) last_health_check: Option<LastCheck>,
    pub(crate) acquisition: Histogram,
    pub(crate) hold: Histogram,
    pub(super) lately_held: Lately,
    pub(crate) last_error: Option<LastError>,
    pub(crate) peak_checked_out: Peak,
    pub(crate) peak_total: Peak,
    pub(crate) peak_waiting: Peak,
    /// The most since the monitor's last sample.
    pub(crate) recent_checked_out: u64,
    pub(crate) recent_total: u64,
    pub(crate) recent_waiting: u64,
}

/// The greatest value so far, and when it was reached.
#[derive(Default, Clone, Copy)]
pub(crate) struct Peak {
    pub(crate) value: u64,
    pub(crate) at: Option<SystemTime>,
}

impl Peak {
    fn note(&mut self, value: u64) {
        if value > self.value {
            self.value = value;
            self.at = Some(SystemTime::now());
        }
    }
}

/// How long connections have been held lately: a moving average in which each new value has the weight of one eighth.
#[derive(Default, Clone, Copy)]
pub(crate) struct Lately {
    // Nanoseconds, as shifts of a duration are divisions.
    average: u64,
    count: u64,
}

impl Lately {
    #[inline]
    pub(super) fn note(&mut self, held: Duration) {
        let held = nanos(held);
        self.average = match self.count {
            0 => held,
            _ => self.average - self.average / 8 + held / 8,
        };
        self.count += 1;
    }

    /// Takes over what was noted elsewhere, and empties that. After eight values the first of them hardly counts any more.
    pub(super) fn take_in(&mut self, other: &mut Lately) {
        let weight = other.count.min(8);
        if self.count == 0 {
            self.average = other.average;
        } else {
            self.average = self.average - self.average / 8 * weight + other.average / 8 * weight;
        }
        self.count += other.count;
        *other = Lately::default();
    }

    fn average(self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.average))
    }
}

impl Counters {
    /// Connections open now: idle, handed out, and those being pinged, reset or closed.
    pub(crate) fn total(&self) -> u64 {
        self.counts.created - self.counts.closed - self.counts.detached
    }

    /// Connections in users' hands now.
    pub(crate) fn out(&self) -> u64 {
        self.counts.checkouts - self.counts.checkins
    }

    /// Handed out after `waited`.
    #[inline]
    pub(crate) fn checked_out(&mut self, waited: Duration) {
        self.counts.checkouts += 1;
        let out = self.out();
        self.peak_checked_out.note(out);
        self.recent_checked_out = self.recent_checked_out.max(out);
        self.acquisition.record(waited);
    }

    /// A guard has ended after `held`.
    #[inline]
    pub(crate) fn checked_in(&mut self, held: Duration) {
        self.counts.checkins += 1;
        self.hold.record(held);
        self.lately_held.note(held);
    }

    /// How long a connection was held lately, on average; `None` before the first came back.
    pub(crate) fn usual_hold(&self) -> Option<Duration> {
        self.lately_held.average()
    }

    pub(crate) fn opened(&mut self) {
        self.counts.created += 1;
        let total = self.total();
        self.peak_total.note(total);
        self.recent_total = self.recent_total.max(total);
    }

    pub(crate) fn waiting(&mut self, waiting: u64) {
        self.peak_waiting.note(waiting);
        self.recent_waiting = self.recent_waiting.max(waiting);
    }

    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.counts.closed += 1;
        self.counts.overflow_closed += u64::from(reason == CloseReason::Overflow);
        self.closed_by_reason[reason as usize] += 1;
    }

    /// Only the reasons that occurred.
    pub(crate) fn closed_by_reason(&self) -> impl Iterator<Item = (CloseReason, u64)> {
        CloseReason::ALL
            .into_iter()
            .zip(self.closed_by_reason)
            .filter(|(_, count)| *count > 0)
    }

    /// Counts a failed connect and keeps its error. The error before it is returned, to be dropped outside the lock.
    #[must_use = "it is not to be dropped under the lock"]
    pub(crate) fn connect_failed(&mut self, error: &Error) -> Option<LastError> {
        self.counts.connection_errors += 1;
        self.note_error(error)
    }

    /// Keeps why no connect succeeds, which is no failure of one of them.
    #[must_use = "it is not to be dropped under the lock"]
    pub(crate) fn note_error(&mut self, error: &Error) -> Option<LastError> {
        self.last_error.replace(LastError {
            error: error.clone(),
            at: SystemTime::now(),
            occurred: Instant::now(),
            refuted: false,
        })
    }
}
