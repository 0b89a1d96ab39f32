//! Calls that another thread can abort run on the caller's thread, and are ended at their limit.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, ThreadId};

use parking_lot::Mutex;
use queuepool::{CloseReason, ErrorKind, Pool, PrePing, Settings};

use support::scripted::*;

fn server() -> Arc<Server> {
    let server = Server::new();
    server.abortable.store(true, SeqCst);
    server
}

fn settings() -> Settings {
    Settings::default()
        .pre_ping(PrePing::Always)
        .health_check_timeout(millis(50))
}

/// How many connections were closed for this reason, and how many calls hang.
fn closed(pool: &Pool<ScriptedManager>, reason: CloseReason) -> (u64, u64) {
    let status = pool.status();
    assert_laws(&status);
    let closed = status.closed_by_reason.get(&reason).copied();
    (closed.unwrap_or(0), status.abandoned)
}

#[test]
fn a_ping_past_its_limit_is_aborted_and_the_next_connection_tried() {
    let server = server();
    let pinged_on: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
    let threads = pinged_on.clone();
    server.on_ping(move |n| {
        threads.lock().push(thread::current().id());
        if n == 0 {
            Act::UntilAborted
        } else {
            Act::Succeed
        }
    });
    let pool = server.pool(settings());
    drop((pool.get().unwrap(), pool.get().unwrap()));
    let next = pool.get().unwrap();
    assert_eq!(server.aborts(), 1);
    assert_eq!(*pinged_on.lock(), [thread::current().id(); 2]);
    eventually("one is closed and nothing hangs", || {
        closed(&pool, CloseReason::ValidationFailed) == (1, 0)
    });
    assert_eq!(pool.status().validation_failures, 1);
    drop(next);
}

#[test]
fn when_every_ping_must_be_aborted_the_error_says_that_there_was_no_answer() {
    let server = server();
    server.on_ping(|_| Act::UntilAborted);
    let pool = server.pool(settings());
    let three = [(); 3].map(|()| pool.get().unwrap());
    drop(three);
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    let words = error.to_string();
    assert!(words.contains("no answer within 50ms"), "{words}");
    eventually("all are closed and nothing hangs", || {
        closed(&pool, CloseReason::ValidationFailed) == (3, 0)
    });
}

#[test]
fn resets_that_are_stuck_together_are_each_aborted_and_their_connections_closed() {
    let server = server();
    server.on_reset(|_| Act::UntilAborted);
    let pool = server.pool(settings());
    let held: Vec<_> = (0..8).map(|_| pool.get().unwrap()).collect();
    thread::scope(|scope| {
        for connection in held {
            scope.spawn(move || drop(connection));
        }
    });
    assert_eq!(server.aborts(), 8);
    eventually("all are closed and nothing hangs", || {
        closed(&pool, CloseReason::ResetFailed) == (8, 0) && server.open() == 0
    });
}

#[test]
fn a_call_that_panics_and_an_abort_that_panics_cost_a_connection_each() {
    silence_scripted_panics();
    let server = server();
    server.aborts_panic.store(true, SeqCst);
    server.on_reset(move |n| match n {
        0 => Act::Panic,
        1 => Act::UntilAborted,
        _ => Act::Succeed,
    });
    let pool = server.pool(settings());
    for closed_so_far in [1, 2, 2] {
        drop(pool.get().unwrap());
        eventually("a connection each", || {
            closed(&pool, CloseReason::ResetFailed) == (closed_so_far, 0)
        });
    }
    // Others that are due at the same time are not held up by it.
    server.on_reset(|_| Act::UntilAborted);
    let three = [(); 3].map(|()| pool.get().unwrap());
    thread::scope(|scope| {
        for connection in three {
            scope.spawn(move || drop(connection));
        }
    });
    eventually("all three are closed", || {
        closed(&pool, CloseReason::ResetFailed) == (5, 0)
    });
}

#[test]
fn where_a_driver_panics_when_asked_its_calls_run_on_helpers() {
    silence_scripted_panics();
    let server = server();
    server.panics_when_asked_to_abort.store(true, SeqCst);
    let reset_on: Arc<Mutex<Option<ThreadId>>> = Arc::default();
    let seen = reset_on.clone();
    server.on_reset(move |_| {
        *seen.lock() = Some(thread::current().id());
        Act::Succeed
    });
    let pool = server.pool(Settings::default());
    drop(pool.get().unwrap());
    assert_ne!(reset_on.lock().unwrap(), thread::current().id());
    assert_eq!(pool.status().total, 1);
}
