//! More callers than the pool admits.

use std::thread::{self, Scope};
use std::time::Duration;

use queuepool::{Connection, Error, ErrorClass, ErrorKind, Pool, Retry, Settings};

use support::scripted::{
    Act, Gate, ScriptedManager, Server, assert_laws, eventually, gated, secs, state,
};

/// Which connection the caller had.
type Had = Result<usize, Error>;

fn settings(pool_size: u32, max_waiting: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(0)
        .max_waiting(max_waiting)
        .timeout(secs(30))
}

/// Starts this many callers, all of which are in the queue when this returns.
fn wait_in<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pool: &'scope Pool<ScriptedManager>,
    callers: u64,
) -> Vec<thread::ScopedJoinHandle<'scope, Had>> {
    let before = pool.status().waiting_requests;
    let threads = (0..callers)
        .map(|_| scope.spawn(|| pool.get().map(|had| had.id)))
        .collect();
    eventually("they wait", || {
        pool.status().waiting_requests == before + callers
    });
    threads
}

#[track_caller]
fn assert_refused(got: Result<Connection<ScriptedManager>, Error>) {
    let error = got.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
    assert!(error.to_string().contains("max_waiting"), "{error}");
}

#[test]
fn one_caller_more_than_max_waiting_is_refused_and_those_who_wait_are_served() {
    let server = Server::new();
    let pool = server.pool(settings(1, 2));
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiting = wait_in(scope, &pool, 2);
        for _ in 0..3 {
            assert_refused(pool.get());
        }
        assert_eq!(pool.status().waiting_requests, 2);
        drop(held);
        for caller in waiting {
            caller.join().unwrap().unwrap();
        }
    });
    drop(pool.get().unwrap());
    let status = pool.status();
    assert_eq!(
        (status.overloaded_count, status.connection_timeouts),
        (3, 0)
    );
    assert_eq!((status.pool_exhausted_count, status.peak_waiting), (2, 2));
    assert_eq!(state(&status), (1, 1, 0, 0));
    assert_laws(&status);
}

#[test]
fn a_caller_for_whom_a_connection_is_being_opened_does_not_count_as_waiting() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(settings(2, 0));
    thread::scope(|scope| {
        let opening = wait_in(scope, &pool, 2);
        assert_refused(pool.get());
        gate.open();
        for caller in opening {
            caller.join().unwrap().unwrap();
        }
    });
    assert_eq!(pool.status().overloaded_count, 1);
}

#[test]
fn a_caller_asleep_between_attempts_counts_as_waiting_and_is_not_refused_itself() {
    let server = Server::new();
    let gate = Gate::new();
    let third = gate.clone();
    server.on_connect(move |n| match n {
        1 => Act::Fail(ErrorClass::Transient),
        2 => Act::Wait(third.clone()),
        _ => Act::Succeed,
    });
    let retry = Retry::default().initial_delay(secs(20)).jitter(false);
    let pool = server.pool(settings(2, 1).retry(retry));
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let asleep = wait_in(scope, &pool, 1);
        eventually("its attempt has failed", || {
            pool.status().connection_errors == 1
        });
        let opening = wait_in(scope, &pool, 1);
        // Its thread may not have gone to sleep yet.
        eventually("a third is refused", || {
            let refused = pool.get_timeout(Duration::from_millis(1)).unwrap_err();
            refused.kind() == ErrorKind::Overloaded
        });
        drop(held);
        for caller in asleep {
            assert_eq!(caller.join().unwrap().unwrap(), 0);
        }
        gate.open();
        for caller in opening {
            caller.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_probe_and_a_checkout_that_does_not_wait_are_told_as_ever() {
    let server = Server::new();
    let pool = server.pool(settings(1, 0));
    let held = pool.get().unwrap();
    let error = pool.get_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(pool.try_get().unwrap().is_none());
    let error = pool.ping().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
    assert_eq!(
        pool.status().overloaded_count,
        0,
        "a probe is in no counter"
    );
    drop(held);
    pool.ping().unwrap();
}

#[test]
fn who_was_admitted_stays_when_it_has_to_wait_again() {
    let server = Server::new();
    let hook = Gate::new();
    let in_hook = hook.clone();
    let pool = server
        .builder(settings(1, 1))
        .on_checkout(move |connection, _| match connection.id {
            1 => {
                in_hook.pass();
                Err("not this one".into())
            }
            _ => Ok(()),
        })
        .build()
        .unwrap();
    let (closing, closes) = gated(|n| n == 1);
    server.on_close(closes);
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let first = wait_in(scope, &pool, 1);
        Connection::invalidate(held);
        eventually("the first is being handed number 1", || hook.waiting() == 1);
        let second = wait_in(scope, &pool, 1);
        hook.open();
        // Number 1 is still being closed, so there is no room for another.
        eventually("both wait", || pool.status().waiting_requests == 2);
        assert_refused(pool.get());
        closing.open();
        for caller in first.into_iter().chain(second) {
            assert_eq!(caller.join().unwrap().unwrap(), 2);
        }
    });
}

#[test]
fn who_had_a_connection_that_was_unfit_is_not_refused_while_it_is_being_closed() {
    let server = Server::new();
    let settings = settings(1, 0).recycle(secs(30)).recycle_jitter(0.0);
    let (pool, clock) = server.pool_with_clock(settings);
    drop(pool.get().unwrap());
    let (closing, closes) = gated(|_| true);
    server.on_close(closes);
    clock.advance(secs(31));
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(|had| had.id));
        eventually("the old one is being closed", || closing.waiting() == 1);
        eventually("its caller waits for the place", || {
            pool.status().waiting_requests == 1
        });
        assert_refused(pool.get());
        closing.open();
        assert_eq!(caller.join().unwrap().unwrap(), 1);
    });
}
