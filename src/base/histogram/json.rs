//! A histogram as JSON.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{BUCKETS, Histogram, upper};

impl Serialize for Histogram {
    /// `count`, `sum`, `mean`, `p50`, `p90`, `p99`, `p999`, `max` and `buckets`, a list of `[upper end, count]` with null for
    /// an end that is infinite.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets: Vec<(Option<f64>, u64)> = self
            .buckets()
            .map(|(upper, count)| (upper.is_finite().then_some(upper), count))
            .collect();
        let mut out = serializer.serialize_struct("Histogram", 9)?;
        out.serialize_field("count", &self.count())?;
        out.serialize_field("sum", &self.sum())?;
        out.serialize_field("mean", &self.mean())?;
        out.serialize_field("p50", &self.percentile(0.5))?;
        out.serialize_field("p90", &self.percentile(0.9))?;
        out.serialize_field("p99", &self.percentile(0.99))?;
        out.serialize_field("p999", &self.percentile(0.999))?;
        out.serialize_field("max", &self.max())?;
        out.serialize_field("buckets", &buckets)?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Histogram {
    /// Reads what was written; of that, `sum`, `max` and `buckets` say all.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Written {
            sum: f64,
            max: f64,
            buckets: Vec<(Option<f64>, u64)>,
        }
        let nanos = |seconds: f64| (seconds * 1e9).round();
        let Written { sum, max, buckets } = Written::deserialize(deserializer)?;
        let mut histogram = Histogram {
            sum: nanos(sum) as u128,
            max: nanos(max) as u64,
            ..Histogram::default()
        };
        for (end, count) in buckets {
            let end = end.map(|seconds| nanos(seconds) as u64);
            let bucket = (0..BUCKETS).find(|bucket| upper(*bucket) == end);
            let bucket = bucket.ok_or_else(|| D::Error::custom("invalid end of a bucket"))?;
            histogram.counts[bucket] = count;
        }
        Ok(histogram)
    }
}
