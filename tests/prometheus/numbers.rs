//! Every number equals that of the status.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use queuepool::{CloseReason, Health, Histogram, PrePing, Registry, Status, prometheus};

use crate::exposition::{Exposition, Form, Labels, labels, read};
use crate::subject::{ODD, settings, subject};
use support::scripted::Server;

fn scrape(registry: &Registry) -> Exposition {
    read(&prometheus::text(registry), Form::Prometheus)
}

fn unix(time: Option<SystemTime>) -> Option<f64> {
    let since = time?.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Some(since.as_secs_f64())
}

/// Everything that one pool exports, except the buckets of its histograms.
fn expected(pool: &str, status: &Status) -> BTreeMap<(String, Labels), f64> {
    let settings = &status.configuration;
    let recycle = settings.recycle;
    let whole = [
        ("size", status.size),
        ("max_overflow", status.max_overflow),
        ("capacity", status.total_capacity),
        ("min_pool_size", settings.min_pool_size.into()),
        ("pre_ping", (settings.pre_ping != PrePing::Never).into()),
        ("checked_out", status.checked_out),
        ("checked_in", status.checked_in),
        ("idle", status.idle_connections),
        ("open", status.total),
        ("overflow", status.overflow),
        ("opening", status.opening_connections),
        ("in_connect_hook", status.in_connect_hook),
        ("waiting", status.waiting_requests),
        ("leak_detected", status.leak_detected.into()),
        ("unsuited", status.unsuited_for.is_some().into()),
        ("closed", status.closed.into()),
        (
            "wait_time_count",
            status.connection_acquisition_time.count(),
        ),
        (
            "hold_time_seconds_count",
            status.connection_hold_time.count(),
        ),
        ("checkouts_total", status.checkouts),
        ("failed_checkouts_total", status.failed_checkouts),
        ("waited_total", status.waited),
        ("checkins_total", status.checkins),
        (
            "connections_created_total",
            status.total_connections_created,
        ),
        ("connections_detached_total", status.detached),
        ("connection_errors_total", status.connection_errors),
        ("refused_full_total", status.refused_full),
        ("connection_timeouts_total", status.connection_timeouts),
        ("exhausted_total", status.pool_exhausted_count),
        ("overloaded_total", status.overloaded_count),
        ("validation_failures_total", status.validation_failures),
        ("hook_failures_total", status.hook_failures),
        ("abandoned_connects_total", status.abandoned_connects),
        ("abandoned_calls", status.abandoned),
        ("hung_connects", status.hung_connects),
        ("health_check_failures_total", status.health_check_failures),
        ("peak_checked_out", status.peak_checked_out),
        ("peak_open", status.peak_total),
        ("peak_waiting", status.peak_waiting),
    ];
    let holder = status.holders.first().map(|holder| holder.held_for);
    let real = [
        ("timeout_seconds", Some(settings.timeout.as_secs_f64())),
        (
            "recycle_seconds",
            Some(if recycle == Duration::MAX {
                f64::INFINITY
            } else {
                recycle.as_secs_f64()
            }),
        ),
        ("utilization", Some(status.utilization)),
        ("capacity_utilization", Some(status.capacity_utilization)),
        (
            "full_for_seconds",
            Some(status.full_for.unwrap_or_default().as_secs_f64()),
        ),
        (
            "longest_holder_seconds",
            Some(holder.unwrap_or_default().as_secs_f64()),
        ),
        (
            "wait_time_sum",
            Some(status.connection_acquisition_time.sum()),
        ),
        (
            "hold_time_seconds_sum",
            Some(status.connection_hold_time.sum()),
        ),
        (
            "wait_time_max_seconds",
            Some(status.max_connection_acquisition_time),
        ),
        (
            "hold_time_max_seconds",
            Some(status.max_connection_hold_time),
        ),
        (
            "last_health_check_timestamp_seconds",
            unix(status.last_health_check),
        ),
        (
            "database_up",
            status.last_health_check.map(|_| {
                if status.database_error.is_none() {
                    1.0
                } else {
                    0.0
                }
            }),
        ),
        ("last_error_timestamp_seconds", unix(status.last_error_at)),
        (
            "peak_checked_out_timestamp_seconds",
            unix(status.peak_checked_out_at),
        ),
        ("peak_open_timestamp_seconds", unix(status.peak_total_at)),
        (
            "peak_waiting_timestamp_seconds",
            unix(status.peak_waiting_at),
        ),
        (
            "server_max_connections",
            status
                .server_limit
                .map(|limit| limit.max_connections as f64),
        ),
        (
            "server_reserved_connections",
            status.server_limit.map(|limit| limit.reserved as f64),
        ),
        (
            "replica_lag_seconds",
            status.replica_lag.map(|lag| lag.as_secs_f64()),
        ),
        (
            "replica_passed_over",
            Some(f64::from(u8::from(status.passed_over.is_some()))),
        ),
    ];
    let mut all = BTreeMap::new();
    let mut put = |name: &str, more: &[(&str, &str)], value: f64| {
        all.insert((format!("db_pool_{name}"), labels(pool, more)), value);
    };
    for (name, value) in whole {
        put(name, &[], value as f64);
    }
    for (name, value) in real {
        if let Some(value) = value {
            put(name, &[], value);
        }
    }
    for health in [Health::Healthy, Health::Warning, Health::Critical] {
        let is = if status.health == health { 1.0 } else { 0.0 };
        put("health", &[("state", &health.to_string())], is);
    }
    for reason in [
        CloseReason::Overflow,
        CloseReason::NullPool,
        CloseReason::Recycled,
        CloseReason::IdleTimeout,
        CloseReason::Lost,
        CloseReason::ValidationFailed,
        CloseReason::ResetFailed,
        CloseReason::HookFailed,
        CloseReason::Invalidated,
        CloseReason::Panicked,
        CloseReason::Owed,
        CloseReason::OverShare,
        CloseReason::Unsuited,
        CloseReason::PoolClosed,
    ] {
        let count = status.closed_by_reason.get(&reason).copied().unwrap_or(0);
        put(
            "connections_closed_total",
            &[("reason", &reason.to_string())],
            count as f64,
        );
    }
    put(
        "info",
        &[("pool_type", status.pool_type), ("name", &status.name)],
        1.0,
    );
    all
}

