//! How healthy a pool is, whether it leaks, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::settings::{Settings, print_duration};
use crate::sizing::on_sizes;
use crate::status::{Holder, Status};

/// How close a pool is to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum Health {
    /// Neither of the others.
    Healthy,
    /// From the setting warning_utilization, 70 % utilization by default.
    Warning,
    /// Above the setting critical_utilization, 90 % capacity_utilization by default.
    Critical,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Health::Healthy => "healthy",
            Health::Warning => "warning",
            Health::Critical => "critical",
        })
    }
}

/// Both in percent, as the thresholds are.
pub(crate) fn health(utilization: f64, capacity_utilization: f64, settings: &Settings) -> Health {
    if capacity_utilization > settings.critical_utilization {
        Health::Critical
    } else if utilization >= settings.warning_utilization {
        Health::Warning
    } else {
        Health::Healthy
    }
}

/// What to do, in words; one line when there is nothing to do. The most urgent first.
pub(crate) fn recommendations(status: &Status) -> Vec<String> {
    if status.closed {
        return vec!["The pool is closed.".to_owned()];
    }
    let advice: Vec<String> = [
        on_outage(status),
        on_hung_calls(status),
        on_leak(status),
        on_longest_holder(status),
    ]
    .into_iter()
    .flatten()
    .chain(on_sizes(status))
    .collect();
    if advice.is_empty() {
        vec!["Pool is healthy. No action needed.".to_owned()]
    } else {
        advice
    }
}

fn on_outage(status: &Status) -> Option<String> {
    let error = status.database_error.as_deref()?;
    let since = status.unreachable_for.map_or(String::new(), |time| {
        format!(" for {:.0} s", time.as_secs_f64())
    });
    Some(format!(
        "The database has not been reached{since}: look at the server, the network and the login. The last error: {error}"
    ))
}

fn on_hung_calls(status: &Status) -> Option<String> {
    (status.abandoned > 0).then(|| {
        format!(
            "{} driver calls hang, {} of them connects: look at the database server, and at firewalls between.",
            status.abandoned, status.hung_connects
        )
    })
}

/// A pool can be full for as long as one likes with nobody keeping anything: callers then wait, and take what comes back.
fn on_leak(status: &Status) -> Option<String> {
    let full = status.full_for.filter(|_| status.leak_detected)?;
    let full = format!("full for {:.0} s without a break", full.as_secs_f64());
    let leak_after = print_duration(status.configuration.leak_after);
    let old = old_holders(status);
    if old.is_empty() {
        return Some(format!(
            "The pool has been {full}, but nobody has held a connection for longer than leak_after ({leak_after}): that is \
             load rather than a leak."
        ));
    }
    Some(format!(
        "Potential connection leak: the pool has been {full}. Held for longer than leak_after ({leak_after}): {} of {} \
         connections; {}.",
        old.len(),
        status.checked_out,
        most_frequent_line(old)
    ))
}

/// Those who have held a connection for longer than leak_after.
pub(crate) fn old_holders(status: &Status) -> &[Holder] {
    let leak_after = status.configuration.leak_after;
    let old = status
        .holders
        .partition_point(|holder| holder.held_for > leak_after);
    &status.holders[..old]
}

/// Where most of these connections were taken.
pub(crate) fn most_frequent_line(holders: &[Holder]) -> String {
    let mut lines = BTreeMap::new();
    for holder in holders {
        let line = (holder.location.file(), holder.location.line());
        *lines.entry(line).or_insert(0) += 1;
    }
    match lines.into_iter().max_by_key(|(_, count)| *count) {
        Some(((file, line), count)) => format!("{count} of them were taken at {file}:{line}"),
        None => "nobody is recorded as their holder".to_owned(),
    }
}

/// When connections are scarce: which line of code to look at.
fn on_longest_holder(status: &Status) -> Option<String> {
    let holder = status.holders.first()?;
    let is_scarce = status.health == Health::Critical || status.leak_detected;
    let usual = Duration::from_secs_f64(status.connection_hold_time.percentile(0.99));
    let is_unusual = holder.held_for > usual * 10 && status.health == Health::Warning;
    ((is_scarce || is_unusual) && holder.held_for >= Duration::from_secs(1)).then(|| {
        format!(
            "{}:{} has held a connection for {:.0} s on thread {}.",
            holder.location.file(),
            holder.location.line(),
            holder.held_for.as_secs_f64(),
            holder.thread
        )
    })
}
