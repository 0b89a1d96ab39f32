//! One caller after another: single connection, sequential (50), recycling (100 sessions), and a pool compared with no
//! pool.

use std::collections::HashSet;
use std::thread;

use queuepool::{
    Builder, Clock, CloseReason, Manager, Mode, mysql::MySqlPool, postgres::PostgresPool,
    sqlite::SqlitePool,
};

use crate::backend::{Backend, ask, assert_all_given_back, closed, on_each, settings};
use support::scripted::{assert_laws, eventually, secs, state};

on_each! {
    single_connection_is_opened_on_demand_used_and_kept,
    sequential_50_queries_share_one_connection,
    recycling_100_sessions_takes_ten_connections_when_each_may_serve_ten,
    pool_against_no_pool_is_1_connect_against_50_for_50_queries,
}

fn single_connection_is_opened_on_demand_used_and_kept(backend: &mut Backend) {
    let database = backend.open(settings(5, 10));
    let status = database.status();
    assert_eq!(state(&status), (5, 0, 0, 0));
    assert_eq!((status.total_connections_created, status.checkouts), (0, 0));

    let mut connection = database.get().unwrap();
    assert_eq!(connection.query_i64("SELECT 6 * 7").unwrap(), 42);
    let status = database.status();
    assert_eq!(state(&status), (5, 0, 0, 1));
    assert_eq!(status.utilization, 20.0);
    assert_eq!(status.holders.len(), 1);
    assert!(status.holders[0].location.file().ends_with("sequence.rs"));
    assert_eq!(
        &*status.holders[0].thread,
        thread::current().name().unwrap()
    );
    assert_eq!(status.connection_hold_time.count(), 0);
    assert_laws(&status);

    drop(connection);
    let status = database.status();
    assert_eq!(state(&status), (5, 1, 0, 0));
    assert_all_given_back(&status, 1);
    assert_eq!((status.peak_checked_out, status.peak_total), (1, 1));
    assert_eq!(status.total_connections_created, 1);
    assert_eq!(status.pool_exhausted_count, 0);
    database.close(secs(60)).unwrap();
}

fn sequential_50_queries_share_one_connection(backend: &mut Backend) {
    let database = backend.open(settings(5, 10));
    for number in 0..50 {
        ask(&mut database.get().unwrap(), number);
    }
    let status = database.status();
    assert_all_given_back(&status, 50);
    assert_eq!((status.total_connections_created, status.total), (1, 1));
    assert_eq!((status.peak_checked_out, status.peak_total), (1, 1));
    assert_eq!((status.pool_exhausted_count, status.detached), (0, 0));
    assert_eq!(status.closed_by_reason, closed(&[]));
    assert!(backend.sessions().is_none_or(|sessions| sessions == 1));
    database.close(secs(60)).unwrap();
}

fn recycling_100_sessions_takes_ten_connections_when_each_may_serve_ten(backend: &mut Backend) {
    let url = backend.url();
    match backend {
        Backend::Postgres(_) => recycle(PostgresPool::builder(url.as_str()).unwrap(), |client| {
            client
                .query_one("SELECT pg_backend_pid()", &[])
                .unwrap()
                .get::<_, i32>(0)
                .into()
        }),
        Backend::MariaDb(_) => recycle(MySqlPool::builder(url.as_str()).unwrap(), |conn| {
            use ::mysql::prelude::Queryable;
            conn.query_first("SELECT CONNECTION_ID()").unwrap().unwrap()
        }),
        Backend::Sqlite(_) => recycle(SqlitePool::builder(url.as_str()).unwrap(), |conn| {
            // SQLite sessions have no id, so a temporary table, which only the connection itself sees, counts them.
            conn.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS used (at); INSERT INTO used VALUES (1)",
            )
            .unwrap();
            conn.query_row("SELECT count(*) FROM used", [], |row| row.get(0))
                .unwrap()
        }),
    }
}

/// `session` returns a number that differs either for each of ten sessions on one connection or for each connection.
fn recycle<M: Manager>(builder: Builder<M>, session: fn(&mut M::Connection) -> i64) {
    let clock = Clock::stopped();
    let pool = builder
        .settings(settings(5, 10).recycle(secs(30)).recycle_jitter(0.0))
        .clock(clock.clone())
        .build()
        .unwrap();
    let mut seen = HashSet::new();
    for number in 0..100 {
        if number > 0 && number % 10 == 0 {
            clock.advance(secs(31));
        }
        seen.insert(session(&mut pool.get().unwrap()));
    }
    assert_eq!(seen.len(), 10);
    eventually("the connection replaced last is closed", || {
        pool.status().total == 1
    });
    let status = pool.status();
    assert_all_given_back(&status, 100);
    assert_eq!((status.total_connections_created, status.total), (10, 1));
    assert_eq!(
        status.closed_by_reason,
        closed(&[(CloseReason::Recycled, 9)])
    );
    // The goodbye to the server is sent on a helper thread, while the next connection is being opened.
    assert!(status.peak_total <= 2, "{status}");
    assert_eq!(status.peak_checked_out, 1);
    pool.close(secs(60)).unwrap();
}

fn pool_against_no_pool_is_1_connect_against_50_for_50_queries(backend: &mut Backend) {
    let pooled = backend.open(settings(5, 10));
    let unpooled = backend.open(settings(5, 10).mode(Mode::Null));
    for number in 0..50 {
        ask(&mut pooled.get().unwrap(), number);
        ask(&mut unpooled.get().unwrap(), number);
    }
    let (with, without) = (pooled.status(), unpooled.status());
    assert_all_given_back(&with, 50);
    assert_all_given_back(&without, 50);
    assert_eq!(
        (
            with.total_connections_created,
            without.total_connections_created
        ),
        (1, 50)
    );
    assert_eq!(with.closed_by_reason, closed(&[]));
    assert_eq!(
        without.closed_by_reason,
        closed(&[(CloseReason::NullPool, 50)])
    );
    assert_eq!((with.total, without.total), (1, 0));
    pooled.close(secs(60)).unwrap();
    unpooled.close(secs(60)).unwrap();
}
