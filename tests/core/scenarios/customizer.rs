//! An r2d2 customizer, carried over: it acquires and releases like a driver's call, and loses no place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use queuepool::{
    CloseReason, Connection, ErrorClass, ErrorKind, Mode, Pool, PrePing, Retry, Settings,
};

use support::scripted::*;

/// A customizer that obeys the test, and which connections it has seen.
#[derive(Clone)]
pub struct Ledger(Arc<Entries>);

struct Entries {
    acquired: Mutex<Vec<usize>>,
    released: Mutex<Vec<usize>>,
    acquire: Mutex<Box<dyn FnMut(usize) -> Act + Send>>,
    release: Mutex<Box<dyn FnMut(usize) -> Act + Send>>,
}

impl Ledger {
    pub fn new() -> Self {
        Ledger(Arc::new(Entries {
            acquired: Mutex::default(),
            released: Mutex::default(),
            acquire: Mutex::new(Box::new(|_| Act::Succeed)),
            release: Mutex::new(Box::new(|_| Act::Succeed)),
        }))
    }

    /// Told the connection's number, from 0.
    pub fn on_acquire(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.0.acquire.lock() = Box::new(script);
    }

    pub fn on_release(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.0.release.lock() = Box::new(script);
    }

    pub fn customizer(
        &self,
    ) -> Box<dyn r2d2::CustomizeConnection<ScriptedConnection, ScriptedError>> {
        Box::new(self.clone())
    }

    /// Those that were acquired without an error.
    pub fn acquired(&self) -> Vec<usize> {
        sorted(&self.0.acquired)
    }

    pub fn released(&self) -> Vec<usize> {
        sorted(&self.0.released)
    }
}

fn sorted(numbers: &Mutex<Vec<usize>>) -> Vec<usize> {
    let mut numbers = numbers.lock().clone();
    numbers.sort_unstable();
    numbers
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger")
    }
}

impl r2d2::CustomizeConnection<ScriptedConnection, ScriptedError> for Ledger {
    fn on_acquire(&self, connection: &mut ScriptedConnection) -> Result<(), ScriptedError> {
        let act = (self.0.acquire.lock())(connection.id);
        play(act)?;
        self.0.acquired.lock().push(connection.id);
        Ok(())
    }

    fn on_release(&self, connection: ScriptedConnection) {
        self.0.released.lock().push(connection.id);
        let act = (self.0.release.lock())(connection.id);
        if matches!(act, Act::Panic) {
            // A driver that panics while this panic unwinds would end the process, as Rust has it.
            drop(connection);
        }
        play(act).expect("a release cannot fail");
    }
}

fn play(act: Act) -> Result<(), ScriptedError> {
    match act {
        Act::Succeed => Ok(()),
        Act::Fail(class) => Err(ScriptedError(class)),
        Act::Panic => std::panic::panic_any(SCRIPTED_PANIC),
        Act::Wait(gate) => {
            gate.pass();
            Ok(())
        }
        Act::Take(time) => {
            std::thread::sleep(time);
            Ok(())
        }
        Act::UntilAborted => unreachable!("nobody aborts a customizer"),
    }
}

fn settings() -> Settings {
    let retry = Retry::default().initial_delay(millis(1));
    Settings::default()
        .pool_size(1)
        .max_overflow(1)
        .timeout(secs(10))
        .retry(retry)
}

fn pool(server: &Arc<Server>, settings: Settings, ledger: &Ledger) -> Pool<ScriptedManager> {
    let builder = server.builder(settings);
    builder
        .connection_customizer(ledger.customizer())
        .build()
        .unwrap()
}

/// All places can still be taken at once.
#[track_caller]
fn assert_full_capacity(pool: &Pool<ScriptedManager>) {
    let out = [pool.get().unwrap(), pool.get().unwrap()];
    drop(out);
    assert_laws(&pool.status());
}

