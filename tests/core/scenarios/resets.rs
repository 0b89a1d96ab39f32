//! Scenarios 12 to 14: what happens on return.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use parking_lot::Mutex;
use queuepool::{CloseReason, ErrorClass, Mode, ResetOnReturn, Settings};

use support::scripted::*;

#[test]
fn scenario_12_each_return_is_reset_once_and_with_never_not_at_all() {
    for (reset_on_return, resets) in [
        (ResetOnReturn::Rollback, 3),
        (ResetOnReturn::Full, 3),
        (ResetOnReturn::Never, 0),
    ] {
        let server = Server::new();
        let pool = server.pool(Settings::default().reset_on_return(reset_on_return));
        for _ in 0..3 {
            drop(pool.get().unwrap());
        }
        assert_eq!(server.resets(), resets);
        assert!(
            server
                .resets_are
                .lock()
                .iter()
                .all(|how| *how == reset_on_return)
        );
    }
}

#[test]
fn scenario_12_when_the_reset_fails_the_return_succeeds_and_the_connection_is_closed() {
    for act in [Act::Fail(ErrorClass::Statement), Act::Panic] {
        let server = Server::new();
        server.on_reset(move |n| if n == 0 { act.clone() } else { Act::Succeed });
        let pool = server.pool(Settings::default());
        drop(pool.get().unwrap());
        assert_eq!(server.closes(), 1);
        assert_eq!(
            pool.status()
                .closed_by_reason
                .get(&CloseReason::ResetFailed),
            Some(&1)
        );
        assert_eq!(pool.get().unwrap().id, 1);
        assert_laws(&pool.status());
    }
}

#[test]
fn a_bounded_reset_runs_on_the_returning_thread_even_if_another_connection_is_idle() {
    let server = Server::new();
    server.local.store(true, SeqCst);
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    server.on_reset(move |_| {
        seen.lock().push(thread::current().id());
        Act::Take(millis(1))
    });
    let pool = server.pool(Settings::default().pool_size(2));
    pool.warm_up(2).unwrap();
    for _ in 0..3 {
        drop(pool.get().unwrap());
    }
    assert_eq!(*threads.lock(), [thread::current().id(); 3]);
}

#[test]
fn a_reset_that_does_not_end_is_abandoned_at_its_limit() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_reset(waiting);
    let pool = server.pool(Settings::default().health_check_timeout(millis(100)));
    drop(pool.get().unwrap());
    assert_eq!((pool.status().abandoned, pool.status().total), (1, 0));
    assert_laws(&pool.status());
    gate.open();
    eventually("the call has returned", || pool.status().abandoned == 0);
}

#[test]
fn scenario_13_null_mode_opens_at_checkout_and_closes_at_checkin() {
    let server = Server::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = |name: &'static str| {
        let events = events.clone();
        move || events.lock().push(name)
    };
    let (connect, checkout, checkin) = (log("connect"), log("checkout"), log("checkin"));
    let (reset, close) = (log("reset"), log("close"));
    let settings = Settings::default()
        .mode(Mode::Null)
        .pool_size(2)
        .max_overflow(1);
    let pool = server
        .builder(settings)
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
        .on_close(move |_, reason| {
            assert_eq!(reason, CloseReason::NullPool);
            close();
        })
        .build()
        .unwrap();
    let (a, b) = (pool.get().unwrap(), pool.get().unwrap());
    let status = pool.status();
    assert_eq!(status.pool_type, "NullPool");
    assert_eq!(state(&status), (0, 0, 0, 2));
    assert_eq!((status.total, status.total_capacity), (2, 3));
    assert!((status.utilization - 200.0 / 3.0).abs() < 1e-9);
    drop((a, b));
    assert_eq!(
        (server.connects(), server.closes(), server.pings()),
        (2, 2, 0)
    );
    let once = [
        "connect", "checkout", "connect", "checkout", "reset", "checkin", "close", "reset",
        "checkin", "close",
    ];
    assert_eq!(*events.lock(), once);
    assert_eq!(state(&pool.status()), (0, 0, 0, 0));
    assert_laws(&pool.status());
}

