//! One consistent snapshot of a pool, as plain data and as a printed report.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::driver::Manager;
use crate::fork::FORK_FIRST;
use crate::hooks::CloseReason;
use crate::judgement::{Health, health, recommendations};
use crate::pool::{Inner, Pool};
use crate::queue::Queue;
use crate::settings::{Mode, PrePing, Settings};

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
    /// `QueuePool` or `NullPool`.
    pub pool_type: &'static str,
    /// The setting pool_size; 0 in null mode.
    pub size: u64,
    /// Open and not in users' hands: idle, and those being pinged, reset or closed.
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
    /// What to do, in words.
    pub recommendations: Vec<String>,
    /// The same as checked_out.
    pub active_connections: u64,
    /// Ready to be handed out: checked_in without those being pinged, reset or closed.
    pub idle_connections: u64,
    /// Being opened now.
    pub opening_connections: u64,
    /// Driver calls past their limit that have not returned, and hold no place of the pool.
    pub abandoned: u64,
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
    /// Mean time that a connection was held, in seconds, over all checkins.
    pub avg_connection_hold_time: f64,
    /// The longest, in seconds.
    pub max_connection_hold_time: f64,
    /// Pings before hand-out that failed or timed out.
    pub validation_failures: u64,
    /// Hooks that failed or panicked.
    pub hook_failures: u64,
    /// Health checks ([`Pool::ping`]) that failed.
    pub health_check_failures: u64,
    /// When the last health check ([`Pool::ping`]) ended; `None` before the first.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::time"))]
    pub last_health_check: Option<SystemTime>,
    /// Checkouts that had to wait because neither an idle connection nor room for another was there.
    pub pool_exhausted_count: u64,
    /// Checkouts refused because as many callers waited as the setting max_waiting admits.
    pub overloaded_count: u64,
    /// The last connect error, in words.
    pub last_error: Option<String>,
    /// When it occurred.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::time"))]
    pub last_error_at: Option<SystemTime>,
    /// The most that were out at once.
    pub peak_checked_out: u64,
    /// The most that were open at once.
    pub peak_total: u64,
    /// The most callers that waited at once.
    pub peak_waiting: u64,
    /// The settings in force.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::settings"))]
    pub configuration: Settings,
    /// Who holds a connection now, the longest first.
    pub holders: Vec<Holder>,
    /// For how long the leak condition has held.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::seconds"))]
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
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::location"))]
    pub location: &'static Location<'static>,
    /// Since the hand-out.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_json::duration"))]
    pub held_for: Duration,
    /// The connection's id within its pool.
    pub connection_id: u64,
}

impl<M: Manager> Pool<M> {
    /// One consistent snapshot. Takes the pool's lock for a moment; asks no server.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner().status()
    }

    /// Whether the pool is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }
}

impl Status {
    /// Whether the pool is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health != Health::Critical
    }

    /// Whether overflow has been used up, with more than 90 % of the capacity out, for longer than `threshold` without a
    /// break.
    #[must_use]
    pub fn leaking_for(&self, threshold: Duration) -> bool {
        self.full_for.is_some_and(|full| full > threshold)
    }
}

impl<M: Manager> Inner<M> {
    pub(crate) fn status(&self) -> Status {
        if self.home.is_left() {
            let mut status = self.snapshot(&Queue::new());
            status.recommendations = vec![format!(
                "This process was forked off from the one that built the pool: {FORK_FIRST}."
            )];
            return status;
        }
        let mut status = self.snapshot(&self.queue.lock());
        status
            .holders
            .sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        status.leak_detected = status.leaking_for(self.settings.leak_after);
        status.recommendations = recommendations(&status);
        status
    }