#[test]
fn whatever_ends_a_connection_it_is_released_once_and_a_detached_one_is_not() {
    let server = Server::new();
    let ledger = Ledger::new();
    let (pool, clock) = {
        let clock = queuepool::Clock::stopped();
        let builder = server.builder(settings().recycle(secs(60)).pre_ping(PrePing::Always));
        let customized = builder.connection_customizer(ledger.customizer());
        (customized.clock(clock.clone()).build().unwrap(), clock)
    };
    let (kept, overflow) = (pool.get().unwrap(), pool.get().unwrap());
    drop(kept);
    drop(overflow);
    assert_eq!(ledger.released(), [1], "overflow");
    Connection::invalidate(pool.get().unwrap());
    assert_eq!(ledger.released(), [0, 1], "invalidated");
    drop(pool.get().unwrap());
    clock.advance(secs(61));
    pool.upkeep();
    eventually("2 was recycled", || ledger.released() == [0, 1, 2]);
    drop(pool.get().unwrap());
    server.restart();
    let lost = pool.get().unwrap();
    assert_eq!(lost.id, 4);
    eventually("3 was lost", || ledger.released() == [0, 1, 2, 3]);
    drop(Connection::detach(lost));
    drop(pool.get().unwrap());
    pool.close(secs(10)).unwrap();
    assert_eq!(ledger.released(), [0, 1, 2, 3, 5]);
    assert_eq!(ledger.acquired(), [0, 1, 2, 3, 4, 5]);
    assert_laws(&pool.status());
}

#[test]
fn an_error_of_on_acquire_is_a_connect_that_failed_and_nothing_is_released() {
    let server = Server::new();
    let ledger = Ledger::new();
    ledger.on_acquire(|id| match id {
        0 => Act::Fail(ErrorClass::Transient),
        2 => Act::Fail(ErrorClass::Permanent),
        _ => Act::Succeed,
    });
    let pool = pool(&server, settings(), &ledger);
    let first = pool.get().unwrap();
    assert_eq!(first.id, 1, "a transient one is tried again");
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.to_string(), "on_acquire failed: scripted Permanent");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<ScriptedError>().is_some());
    drop(first);
    let status = pool.status();
    assert_eq!(
        (status.connection_errors, status.total_connections_created),
        (2, 1)
    );
    assert_eq!(status.last_error.unwrap(), error.to_string());
    assert_eq!(server.open(), 1, "the refused ones are closed");
    assert!(ledger.released().is_empty());
    assert_full_capacity(&pool);
}

#[test]
fn a_connection_refused_by_on_acquire_whose_close_panics_loses_no_place() {
    silence_scripted_panics();
    let server = Server::new();
    server.on_close(|n| if n == 0 { Act::Panic } else { Act::Succeed });
    let ledger = Ledger::new();
    ledger.on_acquire(|id| match id {
        0 => Act::Fail(ErrorClass::Transient),
        _ => Act::Succeed,
    });
    assert_full_capacity(&pool(&server, settings(), &ledger));
}

#[test]
fn a_panic_in_on_acquire_resumes_in_get_and_one_in_on_release_is_caught_and_both_are_counted() {
    silence_scripted_panics();
    for local in [false, true] {
        let server = Server::new();
        server.local.store(local, SeqCst);
        let ledger = Ledger::new();
        ledger.on_acquire(|id| if id == 0 { Act::Panic } else { Act::Succeed });
        ledger.on_release(|id| if id == 1 { Act::Panic } else { Act::Succeed });
        let pool = pool(&server, settings(), &ledger);
        let panic = catch_unwind(AssertUnwindSafe(|| pool.get().map(drop))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&SCRIPTED_PANIC));
        assert_eq!(pool.status().hook_failures, 1);
        Connection::invalidate(pool.get().unwrap());
        eventually("the release has failed", || {
            pool.status().hook_failures == 2
        });
        assert_full_capacity(&pool);
        eventually("all that is not idle was closed", || server.open() == 1);
    }
}

#[test]
fn a_release_that_hangs_holds_nobody_up_whatever_the_driver() {
    for (local, mode) in [
        (false, Mode::Queue),
        (true, Mode::Queue),
        (true, Mode::Null),
    ] {
        let server = Server::new();
        server.local.store(local, SeqCst);
        let ledger = Ledger::new();
        let gate = Gate::new();
        let closed = gate.clone();
        ledger.on_release(move |_| Act::Wait(closed.clone()));
        let pool = pool(&server, settings().mode(mode), &ledger);
        // Were the customizer called on this thread or under a lock, these would not come back.
        Connection::invalidate(pool.get().unwrap());
        let second = pool.get().unwrap();
        assert_eq!((second.id, ledger.released()), (1, vec![0]));
        assert_eq!(pool.status().total, 2, "its place is taken until it ends");
        gate.open();
        eventually("the release has ended", || pool.status().total == 1);
        drop(second);
        assert_full_capacity(&pool);
    }
}

