//! A health check asks the database and stands in nobody's way.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, OnceLock, mpsc};

use queuepool::{CloseReason, ErrorClass, ErrorKind, Mode, Retry, Settings};

use support::scripted::*;

pub fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(0)
        .health_check_timeout(millis(200))
        .retry(Retry::default().max_attempts(1))
}

#[test]
fn an_idle_connection_is_pinged_and_put_back_uncounted() {
    let server = Server::new();
    let pool = server.pool(settings());
    drop(pool.get().unwrap());
    let check = pool.health_check().unwrap();
    assert!(check.reachable && !check.skipped && check.error.is_none());
    assert_eq!((server.connects(), server.pings()), (1, 1));
    let status = pool.status();
    assert_eq!((status.checkouts, status.idle_connections), (1, 1));
    assert_eq!(status.last_health_check, check.checked_at);
    assert_eq!(status.health_check_failures, 0);
}

#[test]
fn without_an_idle_connection_one_is_opened_and_kept() {
    let server = Server::new();
    let pool = server.pool(settings());
    assert!(pool.health_check().unwrap().reachable);
    assert_eq!((server.connects(), server.pings()), (1, 1));
    assert_eq!(state(&pool.status()), (2, 1, 0, 0));
    assert_eq!(pool.status().checkouts, 0);
}

#[test]
fn one_that_was_opened_but_fails_its_ping_is_closed_and_the_database_not_reachable() {
    silence_scripted_panics();
    let acts = [
        (Act::Fail(ErrorClass::Lost), CloseReason::Lost),
        (
            Act::Fail(ErrorClass::Statement),
            CloseReason::ValidationFailed,
        ),
        (Act::Panic, CloseReason::ValidationFailed),
    ];
    for (mode, (act, reason)) in [Mode::Queue, Mode::Null]
        .into_iter()
        .flat_map(|mode| acts.clone().map(|act| (mode, act)))
    {
        let server = Server::new();
        server.on_ping(move |_| act.clone());
        let pool = server.pool(settings().mode(mode));
        let check = pool.health_check().unwrap();
        assert!(!check.reachable && !check.skipped, "{reason}: {check:?}");
        let said = check.error.unwrap();
        assert!(said.contains("scripted"), "{said}");
        let status = pool.status();
        assert_eq!(status.closed_by_reason.get(&reason), Some(&1));
        assert_eq!((status.total_connections_created, server.open()), (1, 0));
        assert_eq!(
            (status.health_check_failures, status.validation_failures),
            (1, 0)
        );
        assert_eq!(
            (status.connection_errors, status.database_error),
            (0, Some(said))
        );
        let _both = (pool.get().unwrap(), pool.get().unwrap());
        assert_eq!(server.pings(), 1, "a checkout does not ping what it opens");
    }
}

#[test]
fn one_that_was_opened_and_hangs_in_its_ping_is_given_up_and_no_other_opened_until_it_ends() {
    let server = Server::new();
    let (gate, script) = gated(|n| n == 0);
    server.on_ping(script);
    let pool = server.pool(settings());
    let check = pool.health_check().unwrap();
    assert!(!check.reachable && !check.skipped, "{check:?}");
    eventually("it is given up, and a check skipped", || {
        let check = pool.health_check().unwrap();
        assert!(!check.reachable, "{check:?}");
        check.skipped
    });
    assert_eq!(server.connects(), 1);
    let status = pool.status();
    assert_eq!((status.abandoned, status.total_connections_closed), (1, 1));
    let both = (pool.get().unwrap(), pool.get().unwrap());
    drop(both);
    assert!(
        pool.health_check().unwrap().reachable,
        "an idle one answers"
    );
    pool.invalidate_all();
    gate.open();
    eventually("it has ended", || pool.status().abandoned == 0);
    let check = pool.health_check().unwrap();
    assert!(check.reachable && !check.skipped, "{check:?}");
}

