//! What a metric consists of, and how its samples are read.

use prometheus_client::registry::Unit;

use crate::base::histogram::Histogram;
use crate::observe::status::Status;

/// The metrics of one name. Each pool has one sample, or several that differ in one more label.
pub(super) struct Family {
    /// The name without the unit and without `_total`.
    pub(super) name: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) help: &'static str,
    pub(super) read: Read,
}

/// The values of one more label, each with its count.
pub(super) type Labelled = Vec<(String, u64)>;

/// How the samples of a pool are read from its snapshot.
pub(super) enum Read {
    Counter(fn(&Status) -> u64),
    /// One counter for each value of the label that is named first.
    CounterBy(&'static str, fn(&Status) -> Labelled),
    Gauge(fn(&Status) -> Option<u64>),
    /// One gauge for each value of the label that is named first.
    GaugeBy(&'static str, fn(&Status) -> Labelled),
    Real(fn(&Status) -> Option<f64>),
    Histogram(fn(&Status) -> &Histogram),
    /// Labels that say what the pool is; the value is always 1.
    Info(fn(&Status) -> Vec<(&'static str, String)>),
}

pub(super) const fn family(name: &'static str, help: &'static str, read: Read) -> Family {
    Family {
        name,
        unit: None,
        help,
        read,
    }
}

pub(super) const fn in_seconds(name: &'static str, help: &'static str, read: Read) -> Family {
    Family {
        name,
        unit: Some(Unit::Seconds),
        help,
        read,
    }
}

pub(super) const fn gauge(
    name: &'static str,
    help: &'static str,
    read: fn(&Status) -> Option<u64>,
) -> Family {
    family(name, help, Read::Gauge(read))
}

pub(super) const fn counter(
    name: &'static str,
    help: &'static str,
    read: fn(&Status) -> u64,
) -> Family {
    family(name, help, Read::Counter(read))
}

pub(super) const fn real(
    name: &'static str,
    help: &'static str,
    read: fn(&Status) -> Option<f64>,
) -> Family {
    family(name, help, Read::Real(read))
}

pub(super) const fn time(
    name: &'static str,
    help: &'static str,
    read: fn(&Status) -> Option<f64>,
) -> Family {
    in_seconds(name, help, Read::Real(read))
}