#[test]
fn in_null_mode_a_return_is_rolled_back_at_most_since_the_connection_is_closed_next() {
    for (how, after_a_return) in [
        (ResetOnReturn::Rollback, vec![ResetOnReturn::Rollback]),
        (ResetOnReturn::Full, vec![ResetOnReturn::Rollback]),
        (ResetOnReturn::Never, vec![]),
    ] {
        let server = Server::new();
        let pool = server.pool(Settings::default().mode(Mode::Null).reset_on_return(how));
        drop(pool.get().unwrap());
        assert_eq!(
            std::mem::take(&mut *server.resets_are.lock()),
            after_a_return
        );
        catch_unwind(AssertUnwindSafe(|| {
            let _held = pool.get().unwrap();
            panic!("the user's code panics");
        }))
        .unwrap_err();
        assert_eq!(*server.resets_are.lock(), [ResetOnReturn::Rollback]);
        let status = pool.status();
        assert_eq!(
            status.closed_by_reason.get(&CloseReason::NullPool),
            Some(&2)
        );
        assert_laws(&status);
    }
}

#[test]
fn null_mode_opens_no_more_than_its_capacity_and_waiters_open_their_own() {
    let server = Server::new();
    let pool = server.pool(
        Settings::default()
            .mode(Mode::Null)
            .pool_size(2)
            .max_overflow(1),
    );
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..10 {
                    drop(pool.get().unwrap());
                }
            });
        }
    });
    assert!(server.most_open() <= 3);
    assert_eq!((server.connects(), server.closes()), (120, 120));
}

#[test]
fn scenario_14_a_guard_dropped_by_a_panic_is_reset_in_full() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    catch_unwind(AssertUnwindSafe(|| {
        let _held = pool.get().unwrap();
        panic!("the user's code panics");
    }))
    .unwrap_err();
    assert_eq!(*server.resets_are.lock(), [ResetOnReturn::Full]);
    assert_eq!(pool.status().idle_connections, 1);
}

#[test]
fn scenario_14_without_a_reset_it_is_closed() {
    struct Plain;
    impl r2d2::ManageConnection for Plain {
        type Connection = u8;
        type Error = std::io::Error;
        fn connect(&self) -> Result<u8, std::io::Error> {
            Ok(7)
        }
        fn is_valid(&self, _: &mut u8) -> Result<(), std::io::Error> {
            Ok(())
        }
        fn has_broken(&self, _: &mut u8) -> bool {
            false
        }
    }
    let pool = queuepool::Pool::builder(Plain).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| {
        let _held = pool.get().unwrap();
        panic!("the user's code panics");
    }))
    .unwrap_err();
    assert_eq!(
        pool.status().closed_by_reason.get(&CloseReason::Panicked),
        Some(&1)
    );
}

#[test]
fn a_guard_checked_out_and_dropped_while_unwinding_is_returned_as_ever() {
    struct UsesThePool<'a>(&'a queuepool::Pool<ScriptedManager>);
    impl Drop for UsesThePool<'_> {
        fn drop(&mut self) {
            drop(self.0.get().unwrap());
        }
    }
    let server = Server::new();
    let pool = server.pool(Settings::default());
    catch_unwind(AssertUnwindSafe(|| {
        let _later = UsesThePool(&pool);
        panic!("the user's code panics");
    }))
    .unwrap_err();
    assert_eq!(*server.resets_are.lock(), [ResetOnReturn::Rollback]);
}

#[test]
fn a_timeout_in_null_mode_says_which_pool_it_is() {
    let server = Server::new();
    let pool = server.pool(
        Settings::default()
            .mode(Mode::Null)
            .pool_size(1)
            .max_overflow(0),
    );
    let _held = pool.get().unwrap();
    let error = pool.get_timeout(millis(1)).unwrap_err().to_string();
    assert!(
        error.starts_with("NullPool limit of size 1 overflow 0 reached"),
        "{error}"
    );
}
