//! Short ways (`src/gate/bay.rs`): what is parked is counted, found, closed and handed on as if it stood in the pool's one list.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use queuepool::{Connection, Pool, PrePing, ResetOnReturn, Settings};

use support::scripted::*;

/// With a reset at each return, every return would be the long way.
fn settings(size: u32) -> Settings {
    Settings::default()
        .pool_size(size)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never)
}

fn pairs(pool: &Pool<ScriptedManager>, times: u64) {
    for _ in 0..times {
        drop(pool.get().unwrap());
    }
}

/// So many times, or a few under Miri, which takes a thousand times as long.
fn times(many: u64) -> u64 {
    if cfg!(miri) { many / 100 } else { many }
}

/// Runs this on a thread of its own, and thus in another bay, and waits for it.
fn elsewhere(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(work);
    });
}

#[test]
fn threads_that_take_turns_share_one_connection_and_a_peak_of_one() {
    let server = Server::new();
    let pool = server.pool(settings(4));
    for _ in 0..20 {
        pairs(&pool, 5);
        elsewhere(|| pairs(&pool, 5));
    }
    let status = pool.status();
    assert_eq!((server.connects(), status.peak_checked_out), (1, 1));
    assert_eq!((status.checkouts, status.checkins), (200, 200));
    assert_eq!(status.connection_acquisition_time.count(), 200);
    assert_eq!(status.connection_hold_time.count(), 200);
    assert_laws(&status);
}

#[test]
fn the_peak_is_the_greatest_number_that_was_out_at_once() {
    let server = Server::new();
    let pool = server.pool(settings(8));
    pool.warm_up(8).unwrap();
    let (out, most) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..times(2_000) {
                    let held = pool.get().unwrap();
                    most.fetch_max(out.fetch_add(1, SeqCst) + 1, SeqCst);
                    out.fetch_sub(1, SeqCst);
                    drop(held);
                }
            });
        }
    });
    // The threads count inside the hold, so they may have seen fewer.
    let peak = pool.status().peak_checked_out;
    assert!(most.load(SeqCst) <= peak && peak <= 4, "{peak}, {most:?}");
}

#[test]
fn a_connection_that_went_out_by_the_short_way_counts_for_the_peak() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    pool.warm_up(2).unwrap();
    pairs(&pool, 2);
    let both = (pool.get().unwrap(), pool.get().unwrap());
    drop(both);
    let status = pool.status();
    assert_eq!((status.peak_checked_out, status.total), (2, 2));
}

#[test]
fn a_sample_counts_what_went_out_by_the_short_way() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(2));
    pool.sample();
    clock.advance(secs(5));
    pairs(&pool, 1);
    let _held = pool.get().unwrap();
    pool.sample();
    assert_eq!(pool.history(0)[0].checked_out, 1);
}

/// While the first is being reset it is neither out nor parked, so another may go out without raising the peak.
#[test]
fn what_comes_back_beside_as_many_as_ever_were_out_at_once_is_counted_when_it_goes_out_again() {
    let server = Server::new();
    let pool = server.pool(settings(2).reset_on_return(ResetOnReturn::Rollback));
    pool.warm_up(2).unwrap();
    let gate = Gate::new();
    let waits = gate.clone();
    server.on_reset(move |n| match n {
        0 => Act::Wait(waits.clone()),
        _ => Act::Succeed,
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            pairs(&pool, 1);
            let again = pool.get().unwrap();
            assert_eq!(pool.status().peak_checked_out, 2);
            drop(again);
        });
        eventually("it is being reset", || gate.waiting() == 1);
        let _other = pool.get().unwrap();
        assert_eq!(pool.status().peak_checked_out, 1);
        gate.open();
        eventually("the first went out again", || server.resets() == 2);
    });
}

