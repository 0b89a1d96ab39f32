//! How healthy a pool is, whether it leaks, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::settings::{GREATEST_CAPACITY, Settings};
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

/// A pool is too large when never more than half of it was in use, looked at after this long, ...
const LONG_ENOUGH: Duration = Duration::from_secs(3600);

/// ... and after this many checkouts: one that is hardly used says nothing.
const ENOUGH_CHECKOUTS: u64 = 1000;

/// Pools this small are not worth the advice.
const SMALL: u64 = 5;

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
        on_exhaustion(status),
        on_overflow(status),
        on_server_limit(status),
        on_size(status),
    ]
    .into_iter()
    .flatten()
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

fn on_leak(status: &Status) -> Option<String> {
    let full = status.full_for.filter(|_| status.leak_detected)?;
    Some(format!(
        "Potential connection leak: {} of {} connections have been out for {:.0} s without a break; {}.",
        status.checked_out,
        status.total_capacity,
        full.as_secs_f64(),
        most_frequent_line(&status.holders)
    ))
}

/// Where most of the connections that are out were taken.
fn most_frequent_line(holders: &[Holder]) -> String {
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

/// Nearly all connections are out, or some callers got none.
fn on_exhaustion(status: &Status) -> Option<String> {
    let recent = status
        .recent
        .filter(|recent| recent.connection_timeouts > 0);
    // Whoever times out because the database is down needs no larger pool.
    let timed_out = recent.filter(|_| status.unreachable_for.is_none());
    // What leaks fills a larger pool too.
    if status.leak_detected || (status.health != Health::Critical && timed_out.is_none()) {
        return None;
    }
    let now = status.checked_out + status.waiting_requests;
    let wanted = timed_out.map_or(now, |recent| {
        now.max(recent.peak_checked_out + recent.peak_waiting)
    });
    let evidence = match timed_out {
        Some(recent) => format!(
            "{} checkouts timed out in the last {}, {} connections were out and {} callers waited at most",
            recent.connection_timeouts,
            minutes(recent.seconds),
            recent.peak_checked_out,
            recent.peak_waiting
        ),
        None => format!(
            "{} of {} connections are out and {} callers wait; {}",
            status.checked_out,
            status.total_capacity,
            status.waiting_requests,
            most_frequent_line(&status.holders)
        ),
    };
    let critical = status.configuration.critical_utilization / 100.0;
    let capacity = ((wanted as f64 / critical).ceil() as u64).max(status.total_capacity + 1);
    let available = status
        .server_limit
        .map_or(u64::MAX, |limit| limit.available());
    if available <= status.total_capacity {
        return Some(format!(
            "Hold connections for a shorter time: {evidence}, and the server takes no more than {available}."
        ));
    }
    let greatest = u64::from(GREATEST_CAPACITY);
    if greatest <= status.total_capacity {
        return Some(format!("Hold connections for a shorter time: {evidence}."));
    }
    Some(format!(
        "Raise max_overflow from {} to {}, or hold connections for a shorter time: {evidence}.",
        status.max_overflow,
        status.max_overflow + (capacity.min(available).min(greatest) - status.total_capacity)
    ))
}

/// The usual load lives in the overflow, which is opened and closed again each time.
fn on_overflow(status: &Status) -> Option<String> {
    if status.size == 0 {
        return on_use_of_capacity(status);
    }
    if let Some(recent) = status.recent {
        return (recent.checked_out_p99 > status.size && recent.overflow_closed > 0).then(|| {
            format!(
                "{}: {} were in use at the 99th percentile of the last {}, and {} connections were closed for want of a \
                 place to stay.",
                raise_pool_size(status, recent.checked_out_p99),
                recent.checked_out_p99,
                minutes(recent.seconds),
                recent.overflow_closed
            )
        })
        .or_else(|| on_use(status));
    }
    on_use(status)
}

/// Within what the server takes: where that is used up, at the cost of the overflow.
fn raise_pool_size(status: &Status, to: u64) -> String {
    let raise = format!("Raise pool_size from {} to {to}", status.size);
    let greatest = u64::from(GREATEST_CAPACITY);
    let available = status
        .server_limit
        .map_or(greatest, |limit| limit.available().min(greatest));
    let more = to.saturating_sub(status.size);
    match (status.total_capacity + more).saturating_sub(available) {
        0 => raise,
        _ => format!(
            "{raise}, and lower max_overflow from {} to {},",
            status.max_overflow,
            status.max_overflow.saturating_sub(more)
        ),
    }
}

/// Many connections are in use at this moment, and nothing is known of other moments.
fn on_use(status: &Status) -> Option<String> {
    let threshold = status.configuration.warning_utilization;
    let enough = (status.checked_out as f64 * 100.0 / threshold).floor() as u64 + 1;
    (status.health == Health::Warning).then(|| {
        format!(
            "{} if this is the usual load: {} connections are in use, {:.0} % of pool_size.",
            raise_pool_size(status, enough),
            status.checked_out,
            status.checked_out as f64 * 100.0 / status.configuration.pool_size.max(1) as f64
        )
    })
}

/// The same in null mode, where the warning is of the capacity.
fn on_use_of_capacity(status: &Status) -> Option<String> {
    let threshold = status.configuration.warning_utilization;
    let enough = (status.checked_out as f64 * 100.0 / threshold).floor() as u64 + 1;
    let more = enough
        .min(u64::from(GREATEST_CAPACITY))
        .saturating_sub(status.total_capacity);
    (status.health == Health::Warning && more > 0).then(|| {
        format!(
            "Raise max_overflow from {} to {} if this is the usual load: {} of {} connections are in use.",
            status.max_overflow,
            status.max_overflow + more,
            status.checked_out,
            status.total_capacity
        )
    })
}

fn on_server_limit(status: &Status) -> Option<String> {
    let limit = status.server_limit?;
    let available = limit.available();
    (status.total_capacity > available).then(|| {
        format!(
            "Lower pool_size + max_overflow from {} to {available} or less: the server takes {} connections and reserves \
             {}. Of 2 instances each may have {}, of 3 {}.",
            status.total_capacity,
            limit.max_connections,
            limit.reserved,
            available / 2,
            available / 3
        )
    })
}

/// Never more than half was in use.
fn on_size(status: &Status) -> Option<String> {
    let is_large = status.size > SMALL && status.peak_checked_out * 2 <= status.size;
    let settings = &status.configuration;
    let kept = u64::from(settings.min_idle.max(settings.warm_up));
    let is_known = status.uptime >= LONG_ENOUGH && status.checkouts >= ENOUGH_CHECKOUTS;
    // Half as much again, which keeps the peak under the usual threshold of a warning.
    let enough = (status.peak_checked_out * 3).div_ceil(2).max(1).max(kept);
    (is_large && is_known && enough < status.size).then(|| {
        format!(
            "Lower pool_size from {} to {enough}: no more than {} connections were in use at once in the {:.0} h since the \
             pool was built.",
            status.size,
            status.peak_checked_out,
            status.uptime.as_secs_f64() / 3600.0
        )
    })
}

fn minutes(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} minutes", seconds / 60.0),
    }
}
