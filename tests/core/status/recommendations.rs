//! What to do, in words that name the setting, the value and the evidence.

use queuepool::{Clock, ErrorClass, Mode, Pool, Retry, Settings, Status};

use support::scripted::*;

const HERE: &str = file!();

fn sized(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .timeout(secs(10))
        .retry(Retry::default().max_attempts(1))
}

fn pool(settings: Settings) -> (Pool<ScriptedManager>, Clock) {
    Server::new().pool_with_clock(settings)
}

#[track_caller]
fn assert_advises(status: &Status, wanted: &str) {
    let advice = &status.recommendations;
    assert!(
        advice.iter().any(|line| line.contains(wanted)),
        "{wanted:?} is not in {advice:#?}"
    );
}

#[test]
fn nothing_to_do() {
    let (pool, _) = pool(sized(10, 20));
    let _held = pool.get().unwrap();
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn a_busy_pool_without_a_history_is_told_a_size() {
    let (pool, _) = pool(sized(10, 20));
    let _held: Vec<_> = (0..8).map(|_| pool.get().unwrap()).collect();
    assert_advises(
        &pool.status(),
        "Raise pool_size from 10 to 12 if this is the usual load: 8 connections are in use, 80 % of pool_size.",
    );
}

#[test]
fn an_exhausted_pool_is_told_which_setting_to_raise_and_where_the_connections_are() {
    let (pool, _) = pool(sized(2, 2));
    let _held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let line = line!() - 1;
    let status = pool.status();
    assert_advises(
        &status,
        "Raise max_overflow from 2 to 3, or hold connections for a shorter time: 4 of 4 connections are out and 0 callers wait",
    );
    assert_advises(&status, &format!("4 of them were taken at {HERE}:{line}"));
}

#[test]
fn callers_who_wait_are_in_the_value() {
    let (pool, _) = pool(sized(2, 2));
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| drop(pool.get().unwrap()));
        }
        eventually("five wait", || pool.status().waiting_requests == 5);
        assert_advises(&pool.status(), "Raise max_overflow from 2 to 8");
        drop(held);
    });
}

#[test]
fn a_leak_names_the_line_that_took_most_and_the_longest_holder() {
    let (pool, clock) = pool(sized(1, 1));
    let first = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("export-3".to_owned());
        thread
            .spawn_scoped(scope, || pool.get().unwrap())
            .unwrap()
            .join()
            .unwrap()
    });
    let line = line!() - 5;
    clock.advance(secs(30));
    let _second = pool.get().unwrap();
    clock.advance(secs(11));
    let status = pool.status();
    assert!(status.leak_detected);
    assert_advises(
        &status,
        "Potential connection leak: the pool has been full for 11 s without a break. Held for longer than leak_after (10s): 2 of 2",
    );
    assert_advises(
        &status,
        &format!("{HERE}:{line} has held a connection for 41 s on thread export-3"),
    );
    drop(first);
}

/// One after the other comes back and is taken again, each after 2 s, so that the pool of 20 stays full.
fn renew_in_turn(
    pool: &Pool<ScriptedManager>,
    clock: &Clock,
    held: &mut [Option<queuepool::Connection<ScriptedManager>>],
    rounds: usize,
) {
    for _ in 0..rounds {
        for one in &mut *held {
            clock.advance(millis(100));
            drop(one.take());
            *one = Some(pool.get().unwrap());
        }
    }
}

#[test]
fn connections_that_come_back_are_no_leak_but_too_few() {
    let (pool, clock) = pool(sized(10, 10));
    let mut held: Vec<_> = (0..20).map(|_| Some(pool.get().unwrap())).collect();
    renew_in_turn(&pool, &clock, &mut held, 6);
    let status = pool.status();
    assert!(status.leak_detected && status.holders[0].held_for <= secs(2));
    let advice = &status.recommendations;
    assert_eq!(
        advice[0],
        "The pool has been full for 12 s without a break, but nobody has held a connection for longer than leak_after \
         (10s): that is load rather than a leak."
    );
    assert_advises(
        &status,
        "Raise max_overflow from 10 to 13, or hold connections for a shorter time: 20 of 20 connections are out",
    );
    assert!(!status.to_string().contains("Potential"), "{advice:#?}");
}

#[test]
fn load_is_told_a_size_also_where_nothing_is_critical() {
    let (pool, clock) = pool(sized(10, 10).critical_utilization(100.0));
    let mut held: Vec<_> = (0..20).map(|_| Some(pool.get().unwrap())).collect();
    renew_in_turn(&pool, &clock, &mut held, 6);
    let status = pool.status();
    assert!(status.leak_detected && status.is_healthy());
    assert_advises(&status, "Raise max_overflow from 10 to 11");
}

#[test]
fn a_leak_is_blamed_on_the_line_with_most_old_holders_however_many_new_ones_another_has() {
    let (pool, clock) = pool(sized(10, 10));
    let _old = [pool.get().unwrap(), pool.get().unwrap()];
    let line = line!() - 1;
    let mut held: Vec<_> = (2..20).map(|_| Some(pool.get().unwrap())).collect();
    renew_in_turn(&pool, &clock, &mut held, 6);
    let status = pool.status();
    assert!(status.leak_detected);
    assert_advises(
        &status,
        &format!(
            "Held for longer than leak_after (10s): 2 of 20 connections; 2 of them were taken at \
             {HERE}:{line}."
        ),
    );
    let raise = |line: &String| line.starts_with("Raise");
    assert!(!status.recommendations.iter().any(raise), "{status}");
}

