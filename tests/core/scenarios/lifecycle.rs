//! warm_up, min_pool_size, idle_timeout, keepalive, detach, close, and the last handle's drop.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Instant;

use queuepool::{CloseReason, Connection, ErrorClass, ErrorKind, Pool, Retry, Settings};

use support::scripted::*;

#[test]
fn handles_guards_and_errors_cross_threads() {
    fn send_sync<T: Send + Sync>() {}
    fn send<T: Send>() {}
    send_sync::<Pool<ScriptedManager>>();
    send_sync::<queuepool::Error>();
    send_sync::<queuepool::Status>();
    send_sync::<queuepool::Settings>();
    send::<Connection<ScriptedManager>>();
}

#[test]
fn warm_up_opens_and_keeps() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pool_size(20));
    pool.warm_up(18).unwrap();
    assert_eq!(state(&pool.status()), (20, 18, 0, 0));
    pool.warm_up(10).unwrap();
    assert_eq!(server.connects(), 18);
    let error = pool.warm_up(21).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("20"), "{error}");
}

#[test]
fn warm_up_returns_when_all_are_ready_and_not_before() {
    let server = Server::new();
    let gate = Gate::new();
    let hooked = gate.clone();
    let pool = server
        .builder(Settings::default())
        .on_connect(move |_, info| {
            if info.id() == 2 {
                hooked.pass();
            }
            Ok(())
        })
        .build()
        .unwrap();
    thread::scope(|scope| {
        let (returned, returns) = std::sync::mpsc::channel();
        let pool = &pool;
        scope.spawn(move || returned.send(pool.warm_up(2)));
        eventually("the second is open and its hook runs", || {
            gate.waiting() == 1 && pool.status().idle_connections == 1
        });
        // It looks again every 50 ms.
        assert!(returns.recv_timeout(millis(200)).is_err());
        gate.open();
        returns.recv().unwrap().unwrap();
        assert_eq!(pool.status().idle_connections, 2);
    });
}

#[test]
fn the_setting_warm_up_opens_at_build_or_fails_it() {
    let server = Server::new();
    let pool = server.pool(Settings::default().warm_up(3));
    assert_eq!(pool.status().checked_in, 3);
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let error = server
        .builder(Settings::default().warm_up(1))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[test]
fn warm_up_retries_what_is_transient() {
    let server = Server::new();
    server.on_connect(|n| {
        if n == 0 {
            Act::Fail(ErrorClass::Transient)
        } else {
            Act::Succeed
        }
    });
    let pool = server.pool(Settings::default().retry(Retry::default().initial_delay(millis(1))));
    pool.warm_up(1).unwrap();
}

#[test]
fn min_pool_size_is_filled_in_the_background_and_filled_up_again() {
    let server = Server::new();
    let pool = server.pool(Settings::default().min_pool_size(2));
    eventually("two are idle", || pool.status().idle_connections == 2);
    Connection::invalidate(pool.get().unwrap());
    eventually("two are idle again", || pool.status().idle_connections == 2);
    assert_eq!(server.connects(), 3);
}

#[test]
fn idle_connections_above_min_pool_size_are_closed_after_idle_timeout() {
    let server = Server::new();
    let settings = Settings::default().min_pool_size(1).idle_timeout(secs(60));
    let (pool, clock) = server.pool_with_clock(settings);
    eventually("one is idle", || pool.status().idle_connections == 1);
    drop((0..4).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(30));
    drop(pool.get().unwrap());
    clock.advance(secs(31));
    pool.upkeep();
    eventually("three are closed, the one used since stays", || {
        pool.status().total == 1
    });
    assert_eq!(
        pool.status()
            .closed_by_reason
            .get(&CloseReason::IdleTimeout),
        Some(&3)
    );
}

#[test]
fn idle_connections_too_old_are_retired_without_a_checkout() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default().recycle(secs(60)));
    drop(pool.get().unwrap());
    clock.advance(secs(61));
    pool.upkeep();
    eventually("it is closed", || server.closes() == 1);
}

#[test]
fn keepalive_pings_idle_connections_and_replaces_the_lost() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default().keepalive(secs(60)));
    drop((0..3).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    clock.advance(secs(59));
    pool.upkeep();
    clock.advance(secs(2));
    pool.upkeep();
    eventually("each is pinged once", || {
        server.pings() == 3 && pool.status().idle_connections == 3
    });
    server.restart();
    clock.advance(secs(61));
    pool.upkeep();
    eventually("none is left", || pool.status().total == 0);
    assert_eq!(server.pings(), 4);
}

#[test]
fn a_detached_connection_is_the_callers() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pool_size(1).max_overflow(0));
    let mine = Connection::detach(pool.get().unwrap());
    let held = pool.get().unwrap();
    assert_eq!((mine.id, held.id), (0, 1));
    let status = pool.status();
    assert_eq!(
        (status.detached, status.total, status.checked_out),
        (1, 1, 1)
    );
    assert_laws(&status);
    drop(mine);
    assert_eq!(pool.status().total_connections_closed, 0);
}

#[test]
fn try_get_takes_only_what_is_idle() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    assert!(pool.try_get().unwrap().is_none());
    assert_eq!(server.connects(), 0);
    drop(pool.get().unwrap());
    let held = pool.try_get().unwrap().unwrap();
    assert!(pool.try_get().unwrap().is_none());
    drop(held);
}

