//! Guards that never come back, and calls that would wait for themselves.

use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;
use queuepool::{Connection, ErrorKind, Pool, Settings};

use support::scripted::*;

fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(0)
        .timeout(secs(20))
}

/// The rest of the pool works, the status reports the connection that is kept, and neither close() nor the pool's drop waits
/// for it.
#[track_caller]
fn assert_one_is_kept_by(pool: Pool<ScriptedManager>, server: &Server, thread: &str) {
    for _ in 0..3 {
        drop(pool.get().unwrap());
    }
    let status = pool.status();
    assert_eq!(state(&status), (2, 1, 0, 1));
    assert_eq!(&*status.holders[0].thread, thread);
    assert!(status.holders[0].location.file().ends_with("leaks.rs"));
    let error = pool.close(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains(thread), "{error}");
    eventually("the idle one is closed", || server.open() == 1);
    assert_laws(&pool.status());
    drop(pool);
}

#[test]
fn a_guard_kept_by_a_thread_that_never_ends_costs_its_place_and_nothing_else() {
    let server = Server::new();
    let pool = server.pool(settings());
    let leaked = pool.clone();
    let (gate, end) = (Gate::new(), Gate::new());
    let (held, ended) = (gate.clone(), end.clone());
    let thread = thread::Builder::new()
        .name("leaked".to_owned())
        .spawn(move || {
            let _kept = leaked.get().unwrap();
            drop(leaked);
            held.open();
            ended.pass();
        })
        .unwrap();
    gate.pass();
    assert_one_is_kept_by(pool, &server, "leaked");
    // It comes back after all, when no handle is left.
    end.open();
    thread.join().unwrap();
    eventually("it is closed", || server.open() == 0);
}

#[test]
fn a_forgotten_guard_costs_its_place_and_nothing_else() {
    let server = Server::new();
    let pool = server.pool(settings());
    let own = pool.clone();
    thread::Builder::new()
        .name("forgetful".to_owned())
        .spawn(move || std::mem::forget(own.get().unwrap()))
        .unwrap()
        .join()
        .unwrap();
    assert_one_is_kept_by(pool, &server, "forgetful");
    assert_eq!(server.open(), 1);
}

#[test]
fn a_pool_dropped_while_connections_are_out_leaves_them_to_their_holders() {
    let server = Server::new();
    let pool = server.pool(settings());
    let (first, second) = (pool.get().unwrap(), pool.get().unwrap());
    drop(pool);
    assert_eq!((first.id, second.id, server.closes()), (0, 1, 0));
    thread::spawn(move || drop(first)).join().unwrap();
    let detached = Connection::detach(second);
    eventually("the one returned is closed", || server.closes() == 1);
    drop(detached);
    assert_eq!(server.open(), 0);
}

#[test]
fn from_inside_any_hook_calls_that_would_wait_are_unsupported() {
    let server = Server::new();
    let own: Arc<OnceLock<Pool<ScriptedManager>>> = Arc::default();
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let hook = |name: &'static str| {
        let (own, seen) = (own.clone(), seen.clone());
        move || {
            let pool = own.get().unwrap();
            let kinds = [
                pool.get().map(drop),
                pool.get_timeout(millis(0)).map(drop),
                pool.try_get().map(drop),
                pool.ping(),
                pool.warm_up(1),
                pool.close(secs(1)),
            ]
            .map(|result| result.unwrap_err().kind());
            assert_eq!(kinds, [ErrorKind::Unsupported; 6], "{name}");
            let _works = pool.status();
            seen.lock().push(name);
        }
    };
    let (connect, checkout) = (hook("connect"), hook("checkout"));
    let (checkin, reset) = (hook("checkin"), hook("reset"));
    let (invalidate, close, timeout) = (hook("invalidate"), hook("close"), hook("timeout"));
    let pool = server
        .builder(settings().pool_size(1))
        .on_connect(move |_, _| {
            connect();
            Ok(())
        })
        .on_checkout(move |_, _| {
            checkout();
            Ok(())
        })
        .on_checkin(move |_, _| checkin())
        .on_reset(move |_, _| reset())
        .on_invalidate(move |_, _| invalidate())
        .on_close(move |_, _| close())
        .on_timeout(move |_| timeout())
        .build()
        .unwrap();
    own.set(pool.clone()).unwrap();
    let held = pool.get().unwrap();
    assert!(pool.get_timeout(millis(1)).is_err());
    drop(held);
    Connection::invalidate(pool.get().unwrap());
    assert_eq!(
        *seen.lock(),
        [
            "connect",
            "checkout",
            "timeout",
            "reset",
            "checkin",
            "checkout",
            "invalidate",
            "close"
        ]
    );
    assert_eq!(pool.status().hook_failures, 0);
    pool.close(secs(20)).unwrap();
}