    /// `QueuePool` or `NullPool`.
    pub(crate) fn pool_type(&self) -> &'static str {
        match self.mode {
            Mode::Queue => "QueuePool",
            Mode::Null => "NullPool",
        }
    }

    fn snapshot(&self, queue: &Queue<M>) -> Status {
        let queue_mode = self.mode == Mode::Queue;
        let size = if queue_mode {
            u64::from(self.settings.pool_size)
        } else {
            0
        };
        let now = self.clock.now();
        let counters = &queue.counters;
        let (total, checked_out) = (counters.total(), counters.out());
        let of = |whole: u64| {
            if whole == 0 {
                0.0
            } else {
                checked_out as f64 / whole as f64 * 100.0
            }
        };
        let utilization = of(if queue_mode { size } else { self.capacity }).min(100.0);
        let capacity_utilization = of(self.capacity);
        let holder = |record: &crate::counters::HolderRecord| Holder {
            thread: record.thread.clone(),
            location: record.location,
            held_for: now.saturating_duration_since(record.since),
            connection_id: record.connection_id,
        };
        Status {
            name: self.name.to_string(),
            pool_type: self.pool_type(),
            size,
            checked_in: total - checked_out,
            checked_out,
            overflow: if queue_mode {
                total.saturating_sub(size)
            } else {
                0
            },
            total,
            max_overflow: u64::from(self.settings.max_overflow),
            total_capacity: self.capacity,
            utilization,
            capacity_utilization,
            health: health(utilization, capacity_utilization),
            leak_detected: false,
            recommendations: Vec::new(),
            active_connections: checked_out,
            idle_connections: queue.idle.len() as u64,
            opening_connections: queue.opening() as u64,
            abandoned: queue.hung as u64,
            waiting_requests: queue.waiters.len() as u64,
            total_connections_created: counters.created,
            total_connections_closed: counters.closed,
            closed_by_reason: counters.closed_by_reason().collect(),
            detached: counters.detached,
            checkouts: counters.checkouts,
            checkins: counters.checkins,
            connection_errors: counters.connection_errors,
            connection_timeouts: counters.connection_timeouts,
            avg_connection_acquisition_time: counters.acquisition.mean(),
            max_connection_acquisition_time: counters.acquisition.max.as_secs_f64(),
            avg_connection_hold_time: counters.hold.mean(),
            max_connection_hold_time: counters.hold.max.as_secs_f64(),
            validation_failures: counters.validation_failures,
            hook_failures: counters.hook_failures,
            health_check_failures: counters.health_check_failures,
            last_health_check: counters.last_health_check,
            pool_exhausted_count: counters.exhausted,
            overloaded_count: counters.overloaded,
            last_error: counters
                .last_error
                .as_ref()
                .map(|last| last.error.to_string()),
            last_error_at: counters.last_error.as_ref().map(|last| last.at),
            peak_checked_out: counters.peak_checked_out,
            peak_total: counters.peak_total,
            peak_waiting: counters.peak_waiting,
            configuration: self.settings.clone(),
            holders: queue.holders.iter().map(holder).collect(),
            full_for: queue
                .full_since
                .map(|since| now.saturating_duration_since(since)),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.configuration;
        writeln!(f, "Pool Type: {}", self.pool_type)?;
        writeln!(f, "Size: {}", self.size)?;
        writeln!(f, "Max Overflow: {}", self.max_overflow)?;
        writeln!(f, "Total Capacity: {}", self.total_capacity)?;
        writeln!(f, "Timeout: {:.1}s", settings.timeout.as_secs_f64())?;
        if settings.recycle == Duration::MAX {
            writeln!(f, "Recycle: never")?;
        } else {
            writeln!(f, "Recycle: {}s", settings.recycle.as_secs())?;
        }
        writeln!(f, "Pre-ping: {}", pre_ping_words(settings.pre_ping))?;
        writeln!(f, "Checked Out: {}", self.checked_out)?;
        writeln!(f, "Checked In: {}", self.checked_in)?;
        writeln!(f, "Overflow: {}", self.overflow)?;
        writeln!(f, "Utilization: {:.1}%", self.utilization)?;
        writeln!(f, "Health: {}", self.health)?;
        writeln!(
            f,
            "Waiting: {} now, {} at most",
            self.waiting_requests, self.peak_waiting
        )?;
        writeln!(
            f,
            "Checkouts: {}, mean wait {:.3} ms, longest {:.3} ms, {} timed out",
            self.checkouts,
            self.avg_connection_acquisition_time * 1e3,
            self.max_connection_acquisition_time * 1e3,
            self.connection_timeouts
        )?;
        writeln!(
            f,
            "Connections: {} opened, {} closed, {} failed to open",
            self.total_connections_created, self.total_connections_closed, self.connection_errors
        )?;
        if let Some(error) = &self.last_error {
            writeln!(f, "Last Error: {error}")?;
        }
        for holder in self.holders.iter().take(10) {
            writeln!(
                f,
                "Holder: connection {} for {:.1}s by {} at {}:{}",
                holder.connection_id,
                holder.held_for.as_secs_f64(),
                holder.thread,
                holder.location.file(),
                holder.location.line()
            )?;
        }
        writeln!(f, "Recommendations:")?;
        for advice in &self.recommendations {
            writeln!(f, "  - {advice}")?;
        }
        Ok(())
    }
}

fn pre_ping_words(pre_ping: PrePing) -> String {
    match pre_ping {
        PrePing::Never => "off".to_owned(),
        PrePing::Always => "always".to_owned(),
        PrePing::IdleFor(window) => format!("on (unless proved alive within {window:?})"),
    }
}

#[cfg(feature = "serde")]
mod as_json {
    use super::{Duration, Location, Settings, SystemTime};
    use serde::Serializer;

    pub(super) fn duration<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    #[allow(clippy::ref_option)] // serde's signature
    pub(super) fn seconds<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    /// RFC 3339 in UTC.
    #[allow(clippy::ref_option)] // serde's signature
    pub(super) fn time<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&humantime::format_rfc3339_millis(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn location<S: Serializer>(
        location: &&'static Location<'static>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", location.file(), location.line()))
    }

    pub(super) fn settings<S: Serializer>(
        settings: &Settings,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("configuration", 5)?;
        out.serialize_field("pool_size", &settings.pool_size)?;
        out.serialize_field("max_overflow", &settings.max_overflow)?;
        out.serialize_field("timeout", &settings.timeout.as_secs_f64())?;
        out.serialize_field("recycle", &settings.recycle.as_secs_f64())?;
        out.serialize_field(
            "pre_ping",
            &(settings.pre_ping != crate::settings::PrePing::Never),
        )?;
        out.end()
    }
}
