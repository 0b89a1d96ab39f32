//! What warm_up and get say, and how soon they hear.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use queuepool::{ErrorClass, ErrorKind, Retry, Settings};

use support::scripted::*;

fn retry(attempts: u32, delay_ms: u64) -> Retry {
    Retry::default()
        .max_attempts(attempts)
        .initial_delay(millis(delay_ms))
        .max_delay(millis(delay_ms))
        .jitter(false)
}

#[test]
fn warm_up_against_an_absent_server_ends_with_the_drivers_last_error() {
    // By the retry policy, and by its deadline.
    for (retry, timeout) in [(retry(2, 1), secs(20)), (retry(1000, 20), millis(200))] {
        let server = Server::new();
        server.on_connect(|_| Act::Fail(ErrorClass::Lost));
        let pool = server.pool(Settings::default().retry(retry).timeout(timeout));
        let error = pool.warm_up(3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("scripted Lost"), "{error}");
        let beneath = error
            .source()
            .and_then(|error| error.downcast_ref::<ScriptedError>());
        assert!(beneath.is_some(), "{error:?}");
    }
}

#[test]
fn warm_up_asleep_between_attempts_hears_another_ones_success_at_once() {
    let server = Server::new();
    let up = std::sync::Arc::new(AtomicBool::new(false));
    let is_up = up.clone();
    server.on_connect(move |_| match is_up.load(SeqCst) {
        true => Act::Succeed,
        false => Act::Fail(ErrorClass::Lost),
    });
    let settings = Settings::default().retry(retry(5, 20_000));
    let pool = server.pool(settings);
    thread::scope(|scope| {
        let warming = scope.spawn(|| pool.warm_up(3));
        eventually("it has failed and sleeps", || {
            server.connects() >= 3 && pool.status().opening_connections == 0
        });
        up.store(true, SeqCst);
        let start = Instant::now();
        drop(pool.get().unwrap());
        warming.join().unwrap().unwrap();
        assert!(start.elapsed() < secs(10), "{:?}", start.elapsed());
    });
    assert_eq!(pool.status().total, 3);
}

#[test]
fn warm_up_asleep_between_attempts_hears_close_at_once() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Lost));
    let pool = server.pool(Settings::default().retry(retry(5, 20_000)));
    thread::scope(|scope| {
        let warming = scope.spawn(|| pool.warm_up(1));
        eventually("it has failed and sleeps", || {
            server.connects() == 1 && pool.status().opening_connections == 0
        });
        let start = Instant::now();
        pool.close(secs(5)).unwrap();
        let error = warming.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(start.elapsed() < secs(10), "{:?}", start.elapsed());
    });
}

#[test]
fn get_timeout_of_zero_with_room_does_not_say_that_the_limit_is_reached() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pool_size(2).max_overflow(3));
    let held = pool.get().unwrap();
    let error = pool.get_timeout(millis(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let words = "no connection was ready, and there was no time left to open one (1 of 5 are open)";
    assert!(error.to_string().starts_with(words), "{error}");
    let others = [(); 4].map(|()| pool.get().unwrap());
    let error = pool.get_timeout(millis(0)).unwrap_err();
    let words = "QueuePool limit of size 2 overflow 3 reached";
    assert!(error.to_string().starts_with(words), "{error}");
    drop((held, others));
    assert_laws(&pool.status());
}

#[test]
fn a_permanent_connect_error_is_told_even_if_the_pool_is_closed_meanwhile() {
    let server = Server::new();
    let gate = Gate::new();
    let slow = gate.clone();
    server.on_connect(move |_| {
        slow.pass();
        Act::Fail(ErrorClass::Permanent)
    });
    // On the caller's own thread, so that it is not in the queue when the pool closes.
    server.connects_here.store(true, SeqCst);
    let pool = server.pool(Settings::default());
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(drop));
        eventually("it connects", || gate.waiting() == 1);
        let closing = scope.spawn(|| pool.close(secs(10)));
        eventually("it is closed", || pool.status().closed);
        gate.open();
        let error = caller.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("scripted Permanent"), "{error}");
        closing.join().unwrap().unwrap();
    });
}

#[test]
fn while_calls_hang_a_caller_waits_for_the_first_to_end_and_the_error_names_them() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_reset(waiting);
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .health_check_timeout(millis(50));
    let pool = server.pool(settings);
    drop(pool.get().unwrap());
    assert_eq!(pool.status().abandoned, 1);
    let error = pool.get_timeout(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("1 reset hangs: no connection is opened"),
        "{error}"
    );
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(|connection| connection.id));
        eventually("it waits", || pool.status().waiting_requests == 1);
        gate.open();
        assert_eq!(caller.join().unwrap().unwrap(), 1);
    });
    assert_laws(&pool.status());
}
