//! Scenarios 8 to 10 and 18: too old, stale, or fit to be handed out.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use queuepool::{CloseReason, ErrorClass, ErrorKind, PrePing, Settings};

use support::scripted::*;

#[test]
fn scenario_8_a_connection_is_replaced_after_recycle_and_use_makes_no_difference() {
    let server = Server::new();
    let settings = Settings::default().recycle(secs(30)).recycle_jitter(0.0);
    let (pool, clock) = server.pool_with_clock(settings);
    drop(pool.get().unwrap());
    clock.advance(secs(29));
    assert_eq!(pool.get().unwrap().id, 0);
    clock.advance(secs(1));
    assert_eq!(pool.get().unwrap().id, 0, "at 30 the same");
    clock.advance(millis(500));
    assert_eq!(pool.get().unwrap().id, 1, "at 30.5 a new one");
    eventually("the old one is closed", || {
        pool.status().closed_by_reason.get(&CloseReason::Recycled) == Some(&1)
    });
}

#[test]
fn a_connection_past_its_age_while_busy_is_closed_on_return() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default().recycle(secs(30)));
    let held = pool.get().unwrap();
    clock.advance(secs(31));
    drop(held);
    assert_eq!(server.closes(), 1);
    assert_eq!(server.resets(), 0);
}

#[test]
fn scenario_9_pre_ping_always_tests_all_but_the_new() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pre_ping(PrePing::Always));
    for pings in 0..3 {
        drop(pool.get().unwrap());
        assert_eq!(server.pings(), pings);
    }
}

#[test]
fn scenario_9_inside_the_window_nothing_is_pinged() {
    let server = Server::new();
    let (pool, clock) =
        server.pool_with_clock(Settings::default().pre_ping(PrePing::IdleFor(millis(500))));
    for _ in 0..3 {
        drop(pool.get().unwrap());
        clock.advance(millis(400));
    }
    assert_eq!(server.pings(), 0);
    clock.advance(millis(200));
    drop(pool.get().unwrap());
    assert_eq!(server.pings(), 1);
}

#[test]
fn scenario_10_after_a_restart_one_ping_replaces_all_the_older() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    drop((0..5).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    let (resets, connects) = (server.resets(), server.connects());
    assert_eq!((resets, connects), (5, 5));
    server.restart();
    clock.advance(secs(1));
    assert_eq!(pool.get().unwrap().id, 5, "the next checkout works");
    assert_eq!(
        server.pings(),
        1,
        "the stale one is pinged once, the others not at all"
    );
    assert_eq!(server.resets(), 6, "only the new one, on its return");
    eventually("all five are closed", || {
        pool.status().total_connections_closed == 5
    });
    assert_eq!(server.closes(), 5, "each once");
    let reasons = pool.status().closed_by_reason;
    assert_eq!(reasons.get(&CloseReason::Lost), Some(&1));
    assert_eq!(reasons.get(&CloseReason::Invalidated), Some(&4));
    assert_laws(&pool.status());
}

#[test]
fn one_that_was_out_during_the_restart_is_closed_on_return_without_a_reset() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    let (idle, held) = (pool.get().unwrap(), pool.get().unwrap());
    drop(idle);
    server.restart();
    clock.advance(secs(1));
    drop(pool.get().unwrap());
    let resets = server.resets();
    drop(held);
    assert_eq!(server.resets(), resets);
    eventually("it is closed", || server.closes() == 2);
}

#[test]
fn many_that_fail_together_replace_once() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    drop((0..8).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    server.restart();
    clock.advance(secs(1));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pool.get().unwrap());
        }
    });
    assert!(
        server.connects() <= 16,
        "each is replaced at most once: {} connects",
        server.connects()
    );
    let fresh = server.connects();
    drop((0..8).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    assert!(
        server.connects() - fresh <= 8,
        "no fresh connection is replaced again"
    );
    assert_laws(&pool.status());
}

