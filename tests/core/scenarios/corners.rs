//! Faults that were once found by reading the code, each on a narrow path that the scenarios miss.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::{
    CloseReason, Connection, Driver, ErrorClass, ErrorKind, Mode, Pool, Retry, Settings,
};

use support::scripted::*;

fn retry(attempts: u32, delay: u64) -> Retry {
    Retry::default()
        .max_attempts(attempts)
        .initial_delay(millis(delay))
        .jitter(false)
}

#[test]
fn a_connection_that_was_never_out_is_pinged_once_its_window_has_passed() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default().warm_up(2));
    clock.advance(secs(600));
    server.restart();
    assert_eq!(pool.get().unwrap().id, 2, "both warm ones were dead");
    assert_eq!(server.pings(), 1);
}

#[test]
fn who_failed_on_its_own_thread_takes_an_idle_connection_instead_of_sleeping() {
    let server = Server::new();
    server.local.store(true, SeqCst);
    let gate = Gate::new();
    let slow = gate.clone();
    server.on_connect(move |n| {
        if n == 0 {
            return Act::Succeed;
        }
        slow.pass();
        Act::Fail(ErrorClass::Transient)
    });
    let pool = server.pool(Settings::default().retry(retry(5, 20_000)));
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let start = Instant::now();
            (pool.get().unwrap().id, start.elapsed())
        });
        eventually("it connects", || gate.waiting() == 1);
        drop(held);
        assert_eq!(pool.status().idle_connections, 1);
        gate.open();
        let (id, waited) = caller.join().unwrap();
        assert_eq!(id, 0);
        assert!(waited < secs(5), "{waited:?}");
    });
}

#[test]
fn a_connection_kept_in_a_thread_local_goes_back_when_the_thread_ends() {
    thread_local! {
        static KEPT: RefCell<Option<Connection<ScriptedManager>>> = const { RefCell::new(None) };
    }
    let server = Server::new();
    let pool = server
        .builder(Settings::default())
        .on_checkin(|_, _| ())
        .build()
        .unwrap();
    let held_by = pool.clone();
    thread::spawn(move || KEPT.with(|kept| *kept.borrow_mut() = Some(held_by.get().unwrap())))
        .join()
        .unwrap();
    eventually("it is back", || pool.status().idle_connections == 1);
}

#[test]
fn a_ping_that_takes_all_of_the_time_is_not_called_exhaustion() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_ping(waiting);
    let (pool, clock) =
        server.pool_with_clock(Settings::default().health_check_timeout(millis(100)));
    drop((0..6).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(1));
    let error = pool.get_timeout(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    assert_eq!(pool.status().connection_timeouts, 1);
    let error = pool.try_get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    gate.open();
}

#[test]
fn a_place_kept_because_too_many_calls_hang_is_freed_when_one_ends() {
    let server = Server::new();
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let mute = gates.clone();
    server.on_ping(move |n| Act::Wait(mute[n].clone()));
    let settings = Settings::default()
        .pool_size(2)
        .max_overflow(0)
        .connect_timeout(secs(3600))
        .health_check_timeout(millis(20))
        .max_validation_failures(1);
    let (pool, clock) = server.pool_with_clock(settings);
    let (first, second) = (pool.get().unwrap(), pool.get().unwrap());
    drop(second);
    clock.advance(secs(1));
    pool.get().unwrap_err();
    let third = pool.get().unwrap();
    drop((first, third));
    clock.advance(secs(1));
    pool.get().unwrap_err();
    pool.get().unwrap_err();
    let status = pool.status();
    assert_eq!((status.abandoned, status.total_connections_closed), (2, 2));
    gates[0].open();
    eventually("the third gives its place back", || {
        pool.status().total_connections_closed == 3
    });
    gates.iter().for_each(|gate| gate.open());
    eventually("nothing hangs", || pool.status().abandoned == 0);
    assert_laws(&pool.status());
}

#[test]
fn a_connect_left_by_an_impatient_caller_is_not_doubled() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(Settings::default().pool_size(1).max_overflow(0));
    pool.get_timeout(millis(5)).unwrap_err();
    thread::scope(|scope| {
        let next = scope.spawn(|| pool.get().unwrap().id);
        eventually("it waits", || pool.status().waiting_requests == 1);
        gate.open();
        assert_eq!(next.join().unwrap(), 0);
    });
    assert_eq!((server.connects(), server.most_open()), (1, 1));
}