#[test]
fn a_ping_that_can_be_aborted_is_and_the_next_check_opens_another() {
    let server = Server::new();
    server.abortable.store(true, SeqCst);
    server.on_ping(|n| match n {
        0 => Act::UntilAborted,
        _ => Act::Succeed,
    });
    let pool = server.pool(settings());
    assert!(!pool.health_check().unwrap().reachable);
    eventually("it is aborted", || server.aborts() == 1);
    eventually("another answers", || pool.health_check().unwrap().reachable);
    assert_eq!(server.connects(), 2);
}

#[test]
fn null_mode_opens_and_closes_one() {
    let server = Server::new();
    let pool = server.pool(settings().mode(Mode::Null));
    assert!(pool.health_check().unwrap().reachable);
    eventually("it is closed again", || server.closes() == 1);
    assert_eq!(
        pool.status().closed_by_reason.get(&CloseReason::NullPool),
        Some(&1)
    );
}

#[test]
fn an_exhausted_pool_skips_it_and_tells_what_is_last_known() {
    let server = Server::new();
    let pool = server.pool(settings());
    let checked = pool.health_check().unwrap();
    let _both = (pool.get().unwrap(), pool.get().unwrap());
    let check = pool.health_check().unwrap();
    assert!(check.skipped && check.reachable);
    assert_eq!(
        (check.checked_at, check.took),
        (checked.checked_at, checked.took)
    );
    assert_eq!(pool.status().last_health_check, checked.checked_at);
}

#[test]
fn a_skipped_one_knows_of_a_failed_connect_and_of_a_later_success() {
    let server = Server::new();
    let pool = server.pool(settings());
    let one = pool.get().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.get().unwrap_err();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.get());
        eventually("a connect takes the last place", || gate.waiting() == 1);
        let check = pool.health_check().unwrap();
        assert!(check.skipped && !check.reachable, "{check:?}");
        assert!(check.error.unwrap().contains("scripted Transient"));
        drop(one);
        let handed_over = waiting.join().unwrap().unwrap();
        let check = pool.health_check().unwrap();
        assert!(check.skipped && check.reachable, "{check:?}");
        drop(handed_over);
    });
    gate.open();
}

#[test]
fn a_refused_connect_is_the_result_and_counted() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let pool = server.pool(settings());
    let check = pool.health_check().unwrap();
    assert!(!check.reachable && !check.skipped);
    assert!(check.error.unwrap().contains("scripted Permanent"));
    let status = pool.status();
    assert_eq!(status.health_check_failures, 1);
    assert!(status.last_health_check_error.unwrap().contains("scripted"));
    assert_eq!(server.connects(), 1, "it is not retried");
}

#[test]
fn a_lost_connection_is_replaced_with_all_of_its_age_and_a_new_one_decides() {
    let server = Server::new();
    let pool = server.pool(settings());
    let both = (pool.get().unwrap(), pool.get().unwrap());
    drop(both);
    server.restart();
    assert!(pool.health_check().unwrap().reachable);
    assert_eq!((server.pings(), server.connects()), (2, 3));
    eventually("both are closed", || server.open() == 1);
    server.restart();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let check = pool.health_check().unwrap();
    assert!(!check.reachable && check.error.unwrap().contains("scripted Transient"));
}

#[test]
fn who_sleeps_between_attempts_does_not_keep_it_from_trying() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let retry = Retry::default().initial_delay(secs(20));
    let pool = server.pool(settings().retry(retry).timeout(secs(60)));
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| pool.get().unwrap());
        eventually("its attempt has failed", || {
            pool.status().connection_errors == 1
        });
        eventually("it sleeps", || pool.status().opening_connections == 0);
        server.on_connect(|_| Act::Succeed);
        assert!(pool.health_check().unwrap().reachable);
        drop(sleeper.join().unwrap());
    });
    assert_eq!(
        server.connects(),
        2,
        "and the sleeper was handed what it opened"
    );
}

#[test]
fn it_takes_the_connection_that_the_next_caller_misses_least() {
    let server = Server::new();
    let pool = server.pool(settings());
    let (one, two) = (pool.get().unwrap(), pool.get().unwrap());
    drop(one);
    drop(two);
    let (gate, script) = gated(|_| true);
    server.on_ping(script);
    std::thread::scope(|scope| {
        scope.spawn(|| pool.health_check().unwrap());
        eventually("it pings", || gate.waiting() == 1);
        assert_eq!(queuepool::Connection::info(&pool.get().unwrap()).id(), 2);
        gate.open();
    });
}