/// The buckets of one histogram as (bound, cumulative count), in order.
fn buckets(scrape: &Exposition, name: &str, pool: &str) -> Vec<(f64, f64)> {
    let mut buckets: Vec<(f64, f64)> = scrape
        .samples
        .iter()
        .filter(|((sample, labels), _)| {
            *sample == format!("{name}_bucket") && labels["pool"] == pool
        })
        .map(|((_, labels), count)| (labels["le"].parse().unwrap(), *count))
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    buckets
}

#[test]
fn every_number_is_that_of_the_status_and_none_is_missing() {
    let subject = subject();
    let scrape = scrape(&subject.registry);
    let statuses = subject.registry.status();
    assert_eq!(statuses.len(), 6);
    let mut all = BTreeMap::new();
    for (name, status) in &statuses {
        all.extend(expected(name, status));
    }
    let mut found = scrape.samples;
    found.retain(|(name, _), _| !name.ends_with("_bucket"));
    for (key, value) in &all {
        assert_eq!(found.get(key), Some(value), "{key:?}");
    }
    found.retain(|key, _| !all.contains_key(key));
    assert!(found.is_empty(), "unexpected: {found:?}");
}

/// Otherwise two numbers that were swapped would go unnoticed.
#[test]
fn the_subjects_counts_are_all_different() {
    let subject = subject();
    let status = subject.busy.status();
    let mut counts = [
        status.validation_failures,
        status.hook_failures,
        status.health_check_failures,
        status.connection_timeouts,
        status.pool_exhausted_count,
        status.connection_errors,
        status.detached,
        status.overloaded_count,
        status.checkouts,
        status.checkins,
        status.total_connections_created,
        status.total_connections_closed,
        0,
    ];
    counts.sort_unstable();
    assert!(
        counts.windows(2).all(|pair| pair[0] < pair[1]),
        "{status:#?}"
    );
    assert!(status.leak_detected && status.full_for == Some(Duration::from_secs(41)));
    let statuses = subject.registry.status();
    let hung = &statuses["hung"];
    let counts = [
        0,
        hung.hung_connects,
        hung.abandoned,
        hung.abandoned_connects,
    ];
    assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{hung:#?}");
    let opening = &statuses["opening"];
    assert_eq!(
        (opening.opening_connections, opening.waiting_requests),
        (2, 2)
    );
    assert_eq!(
        (statuses[ODD].checked_in, statuses["null"].checked_out),
        (1, 1)
    );
}

fn assert_buckets(scrape: &Exposition, name: &str, pool: &str, times: &Histogram) {
    let buckets = buckets(scrape, name, pool);
    assert_eq!(buckets.len(), 32);
    for (bound, count) in &buckets {
        let within = times
            .buckets()
            .filter(|(end, _)| *end <= bound + 1e-9 * (1.0 + 1e-6))
            .map(|(_, count)| count)
            .sum::<u64>();
        assert_eq!(*count, within as f64, "{name} of {pool} up to {bound}");
    }
    assert_eq!(buckets[31], (f64::INFINITY, times.count() as f64));
    assert_eq!(
        scrape.value(&format!("{name}_count"), pool, &[]),
        buckets[31].1
    );
    assert_eq!(scrape.value(&format!("{name}_sum"), pool, &[]), times.sum());
}

#[test]
fn buckets_are_cumulated_counts_with_the_same_bounds_at_every_scrape() {
    let subject = subject();
    let scrape = scrape(&subject.registry);
    let status = subject.busy.status();
    assert!(status.connection_hold_time.count() > 2);
    assert_buckets(
        &scrape,
        "db_pool_wait_time",
        "busy",
        &status.connection_acquisition_time,
    );
    assert_buckets(
        &scrape,
        "db_pool_hold_time_seconds",
        "busy",
        &status.connection_hold_time,
    );
    let bounds = |pool| -> Vec<f64> {
        let buckets = buckets(&scrape, "db_pool_hold_time_seconds", pool);
        buckets.iter().map(|(bound, _)| *bound).collect()
    };
    assert_eq!(bounds("busy"), bounds(ODD));
    assert_eq!(
        (bounds("busy")[0], bounds("busy")[30]),
        (1.023e-6, 1_099.511_627_775)
    );
}

#[test]
fn a_bucket_contains_its_bound_and_nothing_longer() {
    let (pool, clock) = Server::new().pool_with_clock(settings(1, 0));
    let bound = Duration::from_nanos((1 << 30) - 1);
    for hold in [bound, bound + Duration::from_nanos(1)] {
        let held = pool.get().unwrap();
        clock.advance(hold);
        drop(held);
    }
    let registry = Registry::new().add("one", pool).unwrap();
    let scrape = scrape(&registry);
    let buckets = buckets(&scrape, "db_pool_hold_time_seconds", "one");
    let at = buckets
        .iter()
        .position(|(end, _)| *end == bound.as_secs_f64())
        .unwrap();
    let counts: Vec<f64> = buckets[at - 1..=at + 1]
        .iter()
        .map(|(_, count)| *count)
        .collect();
    assert_eq!(counts, [0.0, 1.0, 2.0]);
}

#[test]
fn counters_never_fall_and_no_series_goes_away() {
    let mut subject = subject();
    let registry = subject.registry.clone();
    let mut before = scrape(&registry);
    let checkouts = before.value("db_pool_checkouts_total", "busy", &[]);
    for round in 0..20 {
        if round % 3 == 0 {
            subject.out.pop();
        } else if let Ok(Some(taken)) = subject.busy.try_get() {
            subject.out.push(taken);
        }
        subject.clock.advance(Duration::from_millis(7));
        let now = scrape(&registry);
        for (key, value) in &before.samples {
            let after = now.samples.get(key);
            let after = *after.unwrap_or_else(|| panic!("has disappeared: {key:?}"));
            let family = now
                .families
                .get(&key.0)
                .map_or("histogram", |family| &family.kind);
            if family != "gauge" {
                assert!(after >= *value, "{key:?} fell from {value} to {after}");
            }
        }
        before = now;
    }
    let more = before.value("db_pool_checkouts_total", "busy", &[]) - checkouts;
    assert!(more > 5.0, "only {more} checkouts in between");
}
