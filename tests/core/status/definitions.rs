//! Each number means what its documentation says, and no part is greater than its whole.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use queuepool::{ErrorClass, ErrorKind, Pool, Retry, Settings};

use support::scripted::*;

fn settings(pool_size: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(0)
        .timeout(secs(30))
        .retry(Retry::default().max_attempts(1))
}

fn wait_for_callers(pool: &Pool<ScriptedManager>, number: u64) {
    eventually("they wait", || pool.status().waiting_requests == number);
}

/// Seven callers wait for their own connects, none of them for want of a connection.
#[test]
fn who_waits_for_a_connect_of_its_own_has_waited_too() {
    let server = Server::new();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    let pool = server.pool(settings(7));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..7)
            .map(|_| scope.spawn(|| pool.get().unwrap()))
            .collect();
        wait_for_callers(&pool, 7);
        gate.open();
        let _all: Vec<_> = callers.into_iter().map(|one| one.join().unwrap()).collect();
    });
    let status = pool.status();
    assert_eq!((status.peak_waiting, status.waited), (7, 7));
    assert_eq!(
        (status.pool_exhausted_count, status.failed_checkouts),
        (0, 0)
    );
    assert_eq!((status.checkouts, status.connection_timeouts), (7, 0));
    assert_laws(&status);
}

#[test]
fn a_caller_that_is_served_at_once_has_not_waited() {
    let server = Server::new();
    server.local.store(true, SeqCst);
    let pool = server.pool(settings(2));
    let both = (pool.get().unwrap(), pool.get().unwrap());
    drop(both);
    drop(pool.get().unwrap());
    let status = pool.status();
    assert_eq!(
        (status.checkouts, status.waited, status.peak_waiting),
        (3, 0, 0)
    );
}

/// "Handed out" and "waited" are different wholes: those who waited and timed out are in one of them only, and in "failed".
#[test]
fn those_who_waited_in_vain_are_among_those_who_waited_and_those_who_failed() {
    let pool = Server::new().pool(settings(1));
    let held = pool.get().unwrap();
    let earlier = pool.status();
    for _ in 0..3 {
        assert_eq!(
            pool.get_timeout(millis(1)).unwrap_err().kind(),
            ErrorKind::Timeout
        );
    }
    thread::scope(|scope| {
        let served = scope.spawn(|| drop(pool.get().unwrap()));
        wait_for_callers(&pool, 1);
        drop(held);
        served.join().unwrap();
    });
    let since = pool.status().since(&earlier);
    assert_eq!((since.checkouts, since.failed_checkouts), (1, 3));
    assert_eq!((since.waited, since.pool_exhausted_count), (4, 4));
    assert_eq!(since.connection_timeouts, 3);
    // The times are of those who were served.
    assert_eq!(since.connection_acquisition_time.count(), 1);
    assert_laws(&pool.status());
}

/// Callers who leave with the driver's error, and not at their deadline, are no timeouts, and were in no count.
#[test]
fn every_call_that_ended_without_a_connection_is_counted_as_failed() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let pool = server.builder(settings(1).max_waiting(0)).build().unwrap();
    for _ in 0..4 {
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
    }
    let status = pool.status();
    assert_eq!(
        (status.failed_checkouts, status.connection_timeouts),
        (4, 0)
    );
    server.on_connect(|_| Act::Succeed);
    let held = loop {
        if let Ok(held) = pool.get() {
            break held;
        }
    };
    let earlier = pool.status();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(
        pool.get_timeout(millis(0)).unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert!(pool.try_get().unwrap().is_none());
    pool.ping().unwrap_err();
    let since = pool.status().since(&earlier);
    assert_eq!((since.failed_checkouts, since.overloaded_count), (2, 1));
    assert_eq!(since.connection_timeouts, 1);
    drop(held);
    pool.close(secs(10)).unwrap();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.status().since(&earlier).failed_checkouts, 3);
    assert_laws(&pool.status());
}

#[test]
fn a_hook_that_panics_fails_its_call() {
    silence_scripted_panics();
    let pool = Server::new()
        .builder(settings(1))
        .on_checkout(|_, _| panic!("scripted"))
        .build()
        .unwrap();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.get().map(drop)));
    unwound.unwrap_err();
    let status = pool.status();
    assert_eq!((status.checkouts, status.failed_checkouts), (0, 1));
}

