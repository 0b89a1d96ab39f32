//! Connects that fail on the threads of the callers, who sleep between their attempts.

use std::time::Duration;

use queuepool::{ErrorClass, Retry, Settings};

use crate::database::{Database, settings};
use crate::explore::Reach::{All, Preemptions};
use crate::explore::{
    NEVER, SOON, assert_closed, assert_whole, caller, explore, outcome, spawn, until,
};

#[test]
fn a_failed_attempt_lets_the_next_caller_open() {
    let expected = [("connect", "ok"), ("ok", "connect")];
    explore("failed attempt, two callers", All, expected, || {
        let database = Database::failing_once(ErrorClass::Permanent);
        let (database, pool) = database.pool(settings(1));
        let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
        let outcomes = (first.join().unwrap(), second.join().unwrap());
        assert_eq!(database.connects(), 2);
        assert_whole(&database, pool);
        outcomes
    });
}

#[test]
fn a_failed_attempt_takes_no_place_from_callers_at_their_deadline() {
    let expected = [("connect", "ok"), ("ok", "connect"), ("timeout", "connect")];
    explore(
        "failed attempt against time-out, two callers",
        Preemptions(3),
        expected,
        || {
            let database = Database::failing_once(ErrorClass::Permanent);
            let (database, pool) = database.pool(settings(1));
            let (hurried, patient) = (caller(&pool, SOON), caller(&pool, NEVER));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let outcomes = (hurried.join().unwrap(), patient.join().unwrap());
            time.join().unwrap();
            assert_whole(&database, pool);
            outcomes
        },
    );
}

/// Without jitter, because everything that happens must follow from the interleaving.
fn two_attempts(pause: Duration) -> Settings {
    let retry = Retry::default()
        .max_attempts(2)
        .initial_delay(pause)
        .jitter(false);
    settings(1).retry(retry)
}

#[test]
fn a_success_that_is_kept_ends_the_sleep_between_attempts_too() {
    explore(
        "asleep, two succeed and keep it",
        Preemptions(3),
        ["ok"],
        || {
            let database = Database::failing_once(ErrorClass::Transient);
            let (database, pool) = database.pool(two_attempts(SOON).pool_size(3));
            let sleeps = caller(&pool, NEVER);
            until(&pool, |status| {
                status.connection_errors == 1 && status.waiting_requests == 1
            });
            let other = spawn(&pool, |pool| pool.get().unwrap());
            let kept = (pool.get().unwrap(), other.join().unwrap());
            let outcome = sleeps.join().unwrap();
            drop(kept);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn a_success_between_a_failure_and_the_sleep_after_it_lets_nobody_sleep() {
    explore(
        "about to sleep, another succeeds and keeps it",
        All,
        ["ok"],
        || {
            let database = Database::failing_once(ErrorClass::Transient);
            let (database, pool) = database.pool(two_attempts(SOON).pool_size(2));
            let about_to_sleep = caller(&pool, NEVER);
            until(&pool, |status| status.connection_errors == 1);
            let kept = pool.get().unwrap();
            let outcome = about_to_sleep.join().unwrap();
            drop(kept);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn another_callers_success_ends_the_sleep_between_attempts() {
    explore("asleep, another succeeds", All, [("ok", "ok")], || {
        let database = Database::failing_once(ErrorClass::Transient);
        let (database, pool) = database.pool(two_attempts(SOON));
        let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
        let outcomes = (first.join().unwrap(), second.join().unwrap());
        assert_eq!(database.connects(), 2);
        assert_whole(&database, pool);
        outcomes
    });
}

#[test]
fn a_caller_asleep_between_attempts_hears_of_the_close_or_of_the_time() {
    // If the time passed before the first attempt failed, only the close ends its sleep.
    explore(
        "asleep, against close and time",
        All,
        ["closed", "ok"],
        || {
            let database = Database::failing_once(ErrorClass::Transient);
            let (database, pool) = database.pool(two_attempts(SOON));
            let sleeps = caller(&pool, NEVER);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            assert_eq!(outcome(&pool.close(NEVER)), "ok");
            let outcome = sleeps.join().unwrap();
            time.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn a_deadline_in_the_sleep_between_attempts_is_the_connects_fault() {
    // "timeout" if the time passed before the caller had joined the queue.
    let expected = ["closed", "connect", "timeout"];
    explore("asleep, against close and deadline", All, expected, || {
        let database = Database::failing_once(ErrorClass::Transient);
        let (database, pool) = database.pool(two_attempts(2 * SOON));
        let sleeps = caller(&pool, SOON);
        let time = spawn(&pool, |pool| pool.pass_time(SOON));
        assert_eq!(outcome(&pool.close(NEVER)), "ok");
        let outcome = sleeps.join().unwrap();
        time.join().unwrap();
        assert_closed(&database, &pool);
        outcome
    });
}
