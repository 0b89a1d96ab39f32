//! Health monitoring: the monitor makes checks and takes samples, and notices an outage and its end.

use std::time::SystemTime;

use queuepool::{Database, ErrorKind, Retry, Settings};

use crate::backend::{Backend, ask, on_each, settings};
use support::scripted::{eventually, millis, secs};

on_each! {
    health_monitoring_moves_on_by_itself,
}

mod outage {
    use crate::backend::Backend;

    #[test]
    fn health_monitoring_sees_postgres_die_and_come_back() {
        super::health_monitoring_sees_the_server_die_and_come_back(&mut Backend::postgres());
    }

    #[test]
    fn health_monitoring_sees_mariadb_die_and_come_back() {
        super::health_monitoring_sees_the_server_die_and_come_back(&mut Backend::mariadb());
    }
}

fn monitored() -> Settings {
    settings(3, 1)
        .enable_pool_metrics(true)
        .health_check_interval(millis(20))
        .metrics_collection_interval(millis(20))
        .retry(Retry::default().max_attempts(1))
}

fn last_check(database: &Database) -> Option<SystemTime> {
    database.status().last_health_check
}

fn health_monitoring_moves_on_by_itself(backend: &mut Backend) {
    let database = backend.open(monitored());
    eventually("a check has been made", || last_check(&database).is_some());
    let first = last_check(&database);
    eventually("another check has been made", || {
        last_check(&database) > first
    });
    for number in 0..20 {
        ask(&mut database.get().unwrap(), number);
    }
    eventually("samples cover the 20 checkouts", || {
        let samples = database.history(0);
        samples.iter().map(|sample| sample.checkouts).sum::<u64>() == 20
    });
    let samples = database.history(0);
    let last = samples.last().unwrap().number;
    assert!(samples.iter().map(|sample| sample.number).eq(1..=last));
    eventually("new samples come", || !database.history(last).is_empty());
    assert!(database.history(last)[0].number == last + 1);
    let status = database.status();
    assert_eq!((status.checkouts, status.checkins), (20, 20));
    assert_eq!(status.health_check_failures, 0);
    assert_eq!(status.last_health_check_error, None);
    assert_eq!(status.recent.expect("samples").checkouts, 20);
    // A caller who comes while a check uses the one connection opens another instead of waiting for it.
    assert!(status.total_connections_created <= 2, "{status}");
    database.close(secs(60)).unwrap();
}

fn health_monitoring_sees_the_server_die_and_come_back(backend: &mut Backend) {
    let database = backend.open(monitored());
    ask(&mut database.get().unwrap(), 1);
    assert!(database.health_check().unwrap().reachable);
    eventually("the monitor has found the database well", || {
        last_check(&database).is_some()
    });
    kill(backend);

    eventually("the monitor notices the outage", || {
        database.status().health_check_failures >= 2
    });
    let check = database.health_check().unwrap();
    assert!(!check.reachable && !check.skipped, "{check:?}");
    // The driver's own words when nobody listens on a port.
    let words = check.error.expect("an error");
    assert!(words.contains("onnection refused"), "{words}");
    assert!(!words.contains(support::servers::PASSWORD), "{words}");
    let status = database.status();
    assert!(status.last_health_check_error.is_some());
    assert_eq!(
        database.get().expect_err("an outage").kind(),
        ErrorKind::Connect
    );

    start_again(backend);
    eventually("the monitor notices the recovery", || {
        database.status().last_health_check_error.is_none()
    });
    assert!(database.health_check().unwrap().reachable);
    ask(&mut database.get().unwrap(), 2);
    assert_eq!(database.status().checked_out, 0);
    database.close(secs(60)).unwrap();
}

fn kill(backend: &mut Backend) {
    match backend {
        Backend::Postgres(server) => server.kill(),
        Backend::MariaDb(server) => server.kill(),
        Backend::Sqlite(_) => unreachable!("SQLite has no server"),
    }
}

fn start_again(backend: &mut Backend) {
    match backend {
        Backend::Postgres(server) => server.start_again(),
        Backend::MariaDb(server) => server.start_again(),
        Backend::Sqlite(_) => unreachable!("SQLite has no server"),
    }
}
