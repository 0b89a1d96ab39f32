//! Scenario 11 and what the rules say of failed connects: whose error it is, when it is retried, and what it costs others.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use queuepool::{ErrorClass, ErrorKind, Retry, Settings};

use support::scripted::*;

fn retry(attempts: u32, delay: u64) -> Retry {
    Retry::default()
        .max_attempts(attempts)
        .initial_delay(millis(delay))
        .jitter(false)
}

#[test]
fn a_permanent_failure_is_the_drivers_own_error_at_once() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let pool = server.pool(Settings::default());
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert!(
        start.elapsed() < millis(400),
        "not after a retry: {:?}",
        start.elapsed()
    );
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(
        error
            .source()
            .unwrap()
            .downcast_ref::<ScriptedError>()
            .is_some()
    );
    assert_eq!(server.connects(), 1);
    assert_eq!(pool.status().connection_errors, 1);
    assert!(
        pool.status()
            .last_error
            .unwrap()
            .contains("scripted Permanent")
    );
}

#[test]
fn a_transient_failure_is_retried_by_the_policy() {
    let server = Server::new();
    server.on_connect(|n| {
        if n < 2 {
            Act::Fail(ErrorClass::Transient)
        } else {
            Act::Succeed
        }
    });
    let pool = server.pool(Settings::default().retry(retry(5, 10)));
    assert_eq!(pool.get().unwrap().id, 2);
}

#[test]
fn after_the_last_attempt_the_error_is_the_drivers() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let pool = server.pool(Settings::default().retry(retry(3, 10)));
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(server.connects(), 3);
}

#[test]
fn retries_never_pass_the_deadline() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let pool = server.pool(
        Settings::default()
            .timeout(millis(300))
            .retry(retry(5, 10_000).max_delay(secs(30))),
    );
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Connect,
        "between attempts: {error}"
    );
    assert!(error.source().is_some(), "with the driver's last error");
    assert!(
        start.elapsed() >= millis(300) && start.elapsed() < secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(pool.status().connection_timeouts, 1);
}

#[test]
fn scenario_11_a_server_that_is_down_and_comes_back() {
    let server = Server::new();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    server.on_connect(move |_| {
        if is_down.load(SeqCst) {
            Act::Fail(ErrorClass::Lost)
        } else {
            Act::Succeed
        }
    });
    let pool = server.pool(
        Settings::default()
            .pool_size(2)
            .max_overflow(0)
            .retry(retry(5, 20_000)),
    );
    let before = state(&pool.status());
    thread::scope(|scope| {
        let sleepers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| drop(pool.get().unwrap())))
            .collect();
        eventually("all three have failed and sleep", || {
            server.connects() == 3 && pool.status().opening_connections == 0
        });
        assert_eq!(
            state(&pool.status()),
            before,
            "asleep, nobody holds a place"
        );
        down.store(false, SeqCst);
        let start = Instant::now();
        drop(pool.get().unwrap());
        assert!(
            start.elapsed() < secs(2),
            "no delay for the new caller: {:?}",
            start.elapsed()
        );
        sleepers
            .into_iter()
            .for_each(|sleeper| sleeper.join().unwrap());
        assert!(
            start.elapsed() < secs(5),
            "the first success wakes the sleepers: {:?}",
            start.elapsed()
        );
    });
    assert_laws(&pool.status());
}

#[test]
fn a_sleeper_is_handed_what_others_give_back() {
    let server = Server::new();
    server.on_connect(|n| {
        if n == 0 {
            Act::Succeed
        } else {
            Act::Fail(ErrorClass::Transient)
        }
    });
    let pool = server.pool(Settings::default().retry(retry(5, 20_000)));
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| pool.get().unwrap().id);
        eventually("it has failed", || {
            server.connects() == 2 && pool.status().opening_connections == 0
        });
        drop(held);
        assert_eq!(sleeper.join().unwrap(), 0);
    });
}

#[test]
fn a_failed_connect_lets_the_next_waiter_open() {
    let server = Server::new();
    let gate = Gate::new();
    let first = gate.clone();
    server.on_connect(move |n| {
        if n == 0 {
            Act::Wait(first.clone())
        } else {
            Act::Fail(ErrorClass::Permanent)
        }
    });
    let pool = server.pool(Settings::default().pool_size(1).max_overflow(1));
    thread::scope(|scope| {
        let holder = scope.spawn(|| pool.get().unwrap());
        eventually("it connects", || gate.waiting() == 1);
        // The attempt in the second place fails for each of these in turn, and none of them waits for the first.
        for _ in 0..3 {
            assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
        }
        gate.open();
        drop(holder.join().unwrap());
    });
}

