//! Scenarios 1 to 7, 16 (first half), 20 and 21: how many connections, for whom, and when there are no more.

use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use queuepool::{Connection, ErrorKind, Pool, PrePing, Settings};

use support::scripted::*;

fn settings(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
}

#[test]
fn scenario_1_a_built_pool_opens_nothing() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    assert_eq!(server.connects(), 0);
    assert_eq!(state(&pool.status()), (10, 0, 0, 0));
}

#[test]
fn scenarios_2_and_3_overflow_opens_on_demand_and_closes_after_use() {
    let server = Server::new();
    let pool = server.pool(settings(3, 3));
    let mut out = Vec::new();
    for expected in [
        (3, 0, 0, 1),
        (3, 0, 0, 2),
        (3, 0, 0, 3),
        (3, 0, 1, 4),
        (3, 0, 2, 5),
        (3, 0, 3, 6),
    ] {
        out.push(pool.get().unwrap());
        assert_eq!(state(&pool.status()), expected);
    }
    out.truncate(3);
    assert_eq!(state(&pool.status()), (3, 3, 3, 3));
    assert_eq!(server.closes(), 0);
    out.clear();
    assert_eq!(state(&pool.status()), (3, 3, 0, 0));
    assert_eq!(server.closes(), 3);
    let _two = (pool.get().unwrap(), pool.get().unwrap());
    assert_eq!(state(&pool.status()), (3, 1, 0, 2));
    assert_eq!(server.connects(), 6);
    assert_laws(&pool.status());
}

#[test]
fn scenario_4_the_first_returned_is_kept_and_the_next_closed() {
    let server = Server::new();
    let pool = server.pool(settings(1, 1));
    let (a, b) = (pool.get().unwrap(), pool.get().unwrap());
    let kept = b.id;
    drop(b);
    drop(a);
    assert_eq!(server.closes(), 1);
    assert_eq!(pool.get().unwrap().id, kept);
}

#[test]
fn scenario_5_at_capacity_a_checkout_times_out_with_the_evidence() {
    let server = Server::new();
    let pool = server.pool(settings(2, 2).timeout(millis(300)));
    let _out: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert!(start.elapsed() >= millis(300));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    let promised =
        "QueuePool limit of size 2 overflow 2 reached, connection timed out, timeout 0.30";
    assert!(text.starts_with(promised), "{text}");
    assert!(
        text.contains("capacity.rs:"),
        "names the line that holds: {text}"
    );
    assert!(
        text.contains(thread::current().name().unwrap()),
        "names the thread that holds: {text}"
    );
    assert_eq!(state(&pool.status()), (2, 0, 2, 4));
    let start = Instant::now();
    assert_eq!(
        pool.get_timeout(millis(0)).unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert!(
        start.elapsed() < millis(100),
        "at once, not after {:?}",
        start.elapsed()
    );
    assert_eq!(pool.status().connection_timeouts, 2);
    assert_eq!(pool.status().waiting_requests, 0);
}

#[test]
fn a_checkout_of_no_time_takes_an_idle_connection_unless_a_ping_is_due() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(2, 0));
    drop(pool.get().unwrap());
    drop(pool.get_timeout(millis(0)).unwrap());
    clock.advance(millis(501));
    assert_eq!(
        pool.get_timeout(millis(0)).unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert_eq!(server.pings(), 0);
    assert_eq!(state(&pool.status()), (2, 1, 0, 0));
}

#[test]
fn an_enormous_timeout_is_no_panic() {
    let server = Server::new();
    let pool = server.pool(settings(1, 0));
    drop(pool.get_timeout(std::time::Duration::MAX).unwrap());
}

#[test]
fn scenario_6_no_more_are_open_than_there_is_room_for() {
    for (max_overflow, most) in [(0, 3), (5, 8)] {
        let server = Server::new();
        server.on_connect(|_| Act::Take(millis(50)));
        let pool = server.pool(settings(3, max_overflow));
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        drop(pool.get().unwrap());
                    }
                });
            }
        });
        assert!(
            server.most_open() <= most,
            "{} of {most}",
            server.most_open()
        );
        let status = pool.status();
        assert_eq!(status.checkouts, 400);
        assert_eq!(status.checked_out, 0);
        assert_laws(&status);
    }
}

#[test]
fn scenario_7_a_hung_connect_leaves_other_callers_alone() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_connect(waiting);
    let pool = server.pool(settings(4, 0));
    thread::scope(|scope| {
        let first = scope.spawn(|| drop(pool.get().unwrap()));
        eventually("the first connect hangs", || gate.waiting() == 1);
        for _ in 0..3 {
            let start = Instant::now();
            let held = pool.get().unwrap();
            assert!(
                start.elapsed() < secs(2),
                "held up for {:?}",
                start.elapsed()
            );
            std::mem::drop(held);
        }
        // The caller whose connect hangs takes a connection that another gives back.
        first.join().unwrap();
        gate.open();
    });
}

#[test]
fn scenario_7_connects_started_together_overlap() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(settings(4, 0));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| pool.get().unwrap()))
            .collect();
        eventually("all four connect at once", || gate.waiting() == 4);
        gate.open();
        let out: Vec<_> = callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect();
        assert_eq!(out.len(), 4);
    });
    assert_eq!(server.connects(), 4);
}