#[test]
fn the_usual_load_in_the_overflow_raises_pool_size_to_the_99th_percentile() {
    let (pool, clock) = pool(sized(3, 9));
    pool.sample();
    for _ in 0..60 {
        let held: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
        clock.advance(secs(5));
        drop(held);
        pool.sample();
    }
    eventually("the last is closed", || pool.status().total == 3);
    assert_advises(
        &pool.status(),
        "Raise pool_size from 3 to 5: 5 were in use at the 99th percentile of the last 5 minutes",
    );
}

#[test]
fn time_outs_in_the_last_minutes_raise_the_overflow() {
    let (pool, clock) = pool(sized(2, 2));
    pool.sample();
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    for _ in 0..3 {
        pool.get_timeout(millis(5)).unwrap_err();
    }
    clock.advance(secs(5));
    pool.sample();
    drop(held);
    clock.advance(secs(5));
    pool.sample();
    let status = pool.status();
    assert_eq!(status.checked_out, 0);
    assert_advises(
        &status,
        "3 checkouts timed out in the last 10 s, at most 4 connections were out and 1 caller waited",
    );
    assert_advises(&status, "Raise max_overflow from 2 to 4");
}

#[test]
fn time_outs_since_the_start_count_where_no_history_is_kept() {
    let (pool, _) = pool(sized(2, 0));
    let held: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    pool.get_timeout(millis(5)).unwrap_err();
    drop(held);
    assert_advises(
        &pool.status(),
        "1 of 3 calls timed out since the start, when at most 2 connections were out and 1 caller waited",
    );
    // They are forgotten once they are fewer than one in a hundred.
    for _ in 0..100 {
        drop(pool.get().unwrap());
    }
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn a_leak_gives_no_reason_to_raise_a_size() {
    let (pool, clock) = pool(sized(2, 2));
    pool.sample();
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    pool.get_timeout(millis(5)).unwrap_err();
    for _ in 0..4 {
        clock.advance(secs(5));
        pool.sample();
    }
    let status = pool.status();
    assert!(status.leak_detected);
    let raises = |line: &String| line.contains("Raise");
    assert!(!status.recommendations.iter().any(raises), "{status}");
    drop(held);
}

#[test]
fn resets_that_fail_are_told() {
    let server = Server::new();
    server.on_reset(|_| Act::Fail(ErrorClass::Statement));
    let pool = server.pool(sized(2, 0));
    for _ in 0..10 {
        drop(pool.get().unwrap());
    }
    assert_advises(
        &pool.status(),
        "10 of 10 returned connections were closed because their reset failed",
    );
}

#[test]
fn a_pool_of_which_half_was_never_used_is_told_to_shrink() {
    let (pool, clock) = pool(sized(50, 0));
    for _ in 0..334 {
        let _three = [
            pool.get().unwrap(),
            pool.get().unwrap(),
            pool.get().unwrap(),
        ];
    }
    clock.advance(secs(3599));
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
    clock.advance(secs(1));
    assert_advises(
        &pool.status(),
        "Lower pool_size from 50 to 5: no more than 3 connections were in use at once in the 1 h",
    );
}

#[test]
fn in_null_mode_thousands_of_connections_are_a_reason_to_keep_them() {
    let server = Server::new();
    let pool = server.pool(Settings::small().mode(Mode::Null));
    for _ in 0..999 {
        drop(pool.get().unwrap());
    }
    eventually("all are closed", || pool.status().total == 0);
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
    drop(pool.get().unwrap());
    assert_advises(
        &pool.status(),
        "Set mode to queue unless each checkout must have a new connection: the mode null has opened 1000 connections, one for each \
         checkout.",
    );
}

#[test]
fn a_database_that_is_down_comes_first_and_is_never_healthy() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Lost));
    let pool = server.pool(sized(2, 2));
    pool.get().unwrap_err();
    let status = pool.status();
    let first = &status.recommendations[0];
    assert!(
        first.starts_with("The database has not been reached for 0 s"),
        "{first}"
    );
    assert!(first.contains("scripted Lost"), "{first}");
    server.on_connect(|_| Act::Succeed);
    drop(pool.get().unwrap());
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn calls_that_hang_are_told() {
    let server = Server::new();
    let (gate, script) = gated(|n| n == 0);
    server.on_connect(script);
    let pool = server.pool(sized(2, 2).connect_timeout(millis(20)));
    pool.get().unwrap_err();
    assert_advises(&pool.status(), "1 driver call hangs, 1 of them connects");
    gate.open();
}

#[test]
fn a_closed_pool_has_no_other_advice() {
    let (pool, _) = pool(sized(2, 2));
    pool.close(secs(1)).unwrap();
    assert_eq!(pool.status().recommendations, ["The pool is closed."]);
}