#[test]
fn an_acquire_that_hangs_is_abandoned_at_connect_timeout_and_released_when_it_ends() {
    let server = Server::new();
    let ledger = Ledger::new();
    let gate = Gate::new();
    let closed = gate.clone();
    ledger.on_acquire(move |id| match id {
        0 => Act::Wait(closed.clone()),
        _ => Act::Succeed,
    });
    let pool = pool(&server, settings().connect_timeout(millis(50)), &ledger);
    let held = [pool.get().unwrap(), pool.get().unwrap()];
    assert_eq!((held[1].id, pool.status().abandoned), (2, 1));
    gate.open();
    eventually("the one for which there is no place", || {
        ledger.released() == [0]
    });
    assert_eq!(ledger.acquired(), [0, 1, 2]);
    eventually("nothing hangs", || pool.status().abandoned == 0);
    drop(held);
    assert_laws(&pool.status());
}

#[test]
fn a_connection_returned_after_the_pool_was_closed_is_released_too() {
    let server = Server::new();
    let ledger = Ledger::new();
    let pool = pool(&server, settings(), &ledger);
    let held = pool.get().unwrap();
    assert_eq!(
        pool.close(Duration::ZERO).unwrap_err().kind(),
        ErrorKind::Timeout
    );
    drop(held);
    eventually("0 is released", || ledger.released() == [0]);
}

#[test]
fn inside_a_customizer_waiting_calls_are_unsupported() {
    #[derive(Default, Clone)]
    struct Asks {
        own: Arc<OnceLock<Pool<ScriptedManager>>>,
        kinds: Arc<Mutex<Vec<ErrorKind>>>,
        calls: Arc<AtomicUsize>,
    }
    impl std::fmt::Debug for Asks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Asks")
        }
    }
    impl Asks {
        fn ask(&self) {
            self.calls.fetch_add(1, SeqCst);
            let pool = self.own.get().unwrap();
            let kind = pool.get().map(drop).unwrap_err().kind();
            self.kinds.lock().push(kind);
        }
    }
    impl r2d2::CustomizeConnection<ScriptedConnection, ScriptedError> for Asks {
        fn on_acquire(&self, _: &mut ScriptedConnection) -> Result<(), ScriptedError> {
            self.ask();
            Ok(())
        }
        fn on_release(&self, _: ScriptedConnection) {
            self.ask();
        }
    }
    let asks = Asks::default();
    let server = Server::new();
    let builder = server.builder(settings());
    let pool = builder
        .connection_customizer(Box::new(asks.clone()))
        .build()
        .unwrap();
    asks.own.set(pool.clone()).unwrap();
    Connection::invalidate(pool.get().unwrap());
    eventually("both were called", || asks.kinds.lock().len() == 2);
    assert_eq!(*asks.kinds.lock(), [ErrorKind::Unsupported; 2]);
    let reasons = pool.status().closed_by_reason;
    assert_eq!(reasons.get(&CloseReason::Invalidated), Some(&1));
}

#[test]
fn a_release_that_hangs_is_counted_also_for_a_connection_that_came_too_late() {
    let server = Server::new();
    let ledger = Ledger::new();
    let (acquiring, releasing) = (Gate::new(), Gate::new());
    let closed = acquiring.clone();
    ledger.on_acquire(move |id| match id {
        0 => Act::Wait(closed.clone()),
        _ => Act::Succeed,
    });
    let closed = releasing.clone();
    ledger.on_release(move |_| Act::Wait(closed.clone()));
    let pool = pool(&server, settings().connect_timeout(millis(50)), &ledger);
    let _held = [pool.get().unwrap(), pool.get().unwrap()];
    acquiring.open();
    eventually("the late one is released", || releasing.waiting() == 1);
    // Its connect has ended, and a release counts as hung only after 5 s.
    eventually("the connect has ended", || pool.status().abandoned == 0);
    eventually("the release hangs", || pool.status().abandoned == 1);
    releasing.open();
    eventually("nothing hangs", || pool.status().abandoned == 0);
}

#[test]
fn a_refused_connection_is_closed_on_a_thread_of_the_pools_own() {
    let server = Server::new();
    let ledger = Ledger::new();
    ledger.on_acquire(|id| match id {
        0 => Act::Fail(ErrorClass::Permanent),
        _ => Act::Succeed,
    });
    let gate = Gate::new();
    let closed = gate.clone();
    server.on_close(move |_| Act::Wait(closed.clone()));
    server.connects_here.store(true, SeqCst);
    let pool = pool(&server, settings(), &ledger);
    // Were it closed here, this would not come back.
    let error = pool.get_timeout(millis(200)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    eventually("it is being closed", || gate.waiting() == 1);
    gate.open();
    assert_laws(&pool.status());
}
