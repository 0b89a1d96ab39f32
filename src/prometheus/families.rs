//! Which metrics there are, what each of them counts, and where in a snapshot its value stands.

use std::time::SystemTime;

use crate::contract::connection_info::CloseReason;
use crate::contract::counts::definition;
use crate::observe::health::Health;
use crate::prometheus::family::{Family, Read, counter, family, gauge, in_seconds, real, time};
use crate::settings::PrePing;

fn since_epoch(moment: Option<SystemTime>) -> Option<f64> {
    moment?
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs_f64())
}

pub(super) static FAMILIES: &[Family] = &[
    family(
        "db_pool",
        "What the pool is: its type, and the name it was built with, which also appears in its log lines. Always 1.",
        Read::Info(|status| {
            vec![
                ("pool_type", status.pool_type.to_owned()),
                ("name", status.name.clone()),
            ]
        }),
    ),
    gauge(
        "db_pool_size",
        "Connections kept open between uses (setting pool_size); 0 in null mode. Does not count max_overflow.",
        |status| Some(status.size),
    ),
    gauge(
        "db_pool_max_overflow",
        "Connections that may be opened beyond pool_size under load (setting max_overflow).",
        |status| Some(status.max_overflow),
    ),
    gauge(
        "db_pool_capacity",
        "The most connections that the pool may have: pool_size + max_overflow, in null mode too.",
        |status| Some(status.total_capacity),
    ),
    gauge(
        "db_pool_min_pool_size",
        "Connections opened ahead of demand (setting min_pool_size).",
        |status| Some(status.configuration.min_pool_size.into()),
    ),
    time(
        "db_pool_timeout",
        "The longest that a checkout may take (setting timeout).",
        |status| Some(status.configuration.timeout.as_secs_f64()),
    ),
    time(
        "db_pool_recycle",
        "The maximum age of a connection (setting recycle), before its jitter; infinite for never.",
        |status| {
            let recycle = status.configuration.recycle;
            let never = recycle == std::time::Duration::MAX;
            Some(if never {
                f64::INFINITY
            } else {
                recycle.as_secs_f64()
            })
        },
    ),
    gauge(
        "db_pool_pre_ping",
        "Whether connections are tested before hand-out (setting pre_ping): 0 for never, otherwise 1.",
        |status| Some((status.configuration.pre_ping != PrePing::Never).into()),
    ),
    gauge(
        "db_pool_checked_out",
        "Connections in users' hands now. Does not count detached ones.",
        |status| Some(status.checked_out),
    ),
    gauge(
        "db_pool_checked_in",
        "Open connections that are not in users' hands: those that are idle, and those being pinged, reset or closed.",
        |status| Some(status.checked_in),
    ),
    gauge(
        "db_pool_idle",
        "Connections ready to be handed out. Does not count those being pinged, reset or closed.",
        |status| Some(status.idle_connections),
    ),
    gauge(
        "db_pool_open",
        "Connections open now, whether or not in users' hands. Does not count those being opened, abandoned or detached.",
        |status| Some(status.total),
    ),
    gauge(
        "db_pool_overflow",
        "Connections open beyond pool_size; 0 while no more than pool_size are open, and in null mode.",
        |status| Some(status.overflow),
    ),
    gauge(
        "db_pool_opening",
        "Connections being opened now. Does not count abandoned connects.",
        |status| Some(status.opening_connections),
    ),
    gauge(
        "db_pool_waiting",
        "Callers in the queue now, including those who wait for their own connect or sleep between attempts.",
        |status| Some(status.waiting_requests),
    ),
    real(
        "db_pool_utilization",
        "Connections in users' hands as a share of pool_size, in percent, at most 100; in null mode, as a share of the capacity.",
        |status| Some(status.utilization),
    ),
    real(
        "db_pool_capacity_utilization",
        "Connections in users' hands as a share of pool_size + max_overflow, in percent.",
        |status| Some(status.capacity_utilization),
    ),
    family(
        "db_pool_health",
        "1 for the state that the pool is in, 0 for the others. Says how close the pool is to its limits, not whether the \
         database answers.",
        Read::GaugeBy("state", |status| {
            [Health::Healthy, Health::Warning, Health::Critical]
                .map(|health| (health.to_string(), u64::from(health == status.health)))
                .into()
        }),
    ),
    gauge(
        "db_pool_unsuited",
        "1 while the pool is on read-only servers although it had been on one that accepts writes, otherwise 0.",
        |status| Some(status.unsuited_for.is_some().into()),
    ),
    gauge(
        "db_pool_leak_detected",
        "1 while nearly all of the capacity has been out without a break for longer than the setting leak_after, otherwise 0.",
        |status| Some(status.leak_detected.into()),
    ),
    time(
        "db_pool_full_for",
        "How long nearly all of the capacity has been out without a break; 0 if it is not.",
        |status| Some(status.full_for.unwrap_or_default().as_secs_f64()),
    ),
    time(
        "db_pool_longest_holder",
        "How long the longest current holder has held its connection; 0 if none is out.",
        |status| {
            let longest = status.holders.first().map(|holder| holder.held_for);
            Some(longest.unwrap_or_default().as_secs_f64())
        },
    ),
    gauge(
        "db_pool_closed",
        "1 once the pool itself is closed, otherwise 0. Its closed connections are counted by another metric.",
        |status| Some(status.closed.into()),
    ),
    family(
        "db_pool_wait_time",
        "Time from the call to the hand-out of a connection, in seconds, for all checkouts, including those that did not have \
         to wait. Does not count those that failed.",
        Read::Histogram(|status| &status.connection_acquisition_time),
    ),
    in_seconds(
        "db_pool_hold_time",
        "Time that a connection was held, for all checkins. Does not count those still held.",
        Read::Histogram(|status| &status.connection_hold_time),
    ),
    time(
        "db_pool_wait_time_max",
        "The longest time from call to hand-out since the pool was built. Does not count checkouts that failed.",
        |status| Some(status.max_connection_acquisition_time),
    ),
    time(
        "db_pool_hold_time_max",
        "The longest time that a connection was held since the pool was built. Does not count those still held.",
        |status| Some(status.max_connection_hold_time),
    ),
    counter("db_pool_checkouts", definition!(checkouts), |status| {
        status.checkouts
    }),
    counter(
        "db_pool_failed_checkouts",
        definition!(failed_checkouts),
        |status| status.failed_checkouts,
    ),
    counter("db_pool_waited", definition!(waited), |status| {
        status.waited
    }),
    counter("db_pool_checkins", definition!(checkins), |status| {
        status.checkins
    }),
    counter(
        "db_pool_connections_created",
        definition!(created),
        |status| status.total_connections_created,
    ),
    family(
        "db_pool_connections_closed",
        "Connections that the pool closed, by reason. Does not count detached ones.",
        Read::CounterBy("reason", |status| {
            CloseReason::ALL
                .map(|reason| {
                    let count = status.closed_by_reason.get(&reason);
                    (reason.to_string(), count.copied().unwrap_or(0))
                })
                .into()
        }),
    ),
    counter(
        "db_pool_connections_detached",
        definition!(detached),
        |status| status.detached,
    ),
    counter(
        "db_pool_connection_errors",
        definition!(connection_errors),
        |status| status.connection_errors,
    ),
    counter(
        "db_pool_refused_full",
        definition!(refused_full),
        |status| status.refused_full,
    ),
    counter(
        "db_pool_connection_timeouts",
        definition!(connection_timeouts),
        |status| status.connection_timeouts,
    ),
    counter("db_pool_exhausted", definition!(exhausted), |status| {
        status.pool_exhausted_count
    }),
    counter("db_pool_overloaded", definition!(overloaded), |status| {
        status.overloaded_count
    }),
    counter(
        "db_pool_validation_failures",
        definition!(validation_failures),
        |status| status.validation_failures,
    ),
    counter(
        "db_pool_hook_failures",
        definition!(hook_failures),
        |status| status.hook_failures,
    ),
    counter(
        "db_pool_abandoned_connects",
        definition!(abandoned_connects),
        |status| status.abandoned_connects,
    ),
    gauge(
        "db_pool_in_connect_hook",
        "Connections that are open but not ready because their connect hooks have not returned.",
        |status| Some(status.in_connect_hook),
    ),
    gauge(
        "db_pool_abandoned_calls",
        "Driver calls past their limit that have not returned. They hold no place of the pool.",
        |status| Some(status.abandoned),
    ),
    gauge(
        "db_pool_hung_connects",
        "Connects among the abandoned driver calls that have not returned.",
        |status| Some(status.hung_connects),
    ),
    counter(
        "db_pool_health_check_failures",
        definition!(health_check_failures),
        |status| status.health_check_failures,
    ),
    time(
        "db_pool_last_health_check_timestamp",
        "When the last health check ended, as Unix time. Does not count skipped checks; absent before the first.",
        |status| since_epoch(status.last_health_check),
    ),
    gauge(
        "db_pool_database_up",
        "Whether the database can be reached, as far as is known: 0 from a failed health check or connect until a connection \
         answers, otherwise 1. Absent before the first health check; without the monitor or a probe, nothing checks.",
        |status| {
            status
                .last_health_check
                .map(|_| status.database_error.is_none().into())
        },
    ),
    time(
        "db_pool_last_error_timestamp",
        "When a connect last failed, as Unix time; absent before the first.",
        |status| since_epoch(status.last_error_at),
    ),
    gauge(
        "db_pool_peak_checked_out",
        "The most connections that were in users' hands at once since the pool was built.",
        |status| Some(status.peak_checked_out),
    ),
    time(
        "db_pool_peak_checked_out_timestamp",
        "When db_pool_peak_checked_out was first reached, as Unix time; absent before the first checkout.",
        |status| since_epoch(status.peak_checked_out_at),
    ),
    gauge(
        "db_pool_peak_open",
        "The most connections that were open at once since the pool was built.",
        |status| Some(status.peak_total),
    ),
    time(
        "db_pool_peak_open_timestamp",
        "When db_pool_peak_open was first reached, as Unix time; absent before the first connection.",
        |status| since_epoch(status.peak_total_at),
    ),
    gauge(
        "db_pool_peak_waiting",
        "The most callers that were in the queue at once since the pool was built.",
        |status| Some(status.peak_waiting),
    ),
    time(
        "db_pool_peak_waiting_timestamp",
        "When db_pool_peak_waiting was first reached, as Unix time; absent until a caller has waited.",
        |status| since_epoch(status.peak_waiting_at),
    ),
    gauge(
        "db_pool_server_max_connections",
        "Connections that the database server accepts in all, from all its clients; absent if it has no such limit or has not \
         been asked yet.",
        |status| status.server_limit.map(|limit| limit.max_connections),
    ),
    gauge(
        "db_pool_server_reserved_connections",
        "Connections within the server's limit that it reserves for administrators; absent if the limit is.",
        |status| status.server_limit.map(|limit| limit.reserved),
    ),
    time(
        "db_pool_replica_lag",
        "How far this replica was behind its primary when it was last asked; absent if unknown, and for other pools.",
        |status| status.replica_lag.map(|lag| lag.as_secs_f64()),
    ),
    gauge(
        "db_pool_replica_passed_over",
        "1 while reads pass this replica over because it is down or too far behind, otherwise 0.",
        |status| Some(status.passed_over.is_some().into()),
    ),
];
