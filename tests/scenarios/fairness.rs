//! Scenarios 16 (second half) and 17: first come, first served, and nobody forgotten.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{Connection, ResetOnReturn, Settings};

use crate::scripted::*;

#[test]
fn waiters_are_served_in_the_order_of_their_arrival() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pool_size(1).max_overflow(0));
    let held = pool.get().unwrap();
    let served = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..20 {
            let (pool, served) = (&pool, &served);
            scope.spawn(move || {
                let _held = pool.get().unwrap();
                served.lock().push(number);
            });
            eventually("it waits", || pool.status().waiting_requests == number + 1);
        }
        drop(held);
    });
    assert_eq!(*served.lock(), (0..20).collect::<Vec<_>>());
    assert_eq!(pool.status().peak_waiting, 20);
}

#[test]
fn scenario_16_64_threads_on_4_connections_wait_their_fair_share() {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(4)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never);
    let pool = server.pool(settings);
    let waits = Mutex::new(Vec::new());
    let start = Instant::now();
    let end = start + secs(3);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut own = Vec::new();
                while Instant::now() < end {
                    let asked = Instant::now();
                    let held = pool.get().unwrap();
                    own.push(asked.elapsed());
                    thread::sleep(millis(1));
                    drop(held);
                }
                waits.lock().extend(own);
            });
        }
    });
    let elapsed = start.elapsed();
    let mut waits = waits.into_inner();
    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    let share: Duration = elapsed * 64 / u32::try_from(waits.len()).unwrap();
    assert!(
        p99 <= share.mul_f64(1.5),
        "p99 {p99:?}, fair share {share:?}"
    );
}

fn a_waiter_is_served_when(end: impl FnOnce(Connection<ScriptedManager>)) {
    let server = Server::new();
    let pool = server.pool(
        Settings::default()
            .pool_size(1)
            .max_overflow(0)
            .timeout(secs(20)),
    );
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().unwrap().id);
        eventually("it waits", || pool.status().waiting_requests == 1);
        let start = Instant::now();
        end(held);
        assert_eq!(waiter.join().unwrap(), 1, "by a new connection");
        assert!(start.elapsed() < secs(5), "after {:?}", start.elapsed());
    });
    assert_laws(&pool.status());
}

#[test]
fn scenario_17_a_waiter_is_served_when_a_broken_connection_returns() {
    a_waiter_is_served_when(|held| held.broken.store(true, SeqCst));
}

#[test]
fn scenario_17_a_waiter_is_served_when_a_connection_is_invalidated() {
    a_waiter_is_served_when(Connection::invalidate);
}

#[test]
fn scenario_17_a_waiter_is_served_when_a_connection_is_detached() {
    a_waiter_is_served_when(|held| drop(Connection::detach(held)));
}
