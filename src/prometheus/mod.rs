//! Every pool of a [`Registry`] as Prometheus metrics: [`text`] is a whole answer to a scrape; [`Collector`] adds the pools to a
//! registry of the crate [prometheus-client](prometheus_client) that a service has already.
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
//! Beside metrics of your own:
//!
//! ```
//! use queuepool::prometheus::{Collector, prometheus_client};
//!
//! let pools = queuepool::Registry::new();
//! let mut metrics = prometheus_client::registry::Registry::default();
//! metrics.register_collector(Box::new(Collector::new(&pools)));
//! ```
//!
//! Each metric's HELP line defines it and says what it does not count. All have the label `pool`, the name in the registry, and
//! the numbers of one pool in one scrape are of one instant. Series do not come and go: every counter, reason and bucket is there
//! from 0 on; only what is not known yet is absent (the server's limit, the last health check, times of what has not happened).
//! The last error's words and the holders are in [`Status`] alone: as labels they would make a new series each.
//!
//! The two histograms have 32 buckets that double from 1 us to 18 min, with exact counts, made of the 186 of [`Histogram`].
//! `histogram_quantile` is off by a factor of two at most.
//!
//! Ready alerts and a Grafana dashboard stand in the repository under `examples/monitoring`.
//!
//! # OpenTelemetry
//!
//! What OpenTelemetry's semantic conventions (1.44, in development there) call `db.client.connection.*`, with the attribute
//! `db.client.connection.pool.name` for the label `pool`:
//!
//! | there | here |
//! |---|---|
//! | `count`, state `used` | `db_pool_checked_out` |
//! | `count`, state `idle` | `db_pool_checked_in`, which has those being pinged, reset or closed in it; `db_pool_idle` has not |
//! | `idle.max` | `db_pool_size` |
//! | `idle.min` | `db_pool_min_pool_size` |
//! | `max` | `db_pool_capacity` |
//! | `pending_requests` | `db_pool_waiting` |
//! | `timeouts` | `db_pool_connection_timeouts_total` |
//! | `create_time` | not measured by itself: the first checkouts' `db_pool_wait_time` contains it |
//! | `wait_time` | `db_pool_wait_time`, in seconds as there |
//! | `use_time` | `db_pool_hold_time_seconds` |

mod families;
mod family;

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// The crate that the [`Collector`] is for, in the version it is built with.
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

/// One scrape: the metrics of every pool in the registry, labelled `pool` with the name that it has there, to be served as
/// [`CONTENT_TYPE`]. Asks no server and waits for nobody.
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

/// The metrics of every pool in a [`Registry`], for a registry of the crate prometheus-client that has other metrics too. Its
/// prefix and labels apply.
///
/// Encoded as OpenMetrics text, which wants the characters `\`, `"` and line feed escaped and leaves that to a collector; the
/// protocol buffers of prometheus-client show a pool's name that contains them as escaped too.
#[derive(Debug, Clone)]
pub struct Collector(Collected);

impl Collector {
    /// Reads every pool in the registry at each scrape, also those added later.
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

/// The two forms differ in where a counter's `_total` and an info's `_info` stand: in the samples' names alone (OpenMetrics, the
/// only form that prometheus-client knows) or in the family's name too (Prometheus' own text, the only one that
/// `promtool check metrics` and older scrapers read, and which has no type `info`).
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

/// One value of one pool, with the labels that it has besides the pool's name.
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
            // encode_counter would append a second `_total`.
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

/// The client's own gauges end at `i64::MAX`, and one number too large would fail the scrape of all.
fn encode_whole(metric: &mut MetricEncoder, count: u64) -> Result<(), fmt::Error> {
    match i64::try_from(count) {
        Ok(count) => metric.encode_gauge(&count),
        Err(_) => metric.encode_gauge(&(count as f64)),
    }
}

/// The bounds are the powers of two from 2^10 ns (1 us) to 2^40 ns (18 min), each one nanosecond short: they are ends of the
/// fine buckets, which do not contain their upper end, where a bucket of Prometheus does.
const BOUNDS: RangeInclusive<u32> = 10..=40;

/// Counts by bucket, not cumulated, with the bounds in seconds; the same bounds at every scrape.
fn buckets(times: &Histogram) -> Vec<(f64, u64)> {
    let ends: Vec<u64> = BOUNDS.map(|power| 1 << power).collect();
    let mut counts = vec![0; ends.len() + 1];
    for (end, count) in times.buckets() {
        counts[ends.partition_point(|bound| *bound as f64 / 1e9 < end)] += count;
    }
    let bounds = ends.iter().map(|end| (end - 1) as f64 / 1e9);
    bounds.chain([f64::MAX]).zip(counts).collect()
}

/// As a label's value must be written, which prometheus-client leaves to its callers.
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
