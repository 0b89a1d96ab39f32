//! Scenario 15 and the rules of hooks: none of them loses a place, whatever it does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use queuepool::{CloseReason, Connection, ErrorKind, Pool, PrePing, Settings};

use support::scripted::*;

const CAPACITY: usize = 3;

fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(1)
        .timeout(secs(5))
}

/// All places can still be taken at once.
#[track_caller]
fn assert_full_capacity(pool: &Pool<ScriptedManager>) {
    eventually("nothing is in transit", || {
        let status = pool.status();
        status.abandoned == 0
            && status.opening_connections == 0
            && status.checked_in == status.idle_connections
    });
    let out: Vec<_> = (0..CAPACITY).map(|_| pool.get().unwrap()).collect();
    assert_eq!(out.len(), CAPACITY);
    drop(out);
    assert_laws(&pool.status());
}

/// True once.
fn once() -> impl Fn() -> bool + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move || calls.fetch_add(1, SeqCst) == 0
}

#[test]
fn scenario_15_a_connect_that_panics_is_an_error_and_loses_no_place() {
    let server = Server::new();
    server.on_connect(|n| if n == 0 { Act::Panic } else { Act::Succeed });
    let pool = server.pool(settings());
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("scripted panic"), "{error}");
    assert_full_capacity(&pool);
}

#[test]
fn scenario_15_a_ping_that_panics_loses_no_place() {
    let server = Server::new();
    server.on_ping(|n| if n == 0 { Act::Panic } else { Act::Succeed });
    let pool = server.pool(settings().pre_ping(PrePing::Always));
    drop(pool.get().unwrap());
    drop(pool.get().unwrap());
    assert_full_capacity(&pool);
}

#[test]
fn scenario_15_a_close_that_panics_loses_no_place() {
    let server = Server::new();
    server.on_close(|n| if n == 0 { Act::Panic } else { Act::Succeed });
    let pool = server.pool(settings());
    Connection::invalidate(pool.get().unwrap());
    assert_full_capacity(&pool);
}

#[test]
fn scenario_15_panics_in_connect_and_checkout_hooks_resume_in_get() {
    for which in ["connect", "checkout"] {
        let server = Server::new();
        let first = Arc::new(once());
        let hook = move |name: &str| {
            if name == which && first() {
                panic!("the {name} hook panics");
            }
            Ok(())
        };
        let (connect, checkout) = (hook.clone(), hook);
        let pool = server
            .builder(settings())
            .on_connect(move |_, _| connect("connect"))
            .on_checkout(move |_, _| checkout("checkout"))
            .build()
            .unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| pool.get().map(drop))).unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().unwrap(),
            &format!("the {which} hook panics")
        );
        assert_full_capacity(&pool);
        assert_eq!(pool.status().hook_failures, 1);
        assert_eq!(
            pool.status().closed_by_reason.get(&CloseReason::HookFailed),
            Some(&1)
        );
    }
}

#[test]
fn scenario_15_panics_in_all_other_hooks_are_caught_and_counted() {
    for which in ["checkin", "reset", "invalidate", "close", "timeout"] {
        let server = Server::new();
        let first = Arc::new(once());
        let hook = move |name: &str| {
            if name == which && first() {
                panic!("the {name} hook panics");
            }
        };
        let (checkin, reset, invalidate) = (hook.clone(), hook.clone(), hook.clone());
        let (close, timeout) = (hook.clone(), hook);
        let pool = server
            .builder(settings())
            .on_checkin(move |_, _| checkin("checkin"))
            .on_reset(move |_, _| reset("reset"))
            .on_invalidate(move |_, _| invalidate("invalidate"))
            .on_close(move |_, _| close("close"))
            .on_timeout(move |_| timeout("timeout"))
            .build()
            .unwrap();
        let out: Vec<_> = (0..CAPACITY).map(|_| pool.get().unwrap()).collect();
        assert_eq!(
            pool.get_timeout(millis(1)).unwrap_err().kind(),
            ErrorKind::Timeout
        );
        drop(out);
        Connection::invalidate(pool.get().unwrap());
        assert_eq!(pool.status().hook_failures, 1, "{which}");
        assert_full_capacity(&pool);
    }
}

#[test]
fn a_connect_hook_that_fails_is_the_callers_error_and_the_connection_is_closed() {
    let server = Server::new();
    let first = once();
    let refuse = move |_: &mut ScriptedConnection, _: &queuepool::ConnectionInfo| {
        if first() {
            Err("no search_path".into())
        } else {
            Ok(())
        }
    };
    let pool = server
        .builder(settings())
        .on_connect(refuse)
        .build()
        .unwrap();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hook);
    assert!(error.to_string().contains("no search_path"), "{error}");
    assert_full_capacity(&pool);
}

#[test]
fn a_checkout_hook_that_refuses_has_another_tried_three_in_all() {
    for (refusals, accepted) in [(2, true), (3, false)] {
        let server = Server::new();
        let calls = AtomicUsize::new(0);
        let pool = server
            .builder(settings())
            .on_checkout(move |_, _| {
                if calls.fetch_add(1, SeqCst) < refusals {
                    Err("no".into())
                } else {
                    Ok(())
                }
            })
            .build()
            .unwrap();
        match pool.get() {
            Ok(held) => assert_eq!((held.id, accepted), (2, true)),
            Err(error) => assert_eq!((error.kind(), accepted), (ErrorKind::Hook, false)),
        }
        assert_full_capacity(&pool);
    }
}

#[test]
fn hooks_are_told_which_connection_and_why() {
    let server = Server::new();
    let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let close = told.clone();
    let pool = server
        .builder(settings())
        .name("orders")
        .on_close(move |info, reason| {
            close
                .lock()
                .push((info.id(), info.pool().to_owned(), info.checkouts(), reason))
        })
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    Connection::invalidate(pool.get().unwrap());
    assert_eq!(
        *told.lock(),
        [(1, "orders".to_owned(), 2, CloseReason::Invalidated)]
    );
}

#[test]
fn inside_a_hook_waiting_calls_are_unsupported_and_status_works() {
    let server = Server::new();
    let own: Arc<OnceLock<Pool<ScriptedManager>>> = Arc::default();
    let inside = own.clone();
    let kinds = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = kinds.clone();
    let pool = server
        .builder(settings())
        .on_checkin(move |_, _| {
            let pool = inside.get().unwrap();
            assert!(pool.status().checkouts > 0);
            let mut seen = seen.lock();
            seen.push(pool.get().map(drop).unwrap_err().kind());
            seen.push(pool.try_get().map(drop).unwrap_err().kind());
            seen.push(pool.warm_up(1).unwrap_err().kind());
            seen.push(pool.close(secs(1)).unwrap_err().kind());
        })
        .build()
        .unwrap();
    own.set(pool.clone()).unwrap();
    drop(pool.get().unwrap());
    assert_eq!(*kinds.lock(), [ErrorKind::Unsupported; 4]);
    assert_full_capacity(&pool);
    assert_eq!(pool.status().hook_failures, 0);
    // The hook has captured the pool: close lets go of it.
    pool.close(secs(5)).unwrap();
}
