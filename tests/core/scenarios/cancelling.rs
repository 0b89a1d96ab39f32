//! A wait for a connection that another thread ends.

use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use queuepool::{CancellationToken, ErrorClass, ErrorKind, Pool, Retry, Settings};

use support::scripted::{
    Act, Gate, ScriptedManager, Server, assert_laws, eventually, gated, millis, secs, state,
};

type Got = Result<(), queuepool::Error>;

/// In a test that fails, nobody waits longer than this.
fn settings(pool_size: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(0)
        .timeout(secs(60))
}

#[track_caller]
fn assert_cancelled(got: Got) {
    let error = got.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().contains("was cancelled"), "{error}");
}

fn until_waiting(pool: &Pool<ScriptedManager>, callers: u64) {
    eventually("they wait", || pool.status().waiting_requests == callers);
}

#[test]
fn a_token_ends_all_waits_that_use_it_and_no_others() {
    let server = Server::new();
    let (one, other) = (server.pool(settings(1)), server.pool(settings(1)));
    let held = (one.get().unwrap(), other.get().unwrap());
    let (token, another) = (CancellationToken::new(), CancellationToken::new());
    thread::scope(|scope| {
        let get = |pool: &'static str, token: &CancellationToken| {
            let token = token.clone();
            let pool = if pool == "one" { &one } else { &other };
            scope.spawn(move || pool.get_cancellable(&token).map(drop))
        };
        let ended: Vec<ScopedJoinHandle<'_, Got>> =
            vec![get("one", &token), get("one", &token), get("other", &token)];
        let kept = get("one", &another);
        let plain = scope.spawn(|| one.get().map(drop));
        until_waiting(&one, 4);
        until_waiting(&other, 1);
        token.clone().cancel();
        for caller in ended {
            assert_cancelled(caller.join().unwrap());
        }
        assert_eq!(one.status().waiting_requests, 2);
        drop(held);
        kept.join().unwrap().unwrap();
        plain.join().unwrap().unwrap();
    });
    assert!(token.is_cancelled() && !another.is_cancelled());
    for pool in [&one, &other] {
        let status = pool.status();
        assert_eq!(state(&status), (1, 1, 0, 0));
        assert_eq!(
            (status.connection_timeouts, status.waiting_requests),
            (0, 0)
        );
        assert_laws(&status);
    }
}

#[test]
fn what_begins_after_the_cancel_fails_at_once_even_if_something_is_idle() {
    let server = Server::new();
    let pool = server.pool(settings(1));
    let token = CancellationToken::new();
    drop(pool.get_cancellable(&token).unwrap());
    token.cancel();
    token.cancel();
    assert_cancelled(pool.get_cancellable(&token).map(drop));
    assert_eq!((pool.status().checkouts, server.connects()), (1, 1));
    drop(pool.get().unwrap());
}

#[test]
fn a_checkout_that_has_its_connection_is_not_affected() {
    let server = Server::new();
    let pool = server.pool(settings(1));
    let token = CancellationToken::new();
    let held = pool.get_cancellable(&token).unwrap();
    token.cancel();
    assert_eq!(pool.status().checked_out, 1);
    drop(held);
    assert_eq!(state(&pool.status()), (1, 1, 0, 0));
    assert_laws(&pool.status());
}

#[test]
fn the_connect_of_a_cancelled_caller_is_left_to_others() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(settings(1));
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let cancelled = scope.spawn(|| pool.get_cancellable(&token).map(drop));
        eventually("it connects", || gate.waiting() == 1);
        token.cancel();
        assert_cancelled(cancelled.join().unwrap());
        let status = pool.status();
        assert_eq!(
            (status.opening_connections, status.abandoned),
            (1, 0),
            "{status:#?}"
        );
        let next = scope.spawn(|| pool.get());
        until_waiting(&pool, 1);
        gate.open();
        drop(next.join().unwrap().unwrap());
    });
    assert_eq!(server.connects(), 1);
    assert_eq!(state(&pool.status()), (1, 1, 0, 0));
    assert_laws(&pool.status());
}

#[test]
fn a_connect_that_nobody_waits_for_any_more_becomes_idle() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(settings(1));
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let cancelled = scope.spawn(|| pool.get_cancellable(&token).map(drop));
        eventually("it connects", || gate.waiting() == 1);
        token.cancel();
        assert_cancelled(cancelled.join().unwrap());
    });
    gate.open();
    eventually("it is idle", || pool.status().idle_connections == 1);
    drop(pool.get().unwrap());
    assert_eq!(server.connects(), 1);
}

#[test]
fn a_caller_asleep_between_attempts_wakes_up() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let retry = Retry::default()
        .initial_delay(secs(1_000))
        .max_delay(secs(1_000));
    let pool = server.pool(settings(1).retry(retry));
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let asleep = scope.spawn(|| pool.get_cancellable(&token).map(drop));
        eventually("its attempt has failed", || {
            pool.status().connection_errors > 0
        });
        token.cancel();
        assert_cancelled(asleep.join().unwrap());
    });
    assert_eq!(pool.status().waiting_requests, 0);
}

/// What runs on the caller's own thread ends by itself first.
#[test]
fn a_connect_on_the_callers_own_thread_is_not_interrupted() {
    let server = Server::new();
    server
        .connects_here
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let gate = Gate::new();
    let closed = gate.clone();
    server.on_connect(move |_| Act::Wait(closed.clone()));
    let pool = server.pool(settings(1));
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get_cancellable(&token).map(drop));
        eventually("it connects", || gate.waiting() == 1);
        token.cancel();
        gate.open();
        caller.join().unwrap().unwrap();
    });
}

#[test]
fn a_wait_that_ends_otherwise_says_so() {
    let server = Server::new();
    let pool = server.pool(settings(1).timeout(millis(50)));
    let token = CancellationToken::new();
    let held = pool.get().unwrap();
    let error = pool.get_cancellable(&token).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    thread::scope(|scope| {
        let waits = scope.spawn(|| pool.get_timeout(secs(60)).map(drop));
        until_waiting(&pool, 1);
        pool.close(millis(1)).unwrap_err();
        waits.join().unwrap().unwrap_err();
    });
    let error = pool.get_cancellable(&token).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    token.cancel();
    drop(held);
}

#[test]
fn many_cancels_and_returns_lose_nothing() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..300 {
                    let token = Arc::new(CancellationToken::new());
                    let other = token.clone();
                    let cancels = scope.spawn(move || other.cancel());
                    match pool.get_cancellable(&token) {
                        Ok(held) if round % 3 == 0 => drop(held),
                        Ok(held) => {
                            thread::yield_now();
                            drop(held);
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}"),
                    }
                    cancels.join().unwrap();
                }
            });
        }
    });
    let both = (pool.get().unwrap(), pool.get().unwrap());
    drop(both);
    let status = pool.status();
    assert_eq!((status.waiting_requests, status.checked_out), (0, 0));
    assert!(server.most_open() <= 2);
    assert_laws(&status);
}