#[test]
fn a_mute_server_is_unreachable_after_the_limit_and_gets_one_connect() {
    let server = Server::new();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    let pool = server.pool(settings());
    for _ in 0..3 {
        let check = pool.health_check().unwrap();
        assert!(!check.reachable && !check.skipped);
        assert!(check.error.unwrap().contains("health_check_timeout 200ms"));
    }
    assert_eq!(server.connects(), 1);
    gate.open();
    eventually("the connect ends and the check relies on it", || {
        pool.health_check().unwrap().reachable
    });
    assert_eq!(server.connects(), 1);
}

#[test]
fn many_at_once_are_one_check() {
    let server = Server::new();
    let (gate, script) = gated(|_| true);
    let pool = server.pool(settings().health_check_timeout(secs(10)));
    drop(pool.get().unwrap());
    server.on_ping(script);
    std::thread::scope(|scope| {
        let (report, reports) = mpsc::channel();
        let check = |report: mpsc::Sender<_>| {
            let pool = &pool;
            scope.spawn(move || report.send(pool.health_check().unwrap()).unwrap());
        };
        check(report.clone());
        eventually("the first pings", || gate.waiting() == 1);
        (1..20).for_each(|_| check(report.clone()));
        drop(report);
        gate.open();
        assert!(
            reports
                .iter()
                .all(|check| check.reachable && !check.skipped)
        );
    });
    assert_eq!(
        (server.connects(), server.open()),
        (1, 1),
        "none opened one to ask with"
    );
}

#[test]
fn a_closed_pool_and_a_hook_of_its_own_are_errors() {
    let (found, finds) = mpsc::channel();
    let handle = Arc::new(OnceLock::<queuepool::Pool<ScriptedManager>>::new());
    let inside = handle.clone();
    let pool = Server::new()
        .builder(settings())
        .on_checkout(move |_, _| {
            let pool = inside.get().unwrap();
            found.send(pool.health_check().unwrap_err().kind())?;
            Ok(())
        })
        .build()
        .unwrap();
    handle.set(pool.clone()).ok().unwrap();
    drop(pool.get().unwrap());
    assert_eq!(finds.recv().unwrap(), ErrorKind::Unsupported);
    pool.close(secs(1)).unwrap();
    assert_eq!(pool.health_check().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_panicking_ping_loses_no_place() {
    silence_scripted_panics();
    let server = Server::new();
    let pool = server.pool(settings());
    drop(pool.get().unwrap());
    server.on_ping(|_| Act::Panic);
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    assert!(!pool.health_check().unwrap().reachable);
    server.on_connect(|_| Act::Succeed);
    let _both = (pool.get().unwrap(), pool.get().unwrap());
    assert_eq!(server.pings.load(SeqCst), 1);
}

/// What the check reports while `one` is out and a connect that waits for the gate takes the other place.
fn skipped_beside(
    one: queuepool::Connection<ScriptedManager>,
    pool: &queuepool::Pool<ScriptedManager>,
    server: &Server,
) -> queuepool::HealthCheck {
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.get());
        eventually("a connect takes the last place", || gate.waiting() == 1);
        let check = pool.health_check().unwrap();
        drop(one);
        drop(waiting.join().unwrap());
        gate.open();
        check
    })
}

#[test]
fn a_skipped_one_goes_by_the_latest_failure() {
    let server = Server::new();
    let pool = server.pool(settings());
    server.on_connect(|_| Act::Fail(ErrorClass::Lost));
    assert!(!pool.health_check().unwrap().reachable);
    server.on_connect(|_| Act::Succeed);
    let one = pool.get().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.get().unwrap_err();
    let check = skipped_beside(one, &pool, &server);
    assert!(check.skipped && !check.reachable, "{check:?}");
    assert!(check.error.unwrap().contains("scripted Transient"));
}

