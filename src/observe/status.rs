//! One consistent snapshot of a pool, as plain data.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::histogram::Histogram;
use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::server_limit::ServerLimit;
use crate::observe::health::Health;
use crate::observe::history::{LastHour, Recent};
use crate::settings::Settings;

/// A snapshot of one pool, taken under its lock: all counts are of one instant. Plain data; print it for a report.
///
/// `total_connections_created = total_connections_closed + detached + total` and
/// `checkouts = checkins + checked_out` hold in every snapshot.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// The pool's name.
    pub name: String,
    /// When the snapshot was taken.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::moment")
    )]
    pub at: SystemTime,
    /// The same on the machine's monotonic clock.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) taken: Instant,
    /// Since the pool was built.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::duration")
    )]
    pub uptime: Duration,
    /// Whether the pool is closed.
    pub closed: bool,
    /// `QueuePool` or `NullPool`.
    pub pool_type: &'static str,
    /// The setting pool_size; 0 in null mode.
    pub size: u64,
    /// Open and not in users' hands: idle, and those being pinged, reset or closed. 0 in null mode, but for those that are being
    /// closed or handed out at this moment.
    pub checked_in: u64,
    /// In users' hands.
    pub checked_out: u64,
    /// Open beyond pool_size; 0 while no more than pool_size are open, and in null mode.
    pub overflow: u64,
    /// Open now. Does not count those being opened, nor abandoned or detached ones.
    pub total: u64,
    /// The setting max_overflow.
    pub max_overflow: u64,
    /// pool_size + max_overflow.
    pub total_capacity: u64,
    /// checked_out of size, in percent, at most 100; of total_capacity in null mode.
    pub utilization: f64,
    /// checked_out of total_capacity, in percent.
    pub capacity_utilization: f64,
    /// How close to its limits the pool is.
    pub health: Health,
    /// Overflow used up and more than 90 % of the capacity out for longer than the setting leak_after, without a break.
    pub leak_detected: bool,
    /// What to do, in words. Sizes that are named pass validation and stay within the server's limit, where that is known.
    pub recommendations: Vec<String>,
    /// The same as checked_out.
    pub active_connections: u64,
    /// Ready to be handed out: checked_in without those being pinged, reset or closed.
    pub idle_connections: u64,
    /// Being opened now.
    pub opening_connections: u64,
    /// Open and counted in checked_in, but not ready: their connect hooks have not returned.
    pub in_connect_hook: u64,
    /// Driver calls past their limit that have not returned, and hold no place of the pool.
    pub abandoned: u64,
    /// The connects among them: past connect_timeout, or given up for another, and not returned.
    pub hung_connects: u64,
    /// Connects that were abandoned so, since the pool was built; what returned later counts too.
    pub abandoned_connects: u64,
    /// Callers in the queue, those who wait for their own connect or sleep between attempts included.
    pub waiting_requests: u64,
    /// Connections opened and counted in; not those opened too late and closed unseen.
    pub total_connections_created: u64,
    /// Connections closed, for whatever reason.
    pub total_connections_closed: u64,
    /// The same by reason; reasons that did not occur are left out.
    pub closed_by_reason: BTreeMap<CloseReason, u64>,
    /// Connections that holders detached.
    pub detached: u64,
    /// Guards handed out.
    pub checkouts: u64,
    /// Guards that ended, in any way.
    pub checkins: u64,
    /// Connects that failed or were abandoned, each attempt.
    pub connection_errors: u64,
    /// Checkouts that ended at their deadline.
    pub connection_timeouts: u64,
    /// Mean time from call to hand-out, in seconds, over all checkouts.
    pub avg_connection_acquisition_time: f64,
    /// The longest, in seconds.
    pub max_connection_acquisition_time: f64,
    /// The distribution of that time: mean, percentiles, maximum, buckets.
    pub connection_acquisition_time: Histogram,
    /// Mean time that a connection was held, in seconds, over all checkins.
    pub avg_connection_hold_time: f64,
    /// The longest, in seconds.
    pub max_connection_hold_time: f64,
    /// The distribution of that time; those still held are not in it.
    pub connection_hold_time: Histogram,
    /// Pings before hand-out that failed or timed out.
    pub validation_failures: u64,
    /// Hooks that failed or panicked.
    pub hook_failures: u64,
    /// Health checks that failed: the monitor's, [`Pool::health_check`](crate::Pool::health_check) and [`Pool::ping`](crate::Pool::ping).
    pub health_check_failures: u64,
    /// When the last health check ended; `None` before the first. Those skipped do not count, nor a
    /// ping that found the pool used up.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::time")
    )]
    pub last_health_check: Option<SystemTime>,
    /// Why it failed; `None` when the database answered.
    pub last_health_check_error: Option<String>,
    /// Why the database cannot be reached, as last known: the latest failure of a health check or a connect. `None` when a
    /// connection was opened, pinged or returned after use since, and before anything failed.
    pub database_error: Option<String>,
    /// Checkouts that had to wait, because nothing was idle and nothing was being opened for them: at capacity, or while 16 connects
    /// younger than a second were under way.
    pub pool_exhausted_count: u64,
    /// Checkouts refused because as many callers waited as the setting max_waiting admits.
    pub overloaded_count: u64,
    /// The last connect error, in words.
    pub last_error: Option<String>,
    /// When it occurred.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::time")
    )]
    pub last_error_at: Option<SystemTime>,
    /// The most that were out at once.
    pub peak_checked_out: u64,
    /// When that was first so.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::time")
    )]
    pub peak_checked_out_at: Option<SystemTime>,
    /// The most that were open at once.
    pub peak_total: u64,
    /// When that was first so.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::time")
    )]
    pub peak_total_at: Option<SystemTime>,
    /// The most callers that waited at once.
    pub peak_waiting: u64,
    /// When that was first so.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::time")
    )]
    pub peak_waiting_at: Option<SystemTime>,
    /// What the monitor saw in the last five minutes; `None` without the monitor, and before its second sample.
    pub recent: Option<Recent>,
    /// Its last hour; `None` before it has seen one.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) last_hour: Option<LastHour>,
    /// How many connections the server takes in all; `None` where it has no such limit or was not asked yet. In JSON also
    /// how many pools of this capacity fit (`instances`), and how many connections they leave (`remaining`).
    #[cfg_attr(feature = "serde", serde(skip))]
    pub server_limit: Option<ServerLimit>,
    #[cfg(feature = "serde")]
    #[serde(rename = "server_limit")]
    pub(crate) server_limit_as_json: Option<crate::observe::as_json::SharedLimit>,
    /// The settings in force.
    pub configuration: Settings,
    /// Who holds a connection now, the longest first.
    pub holders: Vec<Holder>,
    /// For how long connects have failed without one success between; `None` when the last one succeeded, or when a connection
    /// was pinged or returned after use since the last failure.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::seconds")
    )]
    pub unreachable_for: Option<Duration>,
    /// For how long the pool has been exhausted: callers had to wait for more than a second, timed out at capacity, or were
    /// refused by max_waiting. Noticed within two seconds, and so is its end.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::seconds")
    )]
    pub exhausted_for: Option<Duration>,
    /// For how long the leak condition has held.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::seconds")
    )]
    pub full_for: Option<Duration>,
}

/// Who holds a connection.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holder {
    /// The name of the thread that checked it out, or its id where it has none.
    pub thread: Arc<str>,
    /// The line of code that called get.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::location")
    )]
    pub location: &'static Location<'static>,
    /// Since the hand-out.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::observe::as_json::duration")
    )]
    pub held_for: Duration,
    /// The connection's id within its pool.
    pub connection_id: u64,
}

impl Status {
    /// Whether the pool is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health != Health::Critical
    }

    /// Those who have held a connection for longer than leak_after.
    pub(crate) fn old_holders(&self) -> &[Holder] {
        let leak_after = self.configuration.leak_after;
        let old = self
            .holders
            .partition_point(|holder| holder.held_for > leak_after);
        &self.holders[..old]
    }

    /// Whether overflow has been used up, with more than 90 % of the capacity out, for longer than `threshold` without a
    /// break.
    #[must_use]
    pub fn leaking_for(&self, threshold: Duration) -> bool {
        self.full_for.is_some_and(|full| full > threshold)
    }
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
