//! What the monitor has sampled: the samples of the last hour, and a summary of the last five minutes.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::base::sync::Instant;
use crate::contract::counts::definition;
use crate::gate::counters::Counters;

/// How far the history goes back.
const KEPT: Duration = Duration::from_secs(3600);

/// The most samples that are kept, however short the interval between them.
const MOST_SAMPLES: usize = 3600;

/// The time that [`Recent`] looks back on.
const RECENT: Duration = Duration::from_secs(300);

/// One sample taken by the monitor. Counts of events cover the time since the previous sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sample {
    /// The number of the sample. Samples are numbered from 1 for as long as the pool lives, even after older samples have been
    /// dropped.
    pub number: u64,
    /// When the sample was taken.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::moment"))]
    pub at: SystemTime,
    /// The time since the previous sample, in seconds.
    pub seconds: f64,
    /// Connections that were checked out when the sample was taken.
    pub checked_out: u64,
    /// The most connections that were checked out at once since the previous sample.
    pub peak_checked_out: u64,
    /// Connections that were open when the sample was taken.
    pub total: u64,
    /// The most connections that were open at once since the previous sample.
    pub peak_total: u64,
    /// Callers that were waiting when the sample was taken.
    pub waiting: u64,
    /// The most callers that waited at once since the previous sample.
    pub peak_waiting: u64,
    #[doc = definition!(checkouts)]
    pub checkouts: u64,
    #[doc = definition!(failed_checkouts)]
    pub failed_checkouts: u64,
    #[doc = definition!(waited)]
    pub waited: u64,
    #[doc = definition!(connection_timeouts)]
    pub connection_timeouts: u64,
    #[doc = definition!(timeouts_at_capacity)]
    pub timeouts_at_capacity: u64,
    #[doc = definition!(exhausted)]
    pub pool_exhausted_count: u64,
    #[doc = definition!(connection_errors)]
    pub connection_errors: u64,
    #[doc = definition!(created)]
    pub opened: u64,
    #[doc = definition!(overflow_closed)]
    pub overflow_closed: u64,
    /// The median time from the call until the connection was handed out, in seconds. Calls that failed are not in it.
    pub wait_p50: f64,
    /// The 99th percentile of those times.
    pub wait_p99: f64,
    /// The median time for which a connection was held, in seconds. Does not include connections that are still held.
    pub hold_p50: f64,
    /// The 99th percentile of those times.
    pub hold_p99: f64,
}

/// What the monitor saw in the last five minutes, or since the pool was built if that is less. If samples are so far apart that
/// fewer than two fall into the five minutes, it covers the last two.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Recent {
    /// The time covered, in seconds.
    pub seconds: f64,
    /// The 99th percentile, over the samples, of the most connections that were checked out at once since the previous sample.
    pub checked_out_p99: u64,
    /// The most connections that were checked out at once.
    pub peak_checked_out: u64,
    /// The most callers that waited at once.
    pub peak_waiting: u64,
    #[doc = definition!(checkouts)]
    pub checkouts: u64,
    #[doc = definition!(failed_checkouts)]
    pub failed_checkouts: u64,
    #[doc = definition!(waited)]
    pub waited: u64,
    #[doc = definition!(connection_timeouts)]
    pub connection_timeouts: u64,
    #[doc = definition!(timeouts_at_capacity)]
    pub timeouts_at_capacity: u64,
    #[doc = definition!(exhausted)]
    pub pool_exhausted_count: u64,
    #[doc = definition!(created)]
    pub opened: u64,
    #[doc = definition!(overflow_closed)]
    pub overflow_closed: u64,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) short: Short,
}

/// Of the samples with checkouts that timed out at capacity, the one in which the most connections were wanted. Other samples are
/// left out because their callers may have been waiting for connects, during an outage, and not for a larger pool.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Short {
    pub(crate) checked_out: u64,
    pub(crate) waiting: u64,
}

/// What the monitor saw in the last hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastHour {
    pub(crate) peak_checked_out: u64,
    pub(crate) peak_total: u64,
    pub(crate) checkouts: u64,
}

/// The samples, as a ring.
#[derive(Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    last: Option<Last>,
    taken: u64,
    /// `None` before there are two samples.
    pub(crate) recent: Option<Recent>,
    /// `None` until the samples cover an hour, and always if so many samples do not fit into the ring.
    pub(crate) last_hour: Option<LastHour>,
}

/// The counts at the last sample, from which the next one is measured.
struct Last {
    counters: Counters,
    taken: Instant,
}