#[test]
fn every_snapshot_is_of_one_instant_whichever_thread_returns_what_another_took() {
    let server = Server::new();
    let pool = server.pool(settings(6));
    let ended = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (give, given) = channel::<Connection<ScriptedManager>>();
            let (pool, ended) = (&pool, &ended);
            scope.spawn(move || {
                for _ in 0..times(3_000) {
                    give.send(pool.get().unwrap()).unwrap();
                    pairs(pool, 1);
                }
                ended.fetch_add(1, Relaxed);
            });
            scope.spawn(move || {
                given.into_iter().for_each(drop);
                pairs(pool, times(1_000));
                ended.fetch_add(1, Relaxed);
            });
        }
        while ended.load(Relaxed) < 4 {
            let status = pool.status();
            assert_laws(&status);
            assert_eq!(status.holders.len() as u64, status.checked_out);
            assert!(status.checked_out <= status.peak_checked_out);
        }
    });
    let status = pool.status();
    assert_eq!(state(&status), (6, status.total, 0, 0));
    assert_eq!(status.checkouts, times(2 * (3_000 + 3_000 + 1_000)));
    assert_eq!(status.connection_hold_time.count(), status.checkins);
}

#[test]
fn a_thread_that_comes_takes_what_another_has_parked_before_it_opens_one() {
    let server = Server::new();
    let pool = server.pool(settings(3));
    elsewhere(|| pairs(&pool, 3));
    pairs(&pool, 1);
    assert!(pool.try_get().unwrap().is_some());
    elsewhere(|| assert!(pool.try_get().unwrap().is_some()));
    assert_eq!(server.connects(), 1);
}

#[test]
fn the_most_recently_used_goes_out_first_whoever_used_it() {
    let server = Server::new();
    let pool = server.pool(settings(3));
    let all = [(); 3].map(|()| pool.get().unwrap());
    let first = all[0].id;
    drop(all);
    // All three are parked in this thread's bay, the third on top.
    elsewhere(|| {
        let all = [(); 3].map(|()| pool.get().unwrap());
        let [a, b, c] = all;
        let last = if a.id == first {
            drop((b, c));
            a
        } else if b.id == first {
            drop((a, c));
            b
        } else {
            drop((a, b));
            c
        };
        drop(last);
    });
    // A snapshot brings them back into the order of their use.
    assert_eq!(pool.status().idle_connections, 3);
    assert_eq!(pool.get().unwrap().id, first);
}

#[test]
fn what_is_gathered_stands_in_the_order_of_its_last_use() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    drop((pool.get().unwrap(), pool.get().unwrap()));
    // One comes back into this thread's bay and the other into another thread's, in this order and in that.
    for is_first in [true, false, true, false] {
        let own = pool.get().unwrap();
        let mut last = None;
        elsewhere(|| {
            let others = pool.get().unwrap();
            last = Some(if is_first { others.id } else { own.id });
            match is_first {
                true => drop((own, others)),
                false => drop((others, own)),
            }
        });
        assert_eq!(pool.status().idle_connections, 2);
        assert_eq!(Some(pool.get().unwrap().id), last);
    }
}

#[test]
fn what_comes_back_by_the_short_way_is_fresh() {
    let server = Server::new();
    let window = PrePing::IdleFor(secs(10));
    let (pool, clock) = server.pool_with_clock(settings(1).pre_ping(window));
    for _ in 0..5 {
        pairs(&pool, 2);
        clock.advance(secs(6));
    }
    assert_eq!(server.pings(), 0);
    clock.advance(secs(6));
    pairs(&pool, 1);
    assert_eq!(server.pings(), 1);
}

#[test]
fn a_pool_whose_guard_was_forgotten_leaves_nothing_of_it_to_the_next() {
    let server = Server::new();
    let forgotten = server.pool(settings(2));
    pairs(&forgotten, 2);
    std::mem::forget(forgotten.get().unwrap());
    drop(forgotten);
    for _ in 0..3 {
        let pool = server.pool(settings(2));
        assert_eq!(pool.status().holders.len(), 0);
        pairs(&pool, 3);
        let status = pool.status();
        assert_eq!(state(&status), (2, 1, 0, 0));
        assert_eq!((status.checkouts, status.peak_checked_out), (3, 1));
        assert_laws(&status);
    }
}

#[test]
fn what_is_parked_is_closed_with_the_pool_though_its_thread_lives_on() {
    let server = Server::new();
    let pool = server.pool(settings(4));
    let (parked, go_on) = (Barrier::new(3), Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..2 {
            let pool = pool.clone();
            let (parked, go_on) = (&parked, &go_on);
            scope.spawn(move || {
                let held = pool.get().unwrap();
                parked.wait();
                drop(held);
                pairs(&pool, 2);
                drop(pool);
                parked.wait();
                go_on.wait();
            });
        }
        parked.wait();
        parked.wait();
        assert_eq!((server.open(), server.shutdowns.load(SeqCst)), (2, 0));
        drop(pool);
        eventually("all are closed", || server.open() == 0);
        eventually("the driver is told", || server.shutdowns.load(SeqCst) == 1);
        // The manager holds one, and nothing of the pool is left but this test's own.
        eventually("the manager is dropped", || Arc::strong_count(&server) == 1);
        go_on.wait();
    });
}

