//! The pools of a [`Registry`] as Prometheus metrics. [`text`] returns the whole answer to a scrape. [`Collector`] adds the pools
//! to a registry of the crate [prometheus-client](prometheus_client) that a service already has.
//!
//! ```
//! # fn main() -> Result<(), queuepool::Error> {
//! # #[cfg(feature = "sqlite")] {
//! use queuepool::{Database, Registry, prometheus};
//!
//! let orders = Database::open("sqlite::memory:")?;
//! let registry = Registry::new().add("orders", &orders)?;
//! orders.get()?.ping()?;
//!
//! let text = prometheus::text(&registry); // with the header Content-Type: prometheus::CONTENT_TYPE
//! assert!(text.contains("db_pool_checkouts_total{pool=\"orders\"} 1\n"));
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! Together with metrics of your own:
//!
//! ```
//! use queuepool::prometheus::{Collector, prometheus_client};
//!
//! let pools = queuepool::Registry::new();
//! let mut metrics = prometheus_client::registry::Registry::default();
//! metrics.register_collector(Box::new(Collector::new(&pools)));
//! ```
//!
//! Each metric's HELP line defines it and says what it does not count. All metrics have the label `pool`, which is the pool's name
//! in the registry, and the numbers of one pool in one scrape are of the same instant.
//!
//! Series do not come and go: every counter, reason and bucket is there from the start, as 0. Only what is not known yet is
//! absent: the server's limit, the last health check, and the times of what has not happened. The text of the last error and the
//! holders are only in [`Status`], because as labels each would make a new series.
//!
//! The two histograms have 32 buckets whose bounds double from 1 us to 18 min. Their counts are exact, and are added up from the
//! 186 buckets of [`Histogram`]. A `histogram_quantile` is off by a factor of two at most.
//!
//! A scrape of one quiet pool has about 17 kB, and each further pool adds 7.5 kB; gzip makes less than 4 kB of the 17. The HELP and TYPE
//! lines are 9.6 kB, once in a scrape, because a HELP line is the definition of its metric. Of a pool's samples, 4 kB are the
//! buckets of the two histograms: without the empty ones, series would come and go, and with fewer, a percentile would be off by
//! more than a factor of two. Prometheus stores one or two bytes a sample, so the 130 series of a pool that is scraped every 15 s
//! take about 1 MB a day there.
//!
//! Ready-made alerts and a Grafana dashboard are in the repository under `examples/monitoring`.
//!
//! # OpenTelemetry
//!
//! How these metrics correspond to those that OpenTelemetry's semantic conventions (1.44, where they are marked as in development)
//! call `db.client.connection.*`. The label `pool` corresponds to the attribute `db.client.connection.pool.name`.
//!
//! | OpenTelemetry | here |
//! |---|---|
//! | `count`, state `used` | `db_pool_checked_out` |
//! | `count`, state `idle` | `db_pool_checked_in`, which includes connections being pinged, reset or closed; `db_pool_idle` does not |
//! | `idle.max` | `db_pool_size` |
//! | `idle.min` | `db_pool_min_pool_size` |
//! | `max` | `db_pool_capacity` |
//! | `pending_requests` | `db_pool_waiting` |
//! | `timeouts` | `db_pool_connection_timeouts_total` |
//! | `create_time` | not measured on its own; the `db_pool_wait_time` of the first checkouts includes it |
//! | `wait_time` | `db_pool_wait_time`, also in seconds |
//! | `use_time` | `db_pool_hold_time_seconds` |

mod families;
mod family;

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// The crate that [`Collector`] is for, in the version with which it was built.
pub use ::prometheus_client;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::base::histogram::Histogram;
use crate::observe::status::Status;
use crate::registry::Registry;

use families::FAMILIES;
use family::{Family, Labelled, Read};

/// The content type of what [`text`] returns: Prometheus' text format, which every version of every scraper reads.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to one scrape: the metrics of every pool in the registry, with the pool's name there as the label `pool`. It is to
/// be served as [`CONTENT_TYPE`]. This asks no server and waits for nobody.
#[must_use]
pub fn text(registry: &Registry) -> String {
    let mut metrics = prometheus_client::registry::Registry::default();
    metrics.register_collector(Box::new(Collected {
        registry: registry.clone(),
        form: Form::Prometheus,
    }));
    let mut text = String::new();
    encode_registry(&mut text, &metrics).expect("bug: a String took no text");
    text
}

/// The metrics of every pool in a [`Registry`], for a registry of the crate prometheus-client that has other metrics too. The
/// prefix and labels of that registry apply.
///
/// This is for encoding as OpenMetrics text, where the characters `\`, `"` and line feed must be escaped, which prometheus-client
/// leaves to collectors. So in the protocol buffers of prometheus-client, a pool's name that contains such characters is shown
/// escaped too.
#[derive(Debug, Clone)]
pub struct Collector(Collected);

impl Collector {
    /// Reads every pool in the registry at each scrape, including pools that are added later.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Collector(Collected {
            registry: registry.clone(),
            form: Form::OpenMetrics,
        })
    }
}

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }
}

/// The two forms differ in where the `_total` of a counter and the `_info` of an info stand. In OpenMetrics, the only form that
/// prometheus-client knows, they are only in the names of the samples. In Prometheus' own text format they are in the name of the
/// family too; it is the only form that `promtool check metrics` and older scrapers read, and it has no type `info`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    OpenMetrics,
    Prometheus,
}

#[derive(Debug, Clone)]
struct Collected {
    registry: Registry,
    form: Form,
}

impl prometheus_client::collector::Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let pools: Vec<(String, Status)> = self
            .registry
            .status()
            .into_iter()
            .map(|(name, status)| (escaped(&name), status))
            .collect();
        FAMILIES
            .iter()
            .try_for_each(|family| family.encode(&mut encoder, self.form, &pools))
    }
}

