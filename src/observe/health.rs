//! How close a pool is to its limits.

use std::fmt;

use crate::settings::Settings;

/// How close a pool is to its limits. Says nothing of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum Health {
    /// Neither of the other two.
    Healthy,
    /// The utilization is at or above the setting warning_utilization, by default 70 %.
    Warning,
    /// The capacity_utilization is above the setting critical_utilization, by default 90 %.
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

/// Both arguments are in percent, as the thresholds in the settings are.
pub(crate) fn health(utilization: f64, capacity_utilization: f64, settings: &Settings) -> Health {
    if capacity_utilization > settings.critical_utilization {
        Health::Critical
    } else if utilization >= settings.warning_utilization {
        Health::Warning
    } else {
        Health::Healthy
    }
}
