//! How healthy a pool is, whether it leaks, and what to do about it.

use std::fmt;

use crate::settings::Settings;
use crate::status::Status;

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

/// What to do, in words; one line when there is nothing to do.
pub(crate) fn recommendations(status: &Status) -> Vec<String> {
    let mut advice = Vec::new();
    let oldest = status.holders.first().map(|holder| {
        let location = holder.location;
        format!(
            "{}:{} has held a connection for {:.0} s on thread {}",
            location.file(),
            location.line(),
            holder.held_for.as_secs_f64(),
            holder.thread
        )
    });
    if status.leak_detected {
        let holder = oldest
            .as_deref()
            .unwrap_or("nobody is recorded as a holder");
        advice.push(format!(
            "Potential connection leak: {} of {} connections have been out without a break. Look at the longest holder: \
             {holder}.",
            status.checked_out, status.total_capacity
        ));
    }
    if status.health == Health::Critical {
        advice.push(format!(
            "The pool is nearly exhausted ({} of {} out, {} waiting): raise pool_size above {} or max_overflow above {}, \
             or hold connections for a shorter time.",
            status.checked_out,
            status.total_capacity,
            status.waiting_requests,
            status.configuration.pool_size,
            status.max_overflow
        ));
        if let Some(holder) = oldest.filter(|_| !status.leak_detected) {
            advice.push(format!("Longest holder: {holder}."));
        }
    } else if status.health == Health::Warning {
        advice.push(format!(
            "{} of {} pooled connections are in use: consider to raise pool_size from {}.",
            status.checked_out, status.configuration.pool_size, status.configuration.pool_size
        ));
    }
    if status.abandoned > 0 {
        advice.push(format!(
            "{} driver calls hang: look at the database server and the network.",
            status.abandoned
        ));
    }
    if advice.is_empty() {
        advice.push("Pool is healthy. No action needed.".to_owned());
    }
    advice
}
