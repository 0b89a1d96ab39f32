//! A consistent snapshot of a pool, as plain data.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::histogram::Histogram;
use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::counts::definition;
use crate::contract::server_limit::ServerLimit;
use crate::observe::health::Health;
use crate::observe::history::{LastHour, Recent};
use crate::settings::Settings;

/// As a name of its own, because serde would borrow a `&str` that it reads.
type PoolType = &'static str;

/// A snapshot of one pool. It is taken under the pool's lock, so that all counts are of the same instant. It is plain data; print
/// it for a report.
///
/// Times that count are fields of type [`Duration`], such as [`uptime`](Status#structfield.uptime). Times that are statistics, means
/// and maxima, are fields of type `f64`, in seconds, as in the metrics; each has a method of the same name that returns it as a
/// [`Duration`]. The same holds for [`Recent`], [`Sample`](crate::Sample) and [`Since`](crate::Since), and for a [`Histogram`] with
/// methods that end in `_duration`. As JSON all times are numbers of seconds, and moments are texts as in RFC 3339.
///
/// With the feature `serde`, a status is read back from what the same version has written. The only field that cannot be read back
/// is [`Holder::location`]; [`Holder::line`] can.
///
/// Two equations hold in every snapshot: `total_connections_created = total_connections_closed + detached + total`, and `checkouts
/// = checkins + checked_out`. No part is greater than its whole: `connection_timeouts + overloaded_count` is at most
/// `failed_checkouts`; `pool_exhausted_count` and `peak_waiting` are at most `waited`.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self") // more is to be done: see as_json
)]
#[non_exhaustive]
pub struct Status {
    /// The pool's name.
    pub name: String,
    /// When the snapshot was taken.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::moment"))]
    pub at: SystemTime,
    /// The same instant on the machine's monotonic clock, which a status that was read back does not know.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) taken: Option<Instant>,
    /// The time since the pool was built.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::duration"))]
    pub uptime: Duration,
    /// Whether the pool is closed.
    pub closed: bool,
    /// The kind of pool: `QueuePool` or `NullPool`.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::observe::as_json::pool_type")
    )]
    pub pool_type: PoolType,
    /// The setting pool_size; 0 in null mode.
    pub size: u64,
    /// Open connections that are not checked out: idle ones, and those being pinged, reset or closed. In null mode this is 0,
    /// except for connections that are being closed or handed out at this moment.
    pub checked_in: u64,
    /// Connections that are checked out.
    pub checked_out: u64,
    /// Open connections beyond pool_size: 0 while no more than pool_size are open, and always 0 in null mode.
    pub overflow: u64,
    /// Connections that are open now. Does not count those being opened, nor abandoned or detached ones.
    pub total: u64,
    /// The setting max_overflow.
    pub max_overflow: u64,
    /// pool_size + max_overflow.
    pub total_capacity: u64,
    /// checked_out as a share of size, in percent, at most 100. In null mode it is the share of total_capacity.
    pub utilization: f64,
    /// checked_out as a share of total_capacity, in percent.
    pub capacity_utilization: f64,
    /// How close the pool is to its limits. Says nothing of the database: see
    /// [`database_error`](Status#structfield.database_error) for that.
    pub health: Health,
    /// Whether the overflow has been used up, with more than 90 % of the capacity checked out, for longer than the setting
    /// leak_after without a break.
    pub leak_detected: bool,
    /// What to do, in words. Every size that is recommended passes validation, and stays within the server's limit if that is
    /// known.
    pub recommendations: Vec<String>,
    /// The same number as checked_out.
    pub active_connections: u64,
    /// Connections that are ready to be handed out: checked_in without those being pinged, reset or closed.
    pub idle_connections: u64,
    /// Connections that are being opened now.
    pub opening_connections: u64,
    /// Connections that are open and counted in checked_in, but not ready because their connect hooks have not returned.
    pub in_connect_hook: u64,
    /// Driver calls that are past their limit and have not returned. They take up no place in the pool.
    pub abandoned: u64,
    /// The connects among those calls: past connect_timeout, or given up in favour of another, and not returned yet.
    pub hung_connects: u64,
    #[doc = definition!(abandoned_connects)]
    pub abandoned_connects: u64,
    /// Callers in the queue, including those that wait for a connect of their own or sleep between two attempts.
    pub waiting_requests: u64,
    #[doc = definition!(created)]
    pub total_connections_created: u64,
    #[doc = definition!(closed)]
    pub total_connections_closed: u64,
    /// Connections closed, by reason. Reasons that have not occurred are left out.
    pub closed_by_reason: BTreeMap<CloseReason, u64>,
    #[doc = definition!(detached)]
    pub detached: u64,
    #[doc = definition!(checkouts)]
    pub checkouts: u64,
    #[doc = definition!(failed_checkouts)]
    pub failed_checkouts: u64,
    #[doc = definition!(waited)]
    pub waited: u64,
    #[doc = definition!(checkins)]
    pub checkins: u64,
    #[doc = definition!(connection_errors)]
    pub connection_errors: u64,
    #[doc = definition!(refused_full)]
    pub refused_full: u64,
    /// Since when the server has been full: it has refused connects so, and none has succeeded since. `None` if it is not. Other
    /// than [`full_for`](Status#structfield.full_for), which is about this pool's own size.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub full_since: Option<SystemTime>,
    #[doc = definition!(connection_timeouts)]
    pub connection_timeouts: u64,
    /// The mean time from the call until the connection was handed out, in seconds, over all
    /// [`checkouts`](Status#structfield.checkouts). Calls that failed are not in it, however long they had waited: those that timed
    /// out had waited for their whole timeout.
    pub avg_connection_acquisition_time: f64,
    /// The longest such time, in seconds.
    pub max_connection_acquisition_time: f64,
    /// The distribution of those times: mean, percentiles, maximum and buckets. It has as many as there are
    /// [`checkouts`](Status#structfield.checkouts); calls that failed are not in it.
    pub connection_acquisition_time: Histogram,
    /// The mean time for which a connection was held, in seconds, over all checkins.
    pub avg_connection_hold_time: f64,
    /// The longest such time, in seconds.
    pub max_connection_hold_time: f64,
    /// The distribution of those times. Does not include connections that are still held.
    pub connection_hold_time: Histogram,
    #[doc = definition!(validation_failures)]
    pub validation_failures: u64,
    #[doc = definition!(hook_failures)]
    pub hook_failures: u64,
    #[doc = definition!(health_check_failures)]
    /// They are the monitor's, and those by [`Pool::health_check`](crate::Pool::health_check) and
    /// [`Pool::ping`](crate::Pool::ping).
    pub health_check_failures: u64,
    /// When the last health check ended; `None` before the first. Does not count checks that were skipped, nor a
    /// [`Pool::ping`](crate::Pool::ping) that found the pool used up.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub last_health_check: Option<SystemTime>,
    /// Why the last health check failed; `None` if the database answered.
    pub last_health_check_error: Option<String>,
    /// Why the database cannot be reached, as last known: the latest failure of a health check or a connect. `None` before
    /// anything has failed, and once a connection has been opened, pinged or returned after use since that failure.
    pub database_error: Option<String>,
    #[doc = definition!(exhausted)]
    pub pool_exhausted_count: u64,
    #[doc = definition!(overloaded)]
    pub overloaded_count: u64,
    /// The text of the last connect error, whether or not a connect has succeeded since; see
    /// [`connects_fail_for`](Status#structfield.connects_fail_for).
    pub last_error: Option<String>,
    /// When that error occurred.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub last_error_at: Option<SystemTime>,
    /// The most connections that were checked out at once.
    pub peak_checked_out: u64,
    /// When that number was first reached.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub peak_checked_out_at: Option<SystemTime>,
    /// The most connections that were open at once.
    pub peak_total: u64,
    /// When that number was first reached.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub peak_total_at: Option<SystemTime>,
    /// The most callers that were in the queue at once; each of them is counted in [`waited`](Status#structfield.waited).
    pub peak_waiting: u64,
    /// When that number was first reached.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::time"))]
    pub peak_waiting_at: Option<SystemTime>,
    /// What the monitor saw in the last five minutes. `None` if the monitor does not run, and before its second sample.
    pub recent: Option<Recent>,
    /// What the monitor saw in the last hour. `None` until its samples cover an hour.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) last_hour: Option<LastHour>,
    /// How many connections the server accepts in all. `None` if it has no such limit, or has not been asked yet. The JSON form
    /// also says how many pools of this capacity fit (`instances`), and how many connections they leave over (`remaining`).
    #[cfg_attr(feature = "serde", serde(skip))]
    pub server_limit: Option<ServerLimit>,
    #[cfg(feature = "serde")]
    #[serde(rename = "server_limit")]
    pub(crate) server_limit_as_json: Option<crate::observe::as_json::SharedLimit>,
    /// The settings in force.
    pub configuration: Settings,
    /// Who holds a connection now, the longest holder first.
    pub holders: Vec<Holder>,
    /// For how long connects have failed without a single success. `None` if the last connect succeeded, or if a connection has
    /// been pinged or returned after use since the last failure.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub unreachable_for: Option<Duration>,
    /// For how long connects have failed. It begins and ends as the log tells, with "The database cannot be reached" and "The database
    /// is reached again": with a connect that fails, and with one that succeeds if no other fails within a second. `None` if it is
    /// over. While connections that are open still answer, this is set and `unreachable_for` is not.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub connects_fail_for: Option<Duration>,
    /// For how long the pool has been exhausted, that is, for how long callers have waited for more than a second, timed out at
    /// capacity, or been refused because of max_waiting. Both the beginning and the end are noticed within two seconds.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub exhausted_for: Option<Duration>,
    /// For how long the pool has been on read-only servers although it had been on one that accepts writes: since a session was found
    /// read-only after a write that was refused, or at its return or ping, until a login or a session that accepts writes. `None`
    /// while that is not so, and always with [`Role::Replica`](crate::Role::Replica).
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub unsuited_for: Option<Duration>,
    /// New logins lead to read-only servers too.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) unsuited_in_vain: bool,
    /// The server has said within the last ten seconds that it is full.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) full_lately: bool,
    /// For how long the overflow has been used up, with more than 90 % of the capacity checked out. When this exceeds the setting
    /// leak_after, leak_detected is set. `None` while it is not so.
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub full_for: Option<Duration>,
    /// How far this replica was behind its primary when it was last asked. `None` if that is unknown, and for every pool that is not
    /// told of as a replica by a [`ReadWrite`](crate::ReadWrite).
    #[cfg_attr(feature = "serde", serde(with = "crate::observe::as_json::seconds"))]
    pub replica_lag: Option<Duration>,
    /// Why the reads of a [`ReadWrite`](crate::ReadWrite) pass this replica over. `None` while reads go to it, and for every pool
    /// that is not told of as a replica.
    pub passed_over: Option<String>,
}