#[test]
fn close_drains_and_then_get_is_an_error() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let held = pool.get().unwrap();
    drop(pool.get().unwrap());
    thread::scope(|scope| {
        let closer = scope.spawn(|| pool.close(secs(20)));
        eventually("the idle one is closed", || server.closes() == 1);
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Closed);
        drop(held);
        closer.join().unwrap().unwrap();
    });
    assert_eq!(server.closes(), 2);
    pool.close(secs(1)).unwrap();
    assert_eq!(pool.try_get().unwrap_err().kind(), ErrorKind::Closed);
    assert_laws(&pool.status());
}

#[test]
fn close_names_who_still_holds_what() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let held = pool.get().unwrap();
    let error = pool.close(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    assert!(
        text.contains("1 connection is out") && text.contains("lifecycle.rs:"),
        "{text}"
    );
    drop(held);
    assert_eq!(server.closes(), 1, "what returns late is closed");
    pool.close(secs(1)).unwrap();
}

#[test]
fn close_wakes_those_who_wait() {
    let server = Server::new();
    let pool = server.pool(Settings::default().pool_size(1).max_overflow(0));
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().map(drop).unwrap_err().kind());
        eventually("it waits", || pool.status().waiting_requests == 1);
        pool.close(millis(1)).unwrap_err();
        assert_eq!(waiter.join().unwrap(), ErrorKind::Closed);
    });
    drop(held);
}

#[test]
fn a_connect_that_comes_after_close_is_closed() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(Settings::default());
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(drop).unwrap_err().kind());
        eventually("it connects", || gate.waiting() == 1);
        let error = pool.close(millis(50)).unwrap_err();
        assert!(error.to_string().contains("1 being opened"), "{error}");
        assert_eq!(caller.join().unwrap(), ErrorKind::Closed);
        gate.open();
    });
    eventually("it is closed", || server.closes() == 1);
    pool.close(secs(5)).unwrap();
    assert_laws(&pool.status());
}

#[test]
fn a_close_that_hangs_frees_its_place_after_five_seconds() {
    let server = Server::new();
    let (gate, waiting) = gated(|n| n == 0);
    server.on_close(waiting);
    let pool = server.pool(
        Settings::default()
            .pool_size(1)
            .max_overflow(0)
            .timeout(secs(20)),
    );
    Connection::invalidate(pool.get().unwrap());
    assert_eq!(
        pool.status().total,
        1,
        "not free before its close has returned"
    );
    let start = Instant::now();
    eventually("its place is free", || pool.status().abandoned == 1);
    assert!(start.elapsed() >= secs(4), "{:?}", start.elapsed());
    assert_eq!(pool.status().total, 0);
    // One call hangs and the capacity is one: no connection is opened, and the error says why.
    let error = pool.get_timeout(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("1 close hangs"), "{error}");
    gate.open();
    eventually("the call has returned", || pool.status().abandoned == 0);
    drop(pool.get().unwrap());
    assert_laws(&pool.status());
}

#[test]
fn the_last_handle_closes_the_pool_and_late_returns_are_closed() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let other = pool.clone();
    let held = pool.get().unwrap();
    drop(pool.get().unwrap());
    drop(pool);
    assert_eq!(server.closes(), 0, "another handle is left");
    drop(other);
    eventually("the idle one is closed", || server.closes() == 1);
    drop(held);
    eventually("the last one too", || server.closes() == 2);
}

#[test]
fn a_pool_leaves_no_thread_that_keeps_it_alive() {
    let server = Server::new();
    let weak = Arc::downgrade(&server);
    let pool = server.pool(Settings::default());
    drop((0..5).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    drop(pool);
    drop(server);
    eventually("everything is gone", || weak.strong_count() == 0);
}

#[test]
fn holders_are_known_by_thread_and_line_and_time() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    let line = line!() + 1;
    let held = pool.get().unwrap();
    clock.advance(secs(7));
    let status = pool.status();
    let holder = &status.holders[0];
    assert_eq!(
        (holder.location.file(), holder.location.line()),
        (file!(), line)
    );
    assert_eq!(&*holder.thread, thread::current().name().unwrap());
    assert_eq!(holder.held_for.as_secs(), 7);
    assert_eq!(holder.connection_id, Connection::info(&held).id());
    drop(held);
    let status = pool.status();
    assert!(status.holders.is_empty());
    assert!(status.max_connection_hold_time >= 7.0);
    assert_eq!(server.closes.load(SeqCst), 0);
}

#[test]
fn a_probe_is_in_no_counter_and_no_hook_hears_of_it() {
    let server = Server::new();
    let timeouts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heard = timeouts.clone();
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .health_check_timeout(millis(100));
    let pool = server
        .builder(settings)
        .on_timeout(move |_| {
            heard.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    pool.ping().unwrap();
    let held = pool.get().unwrap();
    assert_eq!(pool.ping().unwrap_err().kind(), ErrorKind::Timeout);
    drop(held);
    server.on_ping(|_| Act::Fail(ErrorClass::Statement));
    assert_eq!(pool.ping().unwrap_err().kind(), ErrorKind::Validation);
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    assert_eq!(pool.ping().unwrap_err().kind(), ErrorKind::Connect);
    let status = pool.status();
    assert_eq!(
        (
            status.checkouts,
            status.connection_timeouts,
            status.validation_failures
        ),
        (1, 0, 0)
    );
    assert_eq!((status.pool_exhausted_count, timeouts.load(SeqCst)), (0, 0));
    assert_eq!(status.health_check_failures, 3, "but it is a health check");
    assert!(status.last_health_check.is_some());
    assert_laws(&status);
}