impl Family {
    fn encode(
        &self,
        encoder: &mut DescriptorEncoder,
        form: Form,
        pools: &[(String, Status)],
    ) -> Result<(), fmt::Error> {
        let samples: Vec<(&str, Sample)> = pools
            .iter()
            .flat_map(|(pool, status)| {
                let samples = self.read.samples(status);
                samples.into_iter().map(|sample| (pool.as_str(), sample))
            })
            .collect();
        if samples.is_empty() {
            return Ok(());
        }
        let (kind, suffix) = match (form, &self.read) {
            (Form::OpenMetrics, read) => (read.kind(), ""),
            (Form::Prometheus, Read::Info(_)) => (MetricType::Gauge, "_info"),
            (Form::Prometheus, read @ (Read::Counter(_) | Read::CounterBy(..))) => {
                (read.kind(), "_total")
            }
            (Form::Prometheus, read) => (read.kind(), ""),
        };
        let name = format!("{}{suffix}", self.name);
        let mut metric = encoder.encode_descriptor(&name, self.help, self.unit.as_ref(), kind)?;
        samples
            .iter()
            .try_for_each(|(pool, sample)| sample.encode(&mut metric, form, pool))
    }
}

/// One value of one pool, with its labels other than the pool's name.
struct Sample<'a> {
    labels: Vec<(&'static str, String)>,
    value: Value<'a>,
}

enum Value<'a> {
    Counter(u64),
    Gauge(u64),
    Real(f64),
    Histogram(&'a Histogram),
    Info,
}

impl Read {
    fn kind(&self) -> MetricType {
        match self {
            Read::Counter(_) | Read::CounterBy(..) => MetricType::Counter,
            Read::Gauge(_) | Read::GaugeBy(..) | Read::Real(_) => MetricType::Gauge,
            Read::Histogram(_) => MetricType::Histogram,
            Read::Info(_) => MetricType::Info,
        }
    }

    fn samples<'a>(&self, status: &'a Status) -> Vec<Sample<'a>> {
        let alone = |value| Sample {
            labels: Vec::new(),
            value,
        };
        let each = |label, counts: Labelled, value: fn(u64) -> Value<'a>| {
            let sample = |(of, count)| Sample {
                labels: vec![(label, of)],
                value: value(count),
            };
            counts.into_iter().map(sample).collect()
        };
        match self {
            Read::Counter(read) => vec![alone(Value::Counter(read(status)))],
            Read::CounterBy(label, read) => each(label, read(status), Value::Counter),
            Read::Gauge(read) => read(status)
                .map(Value::Gauge)
                .map(alone)
                .into_iter()
                .collect(),
            Read::GaugeBy(label, read) => each(label, read(status), Value::Gauge),
            Read::Real(read) => read(status)
                .map(Value::Real)
                .map(alone)
                .into_iter()
                .collect(),
            Read::Histogram(read) => vec![alone(Value::Histogram(read(status)))],
            Read::Info(read) => vec![Sample {
                labels: read(status),
                value: Value::Info,
            }],
        }
    }
}

impl Sample<'_> {
    fn encode(&self, metric: &mut MetricEncoder, form: Form, pool: &str) -> Result<(), fmt::Error> {
        let mut labels = vec![("pool", Cow::Borrowed(pool))];
        for (label, value) in &self.labels {
            labels.push((label, escaped(value).into()));
        }
        if let (Value::Info, Form::OpenMetrics) = (&self.value, form) {
            return metric.encode_info(&labels);
        }
        let mut metric = metric.encode_family(&labels)?;
        match (&self.value, form) {
            (Value::Counter(count), Form::OpenMetrics) => {
                metric.encode_counter::<NoLabelSet, _, u64>(count, None)
            }
            // Not encode_counter, which would append a second `_total`.
            (Value::Counter(count) | Value::Gauge(count), _) => encode_whole(&mut metric, *count),
            (Value::Real(value), _) => metric.encode_gauge(value),
            (Value::Histogram(times), _) => {
                let buckets = buckets(times);
                metric.encode_histogram::<NoLabelSet>(times.sum(), times.count(), &buckets, None)
            }
            (Value::Info, _) => encode_whole(&mut metric, 1),
        }
    }
}

/// The gauges of prometheus-client end at `i64::MAX`. A greater number would make the whole scrape fail, so it is written as a
/// float.
fn encode_whole(metric: &mut MetricEncoder, count: u64) -> Result<(), fmt::Error> {
    match i64::try_from(count) {
        Ok(count) => metric.encode_gauge(&count),
        Err(_) => metric.encode_gauge(&(count as f64)),
    }
}

/// The bounds of the buckets: the powers of two from 2^10 ns (1 us) to 2^40 ns (18 min), each less one nanosecond. They are ends
/// of the fine buckets of [`Histogram`], which do not include their upper end, while a bucket of Prometheus does.
const BOUNDS: RangeInclusive<u32> = 10..=40;

/// The counts by bucket, not cumulative, with the upper bounds in seconds. The bounds are the same at every scrape.
fn buckets(times: &Histogram) -> Vec<(f64, u64)> {
    let ends: Vec<u64> = BOUNDS.map(|power| 1 << power).collect();
    let mut counts = vec![0; ends.len() + 1];
    for (end, count) in times.buckets() {
        counts[ends.partition_point(|bound| *bound as f64 / 1e9 < end)] += count;
    }
    let bounds = ends.iter().map(|end| (end - 1) as f64 / 1e9);
    bounds.chain([f64::MAX]).zip(counts).collect()
}

/// Escapes the value of a label, which prometheus-client leaves to its callers.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