/// Somebody who holds a connection.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(
        from = "crate::observe::as_json::Written",
        into = "crate::observe::as_json::Written"
    )
)]
#[non_exhaustive]
pub struct Holder {
    /// The name of the thread that checked the connection out, or the thread's id if it has no name.
    pub thread: Arc<str>,
    /// The line of code that checked the connection out. In a status that was read back from JSON it is a line of this crate,
    /// because a location cannot be made from a text; [`line`](Holder::line) is right there too.
    pub location: &'static Location<'static>,
    /// What stood in its place where it was read back.
    pub(crate) line: Option<Arc<str>>,
    /// For how long the connection has been held.
    pub held_for: Duration,
    /// The id of the connection within its pool.
    pub connection_id: u64,
}

impl Holder {
    /// The line of code that checked the connection out, as `src/main.rs:12`.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.line {
            Some(line) => line.to_string(),
            None => format!("{}:{}", self.location.file(), self.location.line()),
        }
    }
}

impl Status {
    /// Whether the health is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health != Health::Critical
    }

    /// The holders that have held a connection for longer than leak_after.
    pub(crate) fn old_holders(&self) -> &[Holder] {
        let leak_after = self.configuration.leak_after;
        let old = self
            .holders
            .partition_point(|holder| holder.held_for > leak_after);
        &self.holders[..old]
    }

    /// Whether the overflow has been used up, with more than 90 % of the capacity checked out, for longer than `threshold` without
    /// a break.
    #[must_use]
    pub fn leaking_for(&self, threshold: Duration) -> bool {
        self.full_for.is_some_and(|full| full > threshold)
    }
}

/// Names the line of code at which most of these connections were checked out.
pub(crate) fn most_frequent_line(holders: &[Holder]) -> String {
    // First by address: a comparison of names for each of 100 holders would be an eighth of what status() costs.
    let mut places: Vec<(&Location<'_>, usize)> = Vec::new();
    for holder in holders {
        let known = places
            .iter_mut()
            .find(|(location, _)| std::ptr::eq(*location, holder.location));
        match known {
            Some((_, count)) => *count += 1,
            None => places.push((holder.location, 1)),
        }
    }
    // One line may have several addresses, one for each type that its code was compiled for.
    let mut lines = BTreeMap::new();
    for (location, count) in places {
        let line = (location.file(), location.line());
        *lines.entry(line).or_insert(0) += count;
    }
    match lines.into_iter().max_by_key(|(_, count)| *count) {
        Some(((file, line), count)) => format!("{count} of them were taken at {file}:{line}"),
        None => "nobody is recorded as their holder".to_owned(),
    }
}
