//! The distribution of durations, as counts in buckets, four to each doubling.

#[cfg(feature = "serde")]
mod json;

use std::fmt;
use std::time::Duration;

/// Buckets to a doubling, as bits: the first two bits after the leading one choose among four.
const BITS: u32 = 2;

/// Durations under 2^4 ns share the first bucket.
const FIRST: u32 = 4;

/// Doublings above the first bucket; what is 2^50 ns (13 days) or longer is in the last bucket.
const DOUBLINGS: u32 = 46;

const BUCKETS: usize = (DOUBLINGS << BITS) as usize + 2;

/// A distribution of durations since the pool was built, or between two snapshots ([`Status::since`](crate::Status::since)).
/// All figures are in seconds.
///
/// Counts stand in 186 buckets, four to a doubling, from 16 ns to 13 days. `count`, `sum`, `mean` and, of a snapshot, `max` are
/// exact. A percentile is the middle of its bucket: off by at most 12.5 %, above 16 ns.
#[derive(Clone, PartialEq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    /// In nanoseconds, as max: kept as durations they would cost a checkout twice the instructions (`benches/counting.sh`).
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: Box::new([0; BUCKETS]),
            sum: 0,
            max: 0,
        }
    }
}

/// Seconds as a duration. No statistic is negative or without end, but one that was read back may be anything.
pub(crate) fn in_full(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// The bucket of a duration.
#[inline]
fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << FIRST {
        return 0;
    }
    let log = nanos.ilog2();
    // With the leading one: 4 to 7.
    let quarter = nanos >> (log - BITS);
    let bucket = (((log - FIRST) << BITS) as usize) + quarter as usize + 1 - (1 << BITS);
    bucket.min(BUCKETS - 1)
}

/// The first duration above a bucket, in nanoseconds; of the last one there is none.
fn upper(bucket: usize) -> Option<u64> {
    if bucket + 1 >= BUCKETS {
        return None;
    }
    let (doubling, quarter) = ((bucket as u32) >> BITS, bucket as u64 & ((1 << BITS) - 1));
    Some(((1 << BITS) + quarter) << (doubling + FIRST - BITS))
}