#[test]
fn a_connect_past_its_limit_is_abandoned_and_its_place_is_free() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_connect(waiting);
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .connect_timeout(millis(100))
        .retry(retry(1, 0));
    let pool = server.pool(settings);
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("connect_timeout"), "{error}");
    assert_eq!(pool.status().abandoned, 1);
    // One hangs, and the capacity is one: no more are started until it ends.
    let error = pool.get_timeout(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("1 connect hangs"), "{error}");
    gate.open();
    eventually("what came late is kept", || {
        pool.status().idle_connections == 1
    });
    drop(pool.get().unwrap());
    assert_eq!(server.connects(), 1);
    assert_laws(&pool.status());
}

#[test]
fn a_checkout_does_not_overshoot_its_deadline_on_a_mute_server() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(Settings::default().timeout(millis(200)));
    let start = Instant::now();
    pool.get().unwrap_err();
    assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
    gate.open();
}

#[test]
fn demand_that_is_gone_before_the_connect_starts_starts_none() {
    let server = Server::new();
    let gate = Gate::new();
    let slow = gate.clone();
    server.on_connect(move |n| {
        if n == 0 {
            Act::Succeed
        } else {
            Act::Wait(slow.clone())
        }
    });
    let pool = server.pool(
        Settings::default()
            .pool_size(30)
            .max_overflow(0)
            .timeout(secs(20)),
    );
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| drop(pool.get().unwrap()));
        }
        eventually("as many connect as may at once", || {
            gate.waiting() == 16 && pool.status().waiting_requests == 20
        });
        // The one connection is handed on to all twenty.
        drop(held);
        eventually("nobody waits", || pool.status().waiting_requests == 0);
    });
    assert_eq!(
        server.connects(),
        17,
        "the four that had not started never did"
    );
    gate.open();
}

#[test]
fn when_all_connects_hang_the_error_says_so_and_not_that_the_pool_is_used_up() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(
        Settings::default()
            .pool_size(2)
            .max_overflow(0)
            .timeout(millis(150)),
    );
    for _ in 0..4 {
        let error = pool.get().unwrap_err();
        assert!(
            error.to_string().contains("connecting did not finish"),
            "{error}"
        );
    }
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("4 connects hang"), "{error}");
    assert_eq!(server.connects(), 4, "two in their places and two without");
    gate.open();
    eventually("all have ended", || {
        pool.status().abandoned == 0 && pool.status().opening_connections == 0
    });
    drop(pool.get().unwrap());
    assert_laws(&pool.status());
}

#[test]
fn scenario_11_the_first_success_wakes_all_sleepers_to_open_their_own() {
    let server = Server::new();
    server.on_connect(|n| {
        if n < 3 {
            Act::Fail(ErrorClass::Lost)
        } else {
            Act::Succeed
        }
    });
    let pool = server.pool(
        Settings::default()
            .pool_size(4)
            .max_overflow(0)
            .retry(retry(5, 20_000)),
    );
    thread::scope(|scope| {
        let sleepers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| pool.get().unwrap()))
            .collect();
        eventually("all three have failed and sleep", || {
            server.connects() == 3 && pool.status().opening_connections == 0
        });
        let start = Instant::now();
        // One connection is opened, for the oldest of them.
        pool.warm_up(1).unwrap();
        let theirs: Vec<_> = sleepers
            .into_iter()
            .map(|sleeper| sleeper.join().unwrap())
            .collect();
        assert!(
            start.elapsed() < secs(10),
            "not after their 20 s: {:?}",
            start.elapsed()
        );
        assert_eq!((theirs.len(), server.connects()), (3, 6));
    });
}

#[test]
fn a_failed_connect_is_not_the_error_of_one_who_only_relied_on_it() {
    let server = Server::new();
    let gate = Gate::new();
    let slow = gate.clone();
    server.on_connect(move |n| {
        if n != 1 {
            return Act::Succeed;
        }
        slow.pass();
        Act::Fail(ErrorClass::Transient)
    });
    let pool = server.pool(Settings::default().pool_size(3).max_overflow(0));
    let first = pool.get().unwrap();
    thread::scope(|scope| {
        let starter = scope.spawn(|| pool.get().unwrap());
        eventually("its connect is under way", || gate.waiting() == 1);
        drop(first);
        let held = starter.join().unwrap();
        let other = scope.spawn(|| pool.get().unwrap().id);
        eventually("it relies on that connect", || {
            pool.status().waiting_requests == 1
        });
        gate.open();
        assert_eq!(other.join().unwrap(), 2, "a connection of its own");
        drop(held);
    });
    assert_eq!(pool.status().connection_errors, 1);
    assert_laws(&pool.status());
}