#[test]
fn a_local_connect_past_its_limit_is_no_closed_pool() {
    let server = Server::new();
    server.local.store(true, SeqCst);
    let gate = Gate::new();
    let slow = gate.clone();
    server.on_connect(move |n| match n {
        1 => Act::Wait(slow.clone()),
        2 => Act::Fail(ErrorClass::Transient),
        _ => Act::Succeed,
    });
    let settings = Settings::default()
        .pool_size(3)
        .max_overflow(0)
        .connect_timeout(millis(50))
        .retry(retry(2, 10));
    let pool = server.pool(settings);
    let first = pool.get().unwrap();
    thread::scope(|scope| {
        let late = scope.spawn(|| pool.get().map(|connection| connection.id));
        eventually("it connects", || gate.waiting() == 1);
        // Its second attempt sets the timer, which then finds the other attempt overdue.
        let second = pool.get().unwrap();
        eventually("its place is free", || pool.status().abandoned == 1);
        let third = pool.get().unwrap();
        gate.open();
        eventually("it has come too late and waits", || {
            server.closes() == 1 && pool.status().waiting_requests == 1
        });
        drop(first);
        assert_eq!(late.join().unwrap().unwrap(), 0);
        drop((second, third));
    });
    assert_eq!(pool.status().connection_errors, 2);
    assert_laws(&pool.status());
}

#[test]
fn min_pool_size_is_tried_again_by_the_retry_policy() {
    let server = Server::new();
    server.on_connect(|n| {
        if n < 3 {
            Act::Fail(ErrorClass::Transient)
        } else {
            Act::Succeed
        }
    });
    let start = Instant::now();
    let pool = server.pool(Settings::default().min_pool_size(1).retry(retry(5, 50)));
    eventually("it is open", || pool.status().idle_connections == 1);
    // 50 + 100 + 200 ms.
    assert!(start.elapsed() >= millis(350), "{:?}", start.elapsed());
    assert!(start.elapsed() < secs(5), "{:?}", start.elapsed());
}

#[test]
fn min_pool_size_is_filled_up_when_a_hung_call_ends() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_ping(waiting);
    let settings = Settings::default()
        .min_pool_size(1)
        .health_check_timeout(millis(20))
        .max_validation_failures(1);
    let (pool, clock) = server.pool_with_clock(settings);
    eventually("it is open", || pool.status().idle_connections == 1);
    clock.advance(secs(1));
    pool.get().unwrap_err();
    assert_eq!(pool.status().abandoned, 1);
    gate.open();
    eventually("there is another", || {
        pool.status().idle_connections == 1 && server.connects() == 2
    });
}

#[test]
fn an_error_that_panics_when_asked_loses_no_place() {
    #[derive(Debug)]
    struct Rude(bool);
    impl std::fmt::Display for Rude {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            assert!(!self.0, "rude in words");
            f.write_str("refused")
        }
    }
    impl std::error::Error for Rude {}
    #[derive(Default)]
    struct Manager {
        connects: AtomicUsize,
    }
    impl r2d2::ManageConnection for Manager {
        type Connection = AtomicBool;
        type Error = Rude;
        fn connect(&self) -> Result<AtomicBool, Rude> {
            match self.connects.fetch_add(1, SeqCst) {
                0 => Err(Rude(true)),
                1 => Err(Rude(false)),
                _ => Ok(AtomicBool::new(false)),
            }
        }
        fn is_valid(&self, pinged: &mut AtomicBool) -> Result<(), Rude> {
            if pinged.swap(true, SeqCst) {
                Ok(())
            } else {
                Err(Rude(false))
            }
        }
        fn has_broken(&self, _: &mut AtomicBool) -> bool {
            false
        }
    }
    struct RudeDriver;
    impl Driver<Manager> for RudeDriver {
        fn classify(&self, _: &Rude) -> ErrorClass {
            panic!("rude in class")
        }
    }
    let pool = Pool::builder(Manager::default())
        .driver(RudeDriver)
        .settings(
            Settings::default()
                .pool_size(1)
                .max_overflow(0)
                .timeout(secs(5))
                .max_validation_failures(1)
                .pre_ping(queuepool::PrePing::Always),
        )
        .build()
        .unwrap();
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
        assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
    }
    drop(pool.get().unwrap());
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Validation);
    drop(pool.get().unwrap());
    assert_laws(&pool.status());
    pool.close(secs(5)).unwrap();
}

#[test]
fn a_name_that_no_thread_can_have_fails_the_build() {
    let server = Server::new();
    let built = server.builder(Settings::default()).name("a\0b").build();
    assert_eq!(built.unwrap_err().kind(), ErrorKind::Settings);
}

#[test]
fn what_comes_late_in_null_mode_is_closed_as_such() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(Settings::default().mode(Mode::Null));
    pool.get_timeout(Duration::from_millis(20)).unwrap_err();
    gate.open();
    eventually("it is closed", || {
        pool.status().total_connections_closed == 1
    });
    let reasons = pool.status().closed_by_reason;
    assert_eq!(reasons.get(&CloseReason::NullPool), Some(&1), "{reasons:?}");
}