#[test]
fn scenario_16_as_many_connects_as_places_for_any_number_of_callers() {
    let server = Server::new();
    let pool = server.pool(settings(4, 0));
    let start = Barrier::new(20);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..50 {
                    let _held = pool.get().unwrap();
                    thread::yield_now();
                }
            });
        }
    });
    assert!(server.connects() <= 4, "{} connects", server.connects());
    // All four are opened once four are held together.
    let _out: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    assert_eq!(server.connects(), 4);
}

#[test]
fn scenario_20_after_a_mute_server_the_next_caller_has_a_fresh_connect_at_once() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n < 10);
    server.on_connect(waiting);
    let pool = server.pool(settings(10, 0).timeout(millis(300)));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| pool.get().map(drop)))
            .collect();
        for caller in callers {
            let error = caller.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        }
    });
    // Within its 300 ms, and while the ten still hang.
    let held = pool.get().unwrap();
    assert_eq!(held.id, 10);
    assert_eq!(pool.status().abandoned, 1);
    gate.open();
    eventually("what came late is kept within pool_size", || {
        pool.status().idle_connections == 9
    });
    assert_eq!(pool.status().abandoned, 0);
    drop(held);
    assert_laws(&pool.status());
    assert!(pool.status().total <= 10);
}

/// One of two connections is out. The other is still being opened, because its connect waits for the gate; the caller for which it
/// was started has been served with the first.
fn one_out_and_one_without_its_caller() -> (
    Arc<Server>,
    Pool<ScriptedManager>,
    Connection<ScriptedManager>,
    Arc<Gate>,
) {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 1);
    server.on_connect(waiting);
    let pool = server.pool(settings(2, 0).connect_timeout(secs(60)));
    let first = pool.get().unwrap();
    let held = thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().unwrap());
        eventually("its connect is under way", || gate.waiting() == 1);
        drop(first);
        caller.join().unwrap()
    });
    (server, pool, held, gate)
}

#[test]
fn scenario_20_a_hung_connect_that_lost_its_caller_gives_its_place_once_another_timed_out_for_it() {
    let (_server, pool, held, gate) = one_out_and_one_without_its_caller();
    let error = pool.get_timeout(millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let fresh = pool.get().unwrap();
    assert_eq!((held.id, fresh.id), (0, 2));
    gate.open();
}

#[test]
fn scenario_20_a_slow_connect_keeps_its_place_when_a_caller_times_out_who_never_relied_on_it() {
    let (server, pool, _held, gate) = one_out_and_one_without_its_caller();
    thread::scope(|scope| {
        let patient = scope.spawn(|| pool.get().map(|had| had.id));
        eventually("the patient one relies on it", || {
            pool.status().waiting_requests == 1
        });
        // Long enough for the patient one to doubt it.
        let error = pool.get_timeout(millis(500)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        gate.open();
        assert_eq!(patient.join().unwrap().unwrap(), 1);
    });
    assert_eq!((server.connects(), server.most_open()), (2, 2));
}

#[test]
fn scenario_20_a_slow_connect_keeps_its_place_when_one_times_out_who_relied_on_it_for_a_moment() {
    let (server, pool, _held, gate) = one_out_and_one_without_its_caller();
    let error = pool.get_timeout(millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    // Older than a caller's patience.
    thread::sleep(millis(150));
    thread::scope(|scope| {
        let patient = scope.spawn(|| pool.get().map(|had| had.id));
        eventually("the patient one relies on it", || {
            pool.status().waiting_requests == 1
        });
        gate.open();
        assert_eq!(patient.join().unwrap().unwrap(), 1);
    });
    assert_eq!((server.connects(), server.most_open()), (2, 2));
}

#[test]
fn scenario_21_a_slow_connect_is_not_doubled_by_a_busy_loop() {
    let server = Server::new();
    server.on_connect(|_| Act::Take(millis(1500)));
    let pool = server.pool(Settings::default().pre_ping(PrePing::Never));
    let end = Instant::now() + millis(3500);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while Instant::now() < end {
                    drop(pool.get().unwrap());
                }
            });
        }
    });
    assert_eq!(server.connects(), 2);
}

#[test]
fn a_caller_whose_connection_went_to_an_elder_gets_another() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_connect(waiting);
    let pool = Arc::new(server.pool(settings(4, 0)));
    let elder = thread::spawn({
        let pool = pool.clone();
        move || pool.get().unwrap()
    });
    eventually("the elder's connect hangs", || gate.waiting() == 1);
    let held = pool.get().unwrap();
    let elders = elder.join().unwrap();
    assert_eq!((elders.id, held.id), (1, 2), "first come, first served");
    gate.open();
}

#[test]
fn scenario_21_a_connect_that_lost_its_caller_serves_the_next_one() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n >= 1);
    server.on_connect(waiting);
    let pool = server.pool(Settings::default().pre_ping(PrePing::Never));
    drop(pool.get().unwrap());
    let end = Instant::now() + secs(1);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while Instant::now() < end {
                    drop(pool.get().unwrap());
                }
            });
        }
    });
    // Each wait relies on the connect that is under way; else 30 would be opened. One more is for each time that the
    // machine stops a holder for longer than a waiter's patience, 100 ms.
    assert!(
        (2..=4).contains(&server.connects()),
        "{}",
        server.connects()
    );
    gate.open();
    eventually("it is kept", || pool.status().idle_connections >= 2);
}

#[test]
fn the_most_recently_used_idle_connection_goes_out_first() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let (a, b, c) = (
        pool.get().unwrap(),
        pool.get().unwrap(),
        pool.get().unwrap(),
    );
    let last = b.id;
    drop((a, c));
    drop(b);
    assert_eq!(pool.get().unwrap().id, last);
}
