//! Scenarios 16 (second half) and 17: first come, first served, and nobody forgotten.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{Connection, ResetOnReturn, Settings};

use support::scripted::*;

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

/// A second thread waits for the only connection while this one takes it again and again, held for so long each time. How often it
/// got it while the other had waited for more than `grace` is returned for each of `rounds`.
fn taken_before_a_waiter(rounds: usize, held_for: Duration, grace: Duration) -> Vec<usize> {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never);
    let pool = server.pool(settings);
    let one_round = || {
        let served = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _held = pool.get().unwrap();
                served.store(true, SeqCst);
            });
            let mut waits_since = None;
            let mut taken = 0;
            loop {
                let held = pool.get().unwrap();
                if served.load(SeqCst) {
                    return taken;
                }
                let begun = Instant::now();
                taken += usize::from(waits_since.is_some_and(|since| begun > since + grace));
                while begun.elapsed() < held_for {
                    std::hint::spin_loop();
                }
                drop(held);
                if waits_since.is_none() && pool.status().waiting_requests == 1 {
                    waits_since = Some(Instant::now());
                }
            }
        })
    };
    (0..rounds).map(|_| one_round()).collect()
}

/// A model shows that it may be taken again at all (`tests/model/hand_off.rs`); here that depends on how soon a thread wakes up.
#[test]
fn scenario_24_what_was_held_for_nanoseconds_is_taken_again_for_a_millisecond_and_no_longer() {
    // The last may have been taken within that millisecond, and its thread have slept before it looked at the clock.
    let late = taken_before_a_waiter(100, Duration::ZERO, millis(1));
    assert!(late.iter().all(|late| *late <= 1), "{late:?}");
}

#[test]
fn what_was_held_for_longer_goes_to_who_waits() {
    let taken = taken_before_a_waiter(100, Duration::from_micros(50), Duration::ZERO);
    assert!(taken.iter().all(|taken| *taken == 0), "{taken:?}");
}

/// The 99th percentiles of one second of 64 threads on 4 connections, each held for a millisecond, as shares of what is
/// fair: of the time waited, and of the hand-outs to others meanwhile.
fn shares_of_the_fair_wait() -> (f64, f64) {
    const THREADS: u32 = 64;
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(4)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never);
    let pool = server.pool(settings);
    let waits = Mutex::new(Vec::new());
    let served = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut own = Vec::new();
                while start.elapsed() < secs(1) {
                    let (asked, before) = (Instant::now(), served.load(SeqCst));
                    let held = pool.get().unwrap();
                    own.push((asked.elapsed(), served.fetch_add(1, SeqCst) - before));
                    thread::sleep(millis(1));
                    drop(held);
                }
                waits.lock().extend(own);
            });
        }
    });
    let elapsed = start.elapsed();
    let (mut times, mut others): (Vec<_>, Vec<_>) = waits.into_inner().into_iter().unzip();
    times.sort();
    others.sort();
    let fair = elapsed * THREADS / u32::try_from(times.len()).unwrap();
    let p99 = times.len() * 99 / 100;
    (
        times[p99].as_secs_f64() / fair.as_secs_f64(),
        others[p99] as f64 / f64::from(THREADS),
    )
}

#[test]
fn scenario_16_64_threads_on_4_connections_wait_their_fair_share() {
    // Other programs on the machine can only lengthen waits: one round of five undisturbed is enough. An unfair pool
    // (r2d2: eight times the fair share) is unfair in each.
    let rounds: Vec<_> = (0..5).map(|_| shares_of_the_fair_wait()).collect();
    let fair = |(time, others): &(f64, f64)| *time <= 1.5 && *others <= 1.5;
    assert!(
        rounds.iter().any(fair),
        "p99 in shares of the fair time, and of the fair number of others: {rounds:?}"
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