#[test]
fn a_ping_that_was_answered_outweighs_an_older_failure() {
    let server = Server::new();
    let pool = server.pool(settings());
    drop(pool.get().unwrap());
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.warm_up(2).unwrap_err();
    assert!(pool.health_check().unwrap().reachable);
    let check = skipped_beside(pool.get().unwrap(), &pool, &server);
    assert!(check.skipped && check.reachable, "{check:?}");
}

#[test]
fn idle_connections_that_a_firewall_has_forgotten_do_not_make_a_database_unreachable() {
    let server = Server::new();
    let pool = server.pool(settings().pool_size(6).max_overflow(1));
    pool.warm_up(6).unwrap();
    // Each check pings one of those, and then one that it opens.
    let (gate, script) = gated(|n| n % 2 == 0);
    server.on_ping(script);
    for _ in 0..6 {
        let check = pool.health_check().unwrap();
        assert!(check.reachable && !check.skipped, "{check:?}");
    }
    assert_eq!(pool.status().health_check_failures, 0);
    gate.open();
}

#[test]
fn nor_do_pings_of_idle_connections_that_fail_however_many() {
    for class in [
        ErrorClass::Statement,
        ErrorClass::Transient,
        ErrorClass::Lost,
    ] {
        let server = Server::new();
        let pool = server.pool(settings().pool_size(6).max_validation_failures(1));
        pool.warm_up(6).unwrap();
        // Each check pings one that was idle, and then one that it opens.
        server.on_ping(move |n| match n % 2 {
            0 => Act::Fail(class),
            _ => Act::Succeed,
        });
        for _ in 0..6 {
            let check = pool.health_check().unwrap();
            assert!(check.reachable && !check.skipped, "{class:?}: {check:?}");
        }
    }
}

#[test]
fn a_failed_one_is_forgotten_once_a_connection_answers() {
    let server = Server::new();
    let pool = server.pool(settings().pre_ping(queuepool::PrePing::Never));
    let one = pool.get().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    assert!(!pool.health_check().unwrap().reachable);
    let status = pool.status();
    assert!(
        status
            .database_error
            .unwrap()
            .contains("scripted Transient")
    );
    assert!(status.recommendations[0].starts_with("The database has not been reached"));
    drop(one);
    let status = pool.status();
    assert_eq!(status.database_error, None);
    assert_eq!(
        status.recommendations,
        ["Pool is healthy. No action needed."]
    );
    assert!(status.last_health_check_error.is_some(), "it did fail");
}

#[test]
fn a_skipped_one_knows_of_connects_that_take_longer_than_it_would_wait() {
    let server = Server::new();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    let pool = server.pool(settings().health_check_timeout(millis(20)));
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| pool.get().unwrap()));
        eventually("both connect", || gate.waiting() == 2);
        eventually("it is unreachable", || {
            let check = pool.health_check().unwrap();
            let overdue = |error: String| error.starts_with("a connect has been under way for ");
            check.skipped && !check.reachable && check.error.is_some_and(overdue)
        });
        gate.open();
        let held = both.map(|one| one.join().unwrap());
        let check = pool.health_check().unwrap();
        assert!(check.skipped && check.reachable, "{check:?}");
        drop(held);
    });
}

#[test]
fn one_connect_that_hangs_beside_another_that_succeeded_later_is_no_such_sign() {
    let server = Server::new();
    let (gate, script) = gated(|n| n == 0);
    server.on_connect(script);
    let limit = millis(20);
    let pool = server.pool(settings().health_check_timeout(limit));
    std::thread::scope(|scope| {
        let elder = scope.spawn(|| pool.get().unwrap());
        eventually("it connects", || gate.waiting() == 1);
        let begun = std::time::Instant::now();
        // The connection that it opens goes to the older of the two.
        let younger = scope.spawn(|| pool.get().unwrap());
        let elder = elder.join().unwrap();
        eventually("the first connect is overdue", || begun.elapsed() > limit);
        let check = pool.health_check().unwrap();
        assert!(check.skipped && check.reachable, "{check:?}");
        gate.open();
        drop((elder, younger.join().unwrap()));
    });
}
