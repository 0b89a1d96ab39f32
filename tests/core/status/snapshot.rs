//! One snapshot is of one instant.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::SystemTime;

use queuepool::{Connection, ErrorClass, PrePing, Retry, Settings, Status};

use support::scripted::*;

/// What holds in every snapshot, whatever the pool is doing.
#[track_caller]
fn assert_whole(status: &Status) {
    assert_laws(status);
    assert_eq!(status.checked_in + status.checked_out, status.total);
    assert_eq!(status.holders.len() as u64, status.checked_out);
    assert_eq!(status.active_connections, status.checked_out);
    assert_eq!(status.overflow, status.total.saturating_sub(status.size));
    assert!(status.total + status.opening_connections <= status.total_capacity);
    assert!(status.idle_connections <= status.checked_in.min(status.size));
    assert!(status.checked_out <= status.peak_checked_out);
    assert!(status.total <= status.peak_total && status.peak_total <= status.total_capacity);
    assert!(status.waiting_requests <= status.peak_waiting);
    assert!((0.0..=100.0).contains(&status.utilization));
    assert!((0.0..=100.0).contains(&status.capacity_utilization));
    assert_eq!(status.connection_acquisition_time.count(), status.checkouts);
    assert_eq!(status.connection_hold_time.count(), status.checkins);
    assert_eq!(
        status.closed_by_reason.values().sum::<u64>(),
        status.total_connections_closed
    );
    assert!(status.connection_acquisition_time.max() >= status.avg_connection_acquisition_time);
    assert!(status.hung_connects <= status.abandoned);
    assert!(status.hung_connects <= status.abandoned_connects);
}

#[test]
fn snapshots_are_never_torn_under_load() {
    let server = Server::new();
    server.on_connect(|n| match n % 7 {
        3 => Act::Fail(ErrorClass::Transient),
        _ => Act::Succeed,
    });
    let settings = Settings::default()
        .pool_size(3)
        .max_overflow(3)
        .pre_ping(PrePing::Always)
        .timeout(millis(20))
        .retry(Retry::default().initial_delay(millis(1)));
    let pool = server.pool(settings);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (pool, done) = (&pool, &done);
            scope.spawn(move || {
                for turn in 0_u64.. {
                    if done.load(SeqCst) {
                        return;
                    }
                    // If a checkout times out under this load, that is counted too.
                    let Ok(connection) = pool.get() else { continue };
                    match (turn + worker) % 11 {
                        0 => Connection::invalidate(connection),
                        1 => Connection::detach(connection).discount(),
                        _ => drop(connection),
                    }
                }
            });
        }
        let mut last = pool.status();
        while last.checkouts < 20_000 {
            let status = pool.status();
            assert_whole(&status);
            assert!(status.checkouts >= last.checkouts && status.checkins >= last.checkins);
            last = status;
        }
        done.store(true, SeqCst);
    });
    assert_whole(&pool.status());
}

#[test]
fn a_peak_tells_when_it_was_reached_and_stays() {
    let pool = Server::new().pool(Settings::default().pool_size(2).max_overflow(1));
    let none = pool.status();
    assert_eq!((none.peak_checked_out_at, none.peak_total_at), (None, None));
    let before = SystemTime::now();
    let both = (pool.get().unwrap(), pool.get().unwrap());
    let reached = pool.status();
    drop(both);
    let _one = pool.get().unwrap();
    let status = pool.status();
    assert_eq!((status.peak_checked_out, status.peak_total), (2, 2));
    assert_eq!(status.peak_checked_out_at, reached.peak_checked_out_at);
    assert!(status.peak_checked_out_at.is_some_and(|at| at >= before));
    assert!(status.peak_waiting_at.is_some());
}

#[test]
fn a_connect_past_its_limit_is_hung_until_it_returns_and_abandoned_for_good() {
    let server = Server::new();
    let (gate, script) = gated(|n| n == 0);
    server.on_connect(script);
    let settings = Settings::default()
        .connect_timeout(millis(50))
        .retry(Retry::default().max_attempts(1));
    let pool = server.pool(settings);
    pool.get().unwrap_err();
    let status = pool.status();
    assert_eq!((status.hung_connects, status.abandoned), (1, 1));
    assert_eq!(
        (status.abandoned_connects, status.connection_errors),
        (1, 1)
    );
    gate.open();
    eventually("the hung connect has returned", || {
        pool.status().hung_connects == 0
    });
    assert_eq!(pool.status().abandoned_connects, 1);
}

#[test]
fn the_thresholds_of_health_can_be_set() {
    let settings = Settings::default().pool_size(10).max_overflow(0);
    let health_of = |settings: Settings, out: usize| {
        let pool = Server::new().pool(settings);
        let _held: Vec<_> = (0..out).map(|_| pool.get().unwrap()).collect();
        pool.status().health.to_string()
    };
    assert_eq!(health_of(settings.clone(), 6), "healthy");
    assert_eq!(
        health_of(settings.clone().warning_utilization(60.0), 6),
        "warning"
    );
    assert_eq!(health_of(settings.clone(), 10), "critical");
    assert_eq!(
        health_of(settings.clone().critical_utilization(50.0), 6),
        "critical"
    );
    assert_eq!(
        health_of(settings.critical_utilization(100.0), 10),
        "warning"
    );
}
