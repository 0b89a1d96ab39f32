//! Taking a snapshot: what is read under the gate's lock, and what is computed from it afterwards.

use std::time::SystemTime;

use crate::base::fork::FORK_FIRST;
use crate::base::sync::Mutex;
use crate::contract::driver::Manager;
use crate::gate::reading::Reading;
use crate::lifecycle::shared::Shared;
use crate::observe::health::health;
use crate::observe::history::{History, LastHour, Recent};
use crate::observe::judgement::recommendations;
use crate::observe::status::{Holder, Status};
use crate::settings::Mode;

impl<M: Manager> Shared<M> {
    pub(crate) fn status(&self, history: &Mutex<History>) -> Status {
        // In a forked child, a lock may have been held at the fork, for ever. So none is taken.
        if self.home.is_left() {
            let mut status = self.describe_reading(Reading::empty(), None, None);
            status.recommendations = vec![format!(
                "This process was forked off from the one that built the pool: {FORK_FIRST}."
            )];
            return status;
        }
        let (recent, last_hour) = {
            let history = history.lock();
            (history.recent, history.last_hour)
        };
        // The list is allocated before the lock is taken, and all texts are composed after it is released, so that a snapshot
        // holds up nobody for long.
        let holders = Vec::with_capacity(self.capacity.min(1024) as usize);
        let reading = self.gate.read(holders);
        let mut status = self.describe_reading(reading, recent, last_hour);
        status.recommendations = recommendations(&status);
        status
    }

    fn describe_reading(
        &self,
        reading: Reading,
        recent: Option<Recent>,
        last_hour: Option<LastHour>,
    ) -> Status {
        let Reading {
            taken,
            closed,
            counters,
            idle,
            opening,
            in_connect_hook,
            hung,
            hung_connects,
            waiting,
            full_since,
            server_full_since,
            server_full_lately,
            unreachable_for,
            connects_fail_for,
            database_error,
            exhausted_for,
            unsuited,
            server_limit,
            holders,
        } = reading;
        // The last hour also includes what happened after the last sample.
        let last_hour = last_hour.map(|hour| LastHour {
            peak_checked_out: hour.peak_checked_out.max(counters.recent_checked_out),
            peak_total: hour.peak_total.max(counters.recent_total),
            ..hour
        });
        let queue_mode = self.mode == Mode::Queue;
        let size = if queue_mode {
            u64::from(self.settings.pool_size)
        } else {
            0
        };
        let now = self.clock.now();
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
        let full_for = full_since.map(|since| now.saturating_duration_since(since));
        let mut holders: Vec<Holder> = holders
            .into_iter()
            .map(|record| Holder {
                thread: record.thread,
                location: record.location,
                line: None,
                held_for: now.saturating_duration_since(record.since),
                connection_id: record.connection_id,
            })
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        let counts = counters.counts;
        let (last_check, last_error) = (&counters.last_health_check, &counters.last_error);
        Status {
            name: self.name.to_string(),
            at: SystemTime::now(),
            taken: Some(taken),
            uptime: now.saturating_duration_since(self.built),
            closed,
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
            health: health(utilization, capacity_utilization, &self.settings),
            leak_detected: full_for.is_some_and(|full| full > self.settings.leak_after),
            recommendations: Vec::new(),
            active_connections: checked_out,
            idle_connections: idle,
            opening_connections: opening,
            in_connect_hook,
            abandoned: hung,
            hung_connects,
            abandoned_connects: counts.abandoned_connects,
            waiting_requests: waiting,
            total_connections_created: counts.created,
            total_connections_closed: counts.closed,
            closed_by_reason: counters.closed_by_reason().collect(),
            detached: counts.detached,
            checkouts: counts.checkouts,
            failed_checkouts: counts.failed_checkouts,
            waited: counts.waited,
            checkins: counts.checkins,
            connection_errors: counts.connection_errors,
            refused_full: counts.refused_full,
            full_since: server_full_since,
            connection_timeouts: counts.connection_timeouts,
            avg_connection_acquisition_time: counters.acquisition.mean(),
            max_connection_acquisition_time: counters.acquisition.max(),
            avg_connection_hold_time: counters.hold.mean(),
            max_connection_hold_time: counters.hold.max(),
            validation_failures: counts.validation_failures,
            hook_failures: counts.hook_failures,
            health_check_failures: counts.health_check_failures,
            last_health_check: last_check.as_ref().map(|check| check.at),
            last_health_check_error: last_check
                .as_ref()
                .and_then(|check| check.error.as_ref())
                .map(ToString::to_string),
            database_error: database_error.map(|error| error.to_string()),
            pool_exhausted_count: counts.exhausted,
            overloaded_count: counts.overloaded,
            last_error: last_error.as_ref().map(|last| last.error.to_string()),
            last_error_at: last_error.as_ref().map(|last| last.at),
            peak_checked_out: counters.peak_checked_out.value,
            peak_checked_out_at: counters.peak_checked_out.at,
            peak_total: counters.peak_total.value,
            peak_total_at: counters.peak_total.at,
            peak_waiting: counters.peak_waiting.value,
            peak_waiting_at: counters.peak_waiting.at,
            connection_acquisition_time: counters.acquisition,
            connection_hold_time: counters.hold,
            recent,
            last_hour,
            #[cfg(feature = "serde")]
            server_limit_as_json: server_limit
                .map(|limit| crate::observe::as_json::SharedLimit::new(limit, self.capacity)),
            server_limit,
            configuration: self.settings.clone(),
            holders,
            unreachable_for,
            connects_fail_for,
            exhausted_for,
            unsuited_for: unsuited.map(|one| now.saturating_duration_since(one.since)),
            unsuited_in_vain: unsuited.is_some_and(|one| one.in_vain),
            full_lately: server_full_lately,
            full_for,
            replica_lag: None,
            passed_over: None,
        }
    }
}