#[test]
fn a_ping_that_fails_otherwise_closes_that_connection_only() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    drop((0..3).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(1));
    server.on_ping(|n| {
        if n == 0 {
            Act::Fail(ErrorClass::Statement)
        } else {
            Act::Succeed
        }
    });
    drop(pool.get().unwrap());
    assert_eq!((server.pings(), server.connects()), (2, 3));
    assert_eq!(
        pool.status()
            .closed_by_reason
            .get(&CloseReason::ValidationFailed),
        Some(&1)
    );
}

#[test]
fn three_failed_tests_in_a_row_are_a_validation_error() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    drop((0..5).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(1));
    server.on_ping(|_| Act::Fail(ErrorClass::Statement));
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    let source = std::error::Error::source(&error).unwrap();
    assert!(
        source.downcast_ref::<ScriptedError>().is_some(),
        "the driver's own error is beneath"
    );
    assert_eq!((server.pings(), pool.status().validation_failures), (3, 3));
    eventually("only those three are closed", || pool.status().total == 2);
}

#[test]
fn a_ping_that_does_not_answer_is_abandoned_at_its_limit() {
    let server = Server::new();
    let settings = Settings::default().health_check_timeout(millis(100));
    let (pool, clock) = server.pool_with_clock(settings);
    drop(pool.get().unwrap());
    clock.advance(secs(1));
    let (gate, waiting) = gated(|_| true);
    server.on_ping(waiting);
    assert_eq!(pool.get().unwrap().id, 1, "a new one instead");
    let status = pool.status();
    assert_eq!((status.abandoned, status.total), (1, 1));
    assert_laws(&status);
    gate.open();
    eventually("the call has returned", || pool.status().abandoned == 0);
    eventually("its connection is closed", || server.closes() == 1);
}

#[test]
fn invalidate_all_replaces_the_idle_now_and_the_others_after_their_return() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let held = pool.get().unwrap();
    drop(pool.get().unwrap());
    pool.invalidate_all();
    eventually("the idle one is closed", || server.closes() == 1);
    drop(held);
    assert_eq!(server.closes(), 2);
    assert_eq!(pool.get().unwrap().id, 2);
    assert_eq!(server.pings(), 0);
}

#[test]
fn scenario_18_lifetimes_are_spread_by_the_jitter() {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(20)
        .recycle(secs(1000))
        .pre_ping(PrePing::Never);
    let (pool, clock) = server.pool_with_clock(settings);
    drop((0..20).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(899));
    let mut alive = Vec::new();
    for _ in 0..102 {
        let out: Vec<_> = (0..20).map(|_| pool.get().unwrap()).collect();
        alive.push(out.iter().filter(|connection| connection.id < 20).count());
        drop(out);
        clock.advance(secs(1));
    }
    assert_eq!(
        (alive[0], *alive.last().unwrap()),
        (20, 0),
        "all between 900 and 1,000 s"
    );
    let most_at_once = alive
        .windows(2)
        .map(|pair| pair[0] - pair[1])
        .max()
        .unwrap();
    assert!(most_at_once <= 6, "spread, not in one second: {alive:?}");
}

#[test]
fn a_connection_found_broken_on_return_is_not_kept() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let held = pool.get().unwrap();
    held.broken.store(true, SeqCst);
    drop(held);
    assert_eq!(pool.get().unwrap().id, 1);
    assert_eq!(server.resets(), 1, "the broken one was not reset");
}

#[test]
fn a_connection_known_to_be_lost_frees_its_place_before_its_close_has_returned() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_close(waiting);
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .timeout(secs(2));
    let (pool, clock) = server.pool_with_clock(settings);
    drop(pool.get().unwrap());
    server.restart();
    clock.advance(secs(1));
    assert_eq!(pool.get().unwrap().id, 1);
    assert_eq!(gate.waiting(), 1, "while the old one is still being closed");
    gate.open();
}