#[test]
fn a_guard_that_outlives_the_pool_is_closed_on_its_return() {
    let server = Server::new();
    let pool = server.pool(settings(2));
    pairs(&pool, 2);
    // By the short way.
    let held = pool.get().unwrap();
    drop(pool);
    assert_eq!(server.open(), 1);
    drop(held);
    eventually("it is closed", || server.open() == 0);
    eventually("the manager is dropped", || Arc::strong_count(&server) == 1);
}

#[test]
fn what_is_parked_grows_old_is_trimmed_and_is_replaced() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(
        settings(3)
            .recycle(secs(100))
            .recycle_jitter(0.0)
            .idle_timeout(secs(10)),
    );
    pairs(&pool, 2);
    clock.advance(secs(9));
    pairs(&pool, 1);
    clock.advance(secs(9));
    eventually("nothing is trimmed", || pool.status().idle_connections == 1);
    clock.advance(secs(2));
    eventually("it has been idle too long", || server.open() == 0);
    pairs(&pool, 2);
    pool.invalidate_all();
    eventually("it is closed", || server.open() == 0);
    pairs(&pool, 2);
    for _ in 0..12 {
        clock.advance(secs(9));
        pairs(&pool, 1);
    }
    assert_eq!(server.connects(), 4, "one of them was recycled");
}

#[test]
fn who_waits_is_served_by_a_thread_that_goes_on_and_on() {
    let server = Server::new();
    let pool = server.pool(settings(1));
    pairs(&pool, 2);
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    drop(pool.get().unwrap());
                    served.fetch_add(1, Relaxed);
                }
            });
        }
        while served.load(Relaxed) < 60 {
            pairs(&pool, 1);
        }
    });
    let status = pool.status();
    assert_eq!((server.connects(), status.peak_checked_out), (1, 1));
    assert_laws(&status);
}

/// Two of two are out at each look, but one of them has just been taken again by the short way: no leak, or only since then.
#[test]
fn a_pool_in_which_one_connection_goes_round_does_not_leak() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(2).leak_after(secs(10)));
    let _kept = pool.get().unwrap();
    let mut other = pool.get().unwrap();
    for _ in 0..5 {
        clock.advance(secs(6));
        drop(other);
        pairs(&pool, 3);
        other = pool.get().unwrap();
        let status = pool.status();
        assert_eq!(status.checked_out, 2);
        assert!(!status.leak_detected, "{status:#?}");
    }
    clock.advance(secs(11));
    assert!(pool.status().leak_detected);
}

/// Two of two are out at both ends, but one of them has been parked in between, until another thread took it.
#[test]
fn a_pool_in_which_a_connection_was_parked_for_a_while_does_not_leak() {
    let server = Server::new();
    let never_pinged = settings(2).pre_ping(PrePing::Never);
    let (pool, clock) = server.pool_with_clock(never_pinged.leak_after(secs(10)));
    let _kept = pool.get().unwrap();
    drop(pool.get().unwrap());
    clock.advance(secs(6));
    let mut other = None;
    elsewhere(|| other = Some(pool.get().unwrap()));
    clock.advance(secs(5));
    let status = pool.status();
    assert_eq!((status.checked_out, status.leak_detected), (2, false));
    clock.advance(secs(6));
    assert!(pool.status().leak_detected);
}

#[test]
fn a_leak_shows_although_the_last_connection_went_out_by_the_short_way() {
    // With a reset the return is counted before it, and the connection parked after it.
    for reset in [ResetOnReturn::Never, ResetOnReturn::Rollback] {
        let server = Server::new();
        let leaks = settings(2).leak_after(secs(10)).reset_on_return(reset);
        let (pool, clock) = server.pool_with_clock(leaks);
        let (one, two) = (pool.get().unwrap(), pool.get().unwrap());
        drop((one, two));
        let _out = (pool.get().unwrap(), pool.get().unwrap());
        clock.advance(secs(11));
        let status = pool.status();
        assert!(status.leak_detected, "{status:#?}");
    }
}
