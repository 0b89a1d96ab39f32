//! At capacity: the overflow, and the timeout when the pool is exhausted.

use std::time::Instant;

use queuepool::{CloseReason, ErrorKind};

use crate::backend::{Backend, ask, assert_all_given_back, closed, on_each, settings};
use support::scripted::{assert_laws, eventually, millis, secs, state};

on_each! {
    overflow_is_opened_under_load_and_closed_after_use,
    exhaustion_timeout_is_an_error_in_time_that_names_the_holders_and_costs_nothing,
}

fn overflow_is_opened_under_load_and_closed_after_use(backend: &mut Backend) {
    let database = backend.open(settings(5, 10));
    let mut held = Vec::new();
    for number in 0..15 {
        let mut connection = database.get().unwrap();
        ask(&mut connection, number);
        held.push(connection);
        let out = held.len() as u64;
        let status = database.status();
        assert_eq!(state(&status), (5, 0, out.saturating_sub(5), out));
        assert_laws(&status);
    }
    assert!(backend.sessions().is_none_or(|sessions| sessions == 15));
    assert!(database.try_get().unwrap().is_none());
    drop(held);
    eventually("the overflow is closed", || {
        state(&database.status()) == (5, 5, 0, 0)
    });
    let status = database.status();
    assert_all_given_back(&status, 15);
    assert_eq!((status.peak_checked_out, status.peak_total), (15, 15));
    assert_eq!(status.total_connections_created, 15);
    assert_eq!(
        status.closed_by_reason,
        closed(&[(CloseReason::Overflow, 10)])
    );
    assert_eq!(status.pool_exhausted_count, 0);
    eventually("the server sees it too", || {
        backend.sessions().is_none_or(|sessions| sessions == 5)
    });
    database.close(secs(60)).unwrap();
}

fn exhaustion_timeout_is_an_error_in_time_that_names_the_holders_and_costs_nothing(
    backend: &mut Backend,
) {
    let database = backend.open(settings(2, 1));
    let mut held: Vec<_> = (0..3).map(|_| database.get().unwrap()).collect();
    let before = database.status();

    let begun = Instant::now();
    let error = database.get_timeout(millis(300)).expect_err("a time-out");
    assert!(begun.elapsed() >= millis(300));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let words = error.to_string();
    let limit = "QueuePool limit of size 2 overflow 1 reached, connection timed out, timeout 0.30";
    assert!(words.starts_with(limit), "{words}");
    assert!(words.contains("limits.rs:"), "{words}");
    assert!(
        words.contains(std::thread::current().name().unwrap()),
        "{words}"
    );

    let status = database.status();
    assert_laws(&status);
    assert_eq!(state(&status), state(&before));
    assert_eq!(
        (status.connection_timeouts, status.pool_exhausted_count),
        (1, 1)
    );
    assert_eq!(
        (status.checkouts, status.connection_acquisition_time.count()),
        (3, 3)
    );
    assert_eq!((status.waiting_requests, status.connection_errors), (0, 0));
    assert_eq!(status.since(&before).connection_timeouts, 1);

    held.pop();
    ask(&mut database.get_timeout(secs(60)).unwrap(), 7);
    drop(held);
    eventually("the overflow is closed", || database.status().total == 2);
    assert_eq!(database.status().checkouts, 4);
    database.close(secs(60)).unwrap();
}