#[test]
fn a_timeout_does_not_name_a_connect_error_that_a_success_has_refuted() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let pool = server.pool(settings(8));
    pool.get().unwrap_err();
    server.on_connect(|_| Act::Succeed);
    let all: Vec<_> = (0..8).map(|_| pool.get().unwrap()).collect();
    let text = pool.get_timeout(millis(1)).unwrap_err().to_string();
    assert!(
        text.contains("limit of size 8 overflow 0 reached"),
        "{text}"
    );
    assert!(!text.contains("last connect error"), "{text}");
    // It is kept as what was last, and nothing fails.
    let status = pool.status();
    assert!(status.last_error.is_some() && status.unreachable_for.is_none());
    drop(all);
}

#[test]
fn a_timeout_names_a_connect_error_that_nothing_has_refuted() {
    let server = Server::new();
    let pool = server.pool(settings(1).max_overflow(1));
    let _held = pool.get().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.get().unwrap_err();
    let text = pool.get_timeout(millis(0)).unwrap_err().to_string();
    assert!(text.contains("; last connect error "), "{text}");
}

/// The caller's own connect failed, but others have succeeded since, so it was not connecting that kept it waiting.
#[test]
fn a_timeout_after_a_failed_attempt_of_ones_own_tells_of_the_pool_once_others_have_connected() {
    let server = Server::new();
    // Each connects on its own thread, so what the younger one opens is not given to the older one.
    server.local.store(true, SeqCst);
    server.on_connect(|n| match n {
        0 => Act::Fail(ErrorClass::Transient),
        _ => Act::Succeed,
    });
    let retry = Retry::default()
        .max_attempts(5)
        .initial_delay(secs(60))
        .max_delay(secs(60));
    let pool = server.pool(settings(1).retry(retry));
    thread::scope(|scope| {
        let unlucky = scope.spawn(|| pool.get_timeout(secs(2)).map(drop).unwrap_err());
        eventually("its attempt has failed, and it sleeps", || {
            pool.status().connection_errors == 1 && pool.status().waiting_requests == 1
        });
        let younger = pool.get().unwrap();
        let error = unlucky.join().unwrap();
        drop(younger);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{text}");
        assert!(
            text.contains("limit of size 1 overflow 0 reached"),
            "{text}"
        );
        assert!(!text.contains("scripted"), "{text}");
    });
}

#[test]
fn an_outage_is_over_in_the_status_when_it_is_in_the_log() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let pool = server.pool(settings(1));
    pool.get().unwrap_err();
    let status = pool.status();
    assert!(status.connects_fail_for.is_some() && status.unreachable_for.is_some());
    server.on_connect(|_| Act::Succeed);
    drop(pool.get().unwrap());
    assert_eq!(pool.status().unreachable_for, None);
    eventually("no connect has failed for a second", || {
        pool.status().connects_fail_for.is_none()
    });
    assert!(pool.status().last_error.is_some());
}

#[test]
fn connects_that_fail_are_told_although_open_connections_answer() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    let held = pool.get().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.get().unwrap_err();
    drop(held);
    drop(pool.get().unwrap());
    let status = pool.status();
    assert!(status.connects_fail_for.is_some(), "{status:#?}");
    assert_eq!(
        (status.unreachable_for, status.database_error),
        (None, None)
    );
}

#[test]
fn the_printed_health_is_not_taken_for_the_databases() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    pool.get().unwrap_err();
    let text = pool.status().to_string();
    assert!(
        text.contains("\nHealth: healthy (capacity only: the database is not reached)\n"),
        "{text}"
    );
}

#[test]
fn the_printed_times_say_who_is_not_in_them() {
    let pool = Server::new().pool(settings(1));
    let _held = pool.get().unwrap();
    let text = pool.status().to_string();
    assert!(!text.contains("(wait: "), "{text}");
    for _ in 0..2 {
        pool.get_timeout(millis(0)).unwrap_err();
    }
    let text = pool.status().to_string();
    assert!(
        text.contains("\n  (wait: until the hand-out, so without the 2 calls that failed)\n"),
        "{text}"
    );
}