/// The longest that there is, 584 years, stands for all that are longer.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl Histogram {
    #[inline]
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        self.counts[bucket_of(nanos)] += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// As [`record`](Histogram::record), so many times.
    pub(crate) fn record_times(&mut self, duration: Duration, times: u64) {
        if times == 0 {
            return;
        }
        let nanos = nanos(duration);
        self.counts[bucket_of(nanos)] += times;
        self.sum += u128::from(nanos) * u128::from(times);
        self.max = self.max.max(nanos);
    }

    /// Adds what the other has recorded, and empties it.
    pub(crate) fn take_in(&mut self, other: &mut Histogram) {
        for (count, added) in self.counts.iter_mut().zip(other.counts.iter_mut()) {
            *count += std::mem::take(added);
        }
        self.sum += std::mem::take(&mut other.sum);
        self.max = self.max.max(std::mem::take(&mut other.max));
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    /// The mean, in seconds; 0 before the first.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum() / count as f64,
        }
    }

    /// The longest, in seconds; 0 before the first. Between two snapshots: the upper end of the last bucket that grew, at most
    /// 25 % too long.
    #[must_use]
    pub fn max(&self) -> f64 {
        seconds(self.max)
    }

    /// The duration, in seconds, that the share `quantile` of all durations did not exceed: `percentile(0.99)` is p99. 0 before the
    /// first; a share outside 0 to 1 counts as the nearer of the two.
    #[must_use]
    pub fn percentile(&self, quantile: f64) -> f64 {
        let rank = (quantile.clamp(0.0, 1.0) * self.count() as f64)
            .ceil()
            .max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let lower = bucket.checked_sub(1).and_then(upper).unwrap_or(0);
                let middle = upper(bucket).map_or(lower, |upper| lower + (upper - lower) / 2);
                return seconds(middle).min(self.max());
            }
        }
        0.0
    }

    /// [`sum`](Histogram::sum) as a duration.
    #[must_use]
    pub fn sum_duration(&self) -> Duration {
        in_full(self.sum())
    }

    /// [`mean`](Histogram::mean) as a duration.
    #[must_use]
    pub fn mean_duration(&self) -> Duration {
        in_full(self.mean())
    }

    /// [`max`](Histogram::max) as a duration.
    #[must_use]
    pub fn max_duration(&self) -> Duration {
        in_full(self.max())
    }

    /// [`percentile`](Histogram::percentile) as a duration.
    #[must_use]
    pub fn percentile_duration(&self, quantile: f64) -> Duration {
        in_full(self.percentile(quantile))
    }

    /// The buckets that are not empty, shortest first: the upper end in seconds, which is not in the bucket (infinite for the last
    /// one), and the count.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (upper(bucket).map_or(f64::INFINITY, seconds), *count))
    }

    /// What was recorded since `earlier`, a snapshot of the same histogram.
    pub(crate) fn since(&self, earlier: &Histogram) -> Histogram {
        let mut counts = self.counts.clone();
        for (count, before) in counts.iter_mut().zip(earlier.counts.iter()) {
            *count = count.saturating_sub(*before);
        }
        let last = counts.iter().rposition(|count| *count > 0);
        let longest = last.map_or(0, |bucket| upper(bucket).unwrap_or(self.max));
        Histogram {
            counts,
            sum: self.sum.saturating_sub(earlier.sum),
            max: longest.min(self.max),
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("p50", &self.percentile(0.5))
            .field("p90", &self.percentile(0.9))
            .field("p99", &self.percentile(0.99))
            .field("p999", &self.percentile(0.999))
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: impl IntoIterator<Item = Duration>) -> Histogram {
        let mut histogram = Histogram::default();
        durations
            .into_iter()
            .for_each(|duration| histogram.record(duration));
        histogram
    }

    #[test]
    fn every_duration_is_in_the_bucket_whose_ends_enclose_it() {
        const { assert!(BUCKETS <= 200) };
        let mut nanos = 0_u64;
        while nanos < 1 << 52 {
            let bucket = bucket_of(nanos);
            assert!(upper(bucket).is_none_or(|upper| nanos < upper), "{nanos}");
            let lower = bucket.checked_sub(1).and_then(upper).unwrap_or(0);
            assert!(lower <= nanos, "{nanos}");
            nanos += 1 + nanos / 97;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_of((1 << 50) - 1), BUCKETS - 2);
        assert_eq!(bucket_of(1 << 50), BUCKETS - 1);
    }

    #[test]
    fn there_are_four_buckets_to_a_doubling() {
        for bucket in 1..BUCKETS - 5 {
            assert_eq!(upper(bucket + 4), upper(bucket).map(|upper| upper * 2));
        }
    }

    #[test]
    fn a_percentile_is_off_by_an_eighth_at_most() {
        let mut nanos = 16_u64;
        while nanos < 1 << 49 {
            let histogram = of([Duration::from_nanos(nanos), Duration::from_secs(2_000_000)]);
            let error = histogram.percentile(0.5) / seconds(nanos) - 1.0;
            assert!(error.abs() <= 0.125 + 1e-9, "{nanos}: {error}");
            nanos += 1 + nanos / 53;
        }
    }

    #[test]
    fn percentiles_follow_the_ranks() {
        let histogram = of((1..=1000).map(Duration::from_millis));
        assert_eq!(histogram.count(), 1000);
        assert!((histogram.mean() - 0.5005).abs() < 1e-9);
        for (quantile, exact) in [(0.5, 0.5), (0.9, 0.9), (0.99, 0.99), (0.999, 0.999)] {
            let found = histogram.percentile(quantile);
            assert!((found / exact - 1.0).abs() <= 0.125, "{quantile}: {found}");
        }
        assert_eq!(histogram.percentile(2.0), histogram.percentile(1.0));
        assert!(histogram.percentile(1.0) <= histogram.max());
        assert_eq!(histogram.max(), 1.0);
        assert_eq!(
            histogram.buckets().map(|(_, count)| count).sum::<u64>(),
            1000
        );
    }

    #[test]
    fn an_empty_one_is_all_zero() {
        let none = Histogram::default();
        assert_eq!(
            (none.count(), none.mean(), none.percentile(0.99), none.max()),
            (0, 0.0, 0.0, 0.0)
        );
        assert_eq!(none.buckets().count(), 0);
    }

    #[test]
    fn the_difference_knows_only_what_came_between() {
        let earlier = of([Duration::from_secs(100)]);
        let mut later = earlier.clone();
        later.record(Duration::from_millis(10));
        let between = later.since(&earlier);
        assert_eq!(between.count(), 1);
        assert!((between.sum() - 0.01).abs() < 1e-9);
        assert!(between.max() >= 0.01 && between.max() <= 0.0125);
    }
}
