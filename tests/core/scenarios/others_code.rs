//! Errors, hooks' errors and what hooks have captured are other people's code: their Display and their Drop may do anything.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use queuepool::{ErrorClass, ErrorKind, Pool, Retry, Settings};

use support::scripted::*;

/// Runs on a thread of its own, so that a pool that hangs is a failed test.
fn within_30_s(work: impl FnOnce() + Send + 'static) {
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || {
        work();
        let _ = ended.send(());
    });
    ends.recv_timeout(secs(30))
        .expect("the pool hangs, or the work panicked");
}

static POOL: OnceLock<Pool<Manager>> = OnceLock::new();
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Asks the pool for its status when it is dropped.
#[derive(Debug)]
struct Asking;

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Asking {}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(pool) = POOL.get() {
            assert_laws(&pool.status());
            ASKED.fetch_add(1, SeqCst);
        }
    }
}

struct Manager;

impl r2d2::ManageConnection for Manager {
    type Connection = ();
    type Error = Asking;

    fn connect(&self) -> Result<(), Asking> {
        Err(Asking)
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Asking> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

#[test]
fn a_drivers_error_may_ask_the_pool_when_it_is_dropped() {
    let settings = Settings::small()
        .retry(Retry::default().max_attempts(1))
        .timeout(secs(2));
    let pool = Pool::builder(Manager).settings(settings).build().unwrap();
    POOL.set(pool.clone()).ok();
    within_30_s(move || {
        for _ in 0..3 {
            assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
        }
        // Reported to warm_up, to a health check, and to a caller that has left.
        pool.warm_up(1).unwrap_err();
        assert!(!pool.health_check().unwrap().reachable);
        pool.get_timeout(millis(1)).unwrap_err();
        // The monitor's samples let go of it too.
        for _ in 0..3 {
            pool.sample();
            pool.get().unwrap_err();
        }
        pool.close(secs(10)).unwrap();
    });
    assert!(ASKED.load(SeqCst) >= 3);
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Explosive(#[allow(dead_code)] Stubborn);

impl fmt::Display for Explosive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("starting up")
    }
}

impl std::error::Error for Explosive {}

#[derive(Default)]
struct Starting(AtomicUsize);

impl r2d2::ManageConnection for Starting {
    type Connection = ();
    type Error = Explosive;

    fn connect(&self) -> Result<(), Explosive> {
        match self.0.fetch_add(1, SeqCst) {
            0..3 => Err(Explosive(Stubborn)),
            _ => Ok(()),
        }
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Explosive> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

#[test]
fn a_drivers_error_that_panics_when_it_is_dropped_costs_no_place_and_no_caller() {
    silence_scripted_panics();
    within_30_s(|| {
        let retry = Retry::default().initial_delay(millis(1)).jitter(false);
        let settings = Settings::default().pool_size(1).max_overflow(0);
        let pool = Pool::builder(Starting::default())
            .settings(settings.retry(retry))
            .build()
            .unwrap();
        drop(pool.get().unwrap());
        drop(pool.get_timeout(millis(0)).unwrap());
        assert_laws(&pool.status());
        assert_eq!(pool.status().waiting_requests, 0);
        pool.close(secs(10)).unwrap();
    });
}

#[test]
fn a_close_that_is_refused_leaves_the_monitor_on() {
    let server = Server::new();
    let own: Arc<OnceLock<Pool<ScriptedManager>>> = Arc::default();
    let inside = own.clone();
    let settings = Settings::default()
        .enable_pool_metrics(true)
        .metrics_collection_interval(secs(1));
    let pool = server
        .builder(settings)
        .on_checkout(move |_, _| {
            let refused = inside.get().unwrap().close(secs(1)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
            Ok(())
        })
        .build()
        .unwrap();
    own.set(pool.clone()).ok();
    drop(pool.get().unwrap());
    let taken = || pool.history(0).len();
    let before = taken();
    eventually("samples go on", || taken() > before + 1);
    // The hook holds the pool.
    pool.close(secs(10)).unwrap();
}

/// An error that cannot be printed.
#[derive(Debug)]
struct Mute;

impl fmt::Display for Mute {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("scripted: no words")
    }
}

impl std::error::Error for Mute {}

#[test]
fn a_hooks_error_that_panics_in_display_costs_no_place_and_no_attempt() {
    silence_scripted_panics();
    for at_checkout in [false, true] {
        within_30_s(move || {
            let server = Server::new();
            let refusals = Arc::new(AtomicUsize::new(0));
            let refused = refusals.clone();
            let hook = move || -> Result<(), queuepool::HookError> {
                match refused.fetch_add(1, SeqCst) {
                    0..3 => Err(Box::new(Mute)),
                    _ => Ok(()),
                }
            };
            let builder = server.builder(Settings::default().pool_size(1).max_overflow(0));
            let pool = match at_checkout {
                true => builder.on_checkout(move |_, _| hook()),
                false => builder.on_connect(move |_, _| hook()),
            }
            .build()
            .unwrap();
            let mut failures = 0;
            while let Err(error) = pool.get() {
                assert_eq!(error.kind(), ErrorKind::Hook, "{error}");
                failures += 1;
            }
            assert_eq!(failures, if at_checkout { 1 } else { 3 });
            let status = pool.status();
            assert_laws(&status);
            assert_eq!((status.opening_connections, status.abandoned), (0, 0));
            assert_eq!(status.hook_failures, 3);
            pool.close(secs(10)).unwrap();
        });
    }
}

/// Panics even when it is dropped.
#[derive(Debug)]
struct Stubborn;

impl Drop for Stubborn {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("scripted: no end")
        }
    }
}

#[test]
fn values_that_hooks_have_captured_may_panic_when_they_are_dropped() {
    silence_scripted_panics();
    for closes in [true, false] {
        within_30_s(move || {
            let server = Server::new();
            let (one, another, third) = (Stubborn, Stubborn, Stubborn);
            let pool = server
                .builder(Settings::default())
                .on_connect(move |_, _| {
                    let _captured = &one;
                    Ok(())
                })
                .on_connect(move |_, _| {
                    let _captured = &another;
                    Ok(())
                })
                .on_checkin(move |_, _| {
                    let _captured = &third;
                })
                .build()
                .unwrap();
            drop(pool.get().unwrap());
            if closes {
                pool.close(secs(10)).unwrap();
            }
            drop(pool);
            eventually("all are closed", || server.open() == 0);
        });
    }
}

#[test]
fn panics_whose_payload_panics_when_it_is_dropped_cost_no_place() {
    silence_scripted_panics();
    within_30_s(|| {
        let server = Server::new();
        let pool = server
            .builder(Settings::default().pool_size(1).max_overflow(0))
            .on_checkin(|_, _| std::panic::panic_any(Stubborn))
            .build()
            .unwrap();
        for _ in 0..3 {
            drop(pool.get().unwrap());
        }
        assert_laws(&pool.status());
        assert_eq!(pool.status().hook_failures, 3);
        pool.close(secs(10)).unwrap();
    });
}

#[test]
fn an_error_says_whether_trying_again_may_help() {
    let server = Server::new();
    server.on_connect(|n| match n {
        0 => Act::Fail(ErrorClass::Transient),
        1 => Act::Succeed,
        _ => Act::Fail(ErrorClass::Permanent),
    });
    let retry = Retry::default().max_attempts(1);
    let pool = server.pool(
        Settings::default()
            .pool_size(1)
            .max_overflow(0)
            .retry(retry),
    );
    let starting = pool.get().unwrap_err();
    assert_eq!(starting.kind(), ErrorKind::Connect);
    assert!(starting.is_transient());
    let held = pool.get().unwrap();
    assert!(pool.get_timeout(millis(10)).unwrap_err().is_transient());
    queuepool::Connection::invalidate(held);
    let wrong_password = pool.get().unwrap_err();
    assert_eq!(wrong_password.kind(), ErrorKind::Connect);
    assert!(!wrong_password.is_transient());
    assert!(!pool.warm_up(2).unwrap_err().is_transient(), "a setting");
    pool.close(secs(10)).unwrap();
    assert!(!pool.get().unwrap_err().is_transient(), "closed");
}