impl History {
    /// Takes a sample of `counters` as they were at `taken`. The first call makes no sample, since there is nothing yet to measure
    /// it from.
    pub(crate) fn note(&mut self, counters: Counters, waiting: u64, taken: Instant) {
        let Some(last) = self.last.replace(Last { counters, taken }) else {
            return;
        };
        let counters = &self
            .last
            .as_ref()
            .expect("bug: it was just put there")
            .counters;
        let before = &last.counters;
        let waits = counters.acquisition.since(&before.acquisition);
        let holds = counters.hold.since(&before.hold);
        let counted = counters.counts - before.counts;
        self.taken += 1;
        self.samples.push_back(Sample {
            number: self.taken,
            at: SystemTime::now(),
            seconds: taken.saturating_duration_since(last.taken).as_secs_f64(),
            checked_out: counters.out(),
            peak_checked_out: counters.recent_checked_out.max(counters.out()),
            total: counters.total(),
            peak_total: counters.recent_total.max(counters.total()),
            waiting,
            peak_waiting: counters.recent_waiting.max(waiting),
            checkouts: counted.checkouts,
            failed_checkouts: counted.failed_checkouts,
            waited: counted.waited,
            connection_timeouts: counted.connection_timeouts,
            timeouts_at_capacity: counted.timeouts_at_capacity,
            pool_exhausted_count: counted.exhausted,
            connection_errors: counted.connection_errors,
            opened: counted.created,
            overflow_closed: counted.overflow_closed,
            wait_p50: waits.percentile(0.5),
            wait_p99: waits.percentile(0.99),
            hold_p50: holds.percentile(0.5),
            hold_p99: holds.percentile(0.99),
        });
        self.forget_old();
        self.recent = self.recent();
        self.last_hour = self.last_hour();
    }

    fn forget_old(&mut self) {
        let mut age: f64 = self.samples.iter().map(|sample| sample.seconds).sum();
        while let Some(oldest) = self.samples.front()
            && (self.samples.len() > MOST_SAMPLES || age > KEPT.as_secs_f64())
            && self.samples.len() > 1
        {
            age -= oldest.seconds;
            self.samples.pop_front();
        }
    }

    pub(crate) fn after(&self, number: u64) -> Vec<Sample> {
        let from = self
            .samples
            .partition_point(|sample| sample.number <= number);
        self.samples.range(from..).copied().collect()
    }

    fn recent(&self) -> Option<Recent> {
        let mut seconds = 0.0;
        let samples: Vec<&Sample> = self
            .samples
            .iter()
            .rev()
            .enumerate()
            .take_while(|(position, sample)| {
                seconds += sample.seconds;
                // The tolerance of 1 % is for samples that were taken a little late.
                *position < 2 || seconds <= RECENT.as_secs_f64() * 1.01
            })
            .map(|(_, sample)| sample)
            .collect();
        if samples.len() < 2 {
            return None;
        }
        let sum = |of: fn(&Sample) -> u64| samples.iter().map(|sample| of(sample)).sum();
        let most = |of: fn(&Sample) -> u64| samples.iter().map(|sample| of(sample)).max();
        let mut out: Vec<u64> = samples
            .iter()
            .map(|sample| sample.peak_checked_out)
            .collect();
        out.sort_unstable();
        let rank = (out.len() as f64 * 0.99).ceil() as usize;
        Some(Recent {
            seconds: samples.iter().map(|sample| sample.seconds).sum(),
            checked_out_p99: out[rank - 1],
            peak_checked_out: most(|sample| sample.peak_checked_out).unwrap_or(0),
            peak_waiting: most(|sample| sample.peak_waiting).unwrap_or(0),
            checkouts: sum(|sample| sample.checkouts),
            failed_checkouts: sum(|sample| sample.failed_checkouts),
            waited: sum(|sample| sample.waited),
            connection_timeouts: sum(|sample| sample.connection_timeouts),
            timeouts_at_capacity: sum(|sample| sample.timeouts_at_capacity),
            pool_exhausted_count: sum(|sample| sample.pool_exhausted_count),
            opened: sum(|sample| sample.opened),
            overflow_closed: sum(|sample| sample.overflow_closed),
            short: samples
                .iter()
                .filter(|sample| sample.timeouts_at_capacity > 0)
                .map(|sample| Short {
                    checked_out: sample.peak_checked_out,
                    waiting: sample.peak_waiting,
                })
                .max_by_key(|short| short.checked_out + short.waiting)
                .unwrap_or_default(),
        })
    }

    fn last_hour(&self) -> Option<LastHour> {
        let seconds: f64 = self.samples.iter().map(|sample| sample.seconds).sum();
        let most = |of: fn(&Sample) -> u64| self.samples.iter().map(of).max();
        // A sample that reaches back beyond the hour has been dropped, so what is left covers up to one interval less than an
        // hour.
        (seconds >= KEPT.as_secs_f64() * 0.95).then(|| LastHour {
            peak_checked_out: most(|sample| sample.peak_checked_out).unwrap_or(0),
            peak_total: most(|sample| sample.peak_total).unwrap_or(0),
            checkouts: self.samples.iter().map(|sample| sample.checkouts).sum(),
        })
    }
}
