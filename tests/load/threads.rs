//! Many callers at once: light (10 threads), heavy (50 threads), 60 connections at once, and 1,000 threads.

use std::sync::Barrier;

use queuepool::{CloseReason, Database, Mode, PrePing, Settings};

use crate::backend::{Backend, ask, assert_all_given_back, closed, on_each, on_threads, settings};
use support::scripted::{Gate, assert_laws, eventually, secs, state};

on_each! {
    light_load_of_10_threads_is_served_by_the_kept_connections,
    heavy_load_of_50_threads_on_30_connections_waits_and_all_is_done,
    sixty_connections_at_once_come_from_20_and_40,
    a_thousand_threads_on_a_pool_of_100_all_succeed,
}

const JOBS: usize = 10;

/// Every thread writes a row for each of its jobs, each in a checkout of its own.
fn write_rows(database: &Database, threads: usize) {
    on_threads(threads, |worker| {
        for job in 0..JOBS {
            let sql = format!("INSERT INTO done VALUES ({worker}, {job})");
            assert_eq!(database.get().unwrap().execute(&sql).unwrap(), 1);
        }
    });
}

/// Asserts that each job is there exactly once. This takes two more checkouts.
fn assert_rows(database: &Database, threads: usize) {
    let count = |sql: &str| database.get().unwrap().query_i64(sql).unwrap();
    let jobs = (threads * JOBS) as i64;
    assert_eq!(count("SELECT count(*) FROM done"), jobs);
    let pairs = "SELECT count(*) FROM (SELECT DISTINCT worker, job FROM done) AS pairs";
    assert_eq!(count(pairs), jobs);
}

fn with_table(backend: &Backend, settings: Settings) -> Database {
    let database = backend.open(settings);
    let sql = "CREATE TABLE done (worker INTEGER, job INTEGER)";
    database.get().unwrap().execute(sql).unwrap();
    database
}

fn light_load_of_10_threads_is_served_by_the_kept_connections(backend: &mut Backend) {
    let database = with_table(backend, settings(10, 20));
    // Otherwise a thread that is served while its own connect is still under way may ask for another one, and occasionally
    // 11 are opened.
    database.warm_up(10).unwrap();
    let before = database.status();
    write_rows(&database, 10);
    assert_rows(&database, 10);
    let status = database.status();
    assert_all_given_back(&status, 1 + 100 + 2);
    assert_eq!((status.total_connections_created, status.total), (10, 10));
    assert_eq!(status.closed_by_reason, closed(&[]));
    assert_eq!((status.overflow, status.pool_exhausted_count), (0, 0));
    assert_eq!(status.peak_total, 10);
    assert!(status.peak_checked_out <= 10);
    assert_eq!(status.peak_waiting, before.peak_waiting);
    database.close(secs(60)).unwrap();
}

fn heavy_load_of_50_threads_on_30_connections_waits_and_all_is_done(backend: &mut Backend) {
    let database = with_table(backend, settings(10, 20));
    let gate = Gate::new();
    let observed = || {
        let status = database.status();
        assert_laws(&status);
        (status.checked_out, status.waiting_requests)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            on_threads(50, |worker| {
                let mut held = database.get().unwrap();
                gate.pass();
                ask(&mut held, worker);
            });
        });
        eventually("30 are out and 20 wait", || observed() == (30, 20));
        let status = database.status();
        assert_eq!(state(&status), (10, 0, 20, 30));
        assert_eq!((status.peak_total, status.peak_checked_out), (30, 30));
        assert!(status.peak_waiting >= 20 && status.pool_exhausted_count >= 20);
        assert_eq!(status.holders.len(), 30);
        assert!(!status.is_healthy());
        gate.open();
    });
    write_rows(&database, 50);
    assert_rows(&database, 50);
    eventually("those beyond pool_size are closed", || {
        database.status().total <= 10
    });
    let status = database.status();
    assert_all_given_back(&status, 1 + 50 + 500 + 2);
    assert_eq!((status.peak_total, status.peak_checked_out), (30, 30));
    assert!(status.peak_waiting <= 50);
    let overflow = status.total_connections_created - status.total;
    assert!(overflow >= 20, "{status}");
    assert_eq!(
        status.closed_by_reason,
        closed(&[(CloseReason::Overflow, overflow)])
    );
    database.close(secs(60)).unwrap();
}

fn sixty_connections_at_once_come_from_20_and_40(backend: &mut Backend) {
    let database = backend.open(
        Settings::medium_traffic()
            .mode(Mode::Queue)
            .pre_ping(PrePing::Never),
    );
    let all_out = Barrier::new(61);
    let looked_at = Barrier::new(61);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            on_threads(60, |worker| {
                let mut held = database.get().unwrap();
                ask(&mut held, worker);
                all_out.wait();
                looked_at.wait();
            });
        });
        all_out.wait();
        let (status, sessions) = (database.status(), backend.sessions());
        looked_at.wait();
        assert_eq!(state(&status), (20, 0, 40, 60));
        assert_eq!(status.total_connections_created, 60);
        assert_eq!(status.capacity_utilization, 100.0);
        assert!(
            sessions.is_none_or(|sessions| sessions == 60),
            "{sessions:?}"
        );
    });
    eventually("20 are kept", || database.status().total == 20);
    let status = database.status();
    assert_all_given_back(&status, 60);
    assert_eq!((status.peak_checked_out, status.peak_total), (60, 60));
    assert_eq!(
        status.closed_by_reason,
        closed(&[(CloseReason::Overflow, 40)])
    );
    database.close(secs(60)).unwrap();
}

fn a_thousand_threads_on_a_pool_of_100_all_succeed(backend: &mut Backend) {
    let settings = Settings::high_throughput()
        .mode(Mode::Queue)
        .pre_ping(PrePing::Never);
    assert_eq!((settings.pool_size, settings.max_overflow), (100, 0));
    // SQLite has no limit for statements.
    let settings = match backend {
        Backend::Sqlite(_) => settings.command_timeout(None),
        _ => settings,
    };
    let database = backend.open(settings);
    let together = Barrier::new(1000);
    on_threads(1000, |worker| {
        together.wait();
        ask(&mut database.get().unwrap(), worker);
    });
    let status = database.status();
    assert_all_given_back(&status, 1000);
    assert!(status.total_connections_created <= 100, "{status}");
    assert!(status.peak_total <= 100 && status.peak_checked_out <= 100);
    assert_eq!(status.closed_by_reason, closed(&[]));
    assert_eq!((status.overflow, status.overloaded_count), (0, 0));
    database.close(secs(60)).unwrap();
}
