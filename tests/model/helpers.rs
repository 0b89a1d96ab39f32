//! Calls that run on helper threads and may be abandoned there.

use queuepool::{Call, Connection, ErrorClass, PrePing, Retry};

use crate::database::{Database, settings};
use crate::explore::Reach::Preemptions;
use crate::explore::{
    NEVER, SOON, assert_closed, assert_whole, caller, explore, outcome, settle, spawn, until,
};

#[test]
fn what_a_connect_brings_whose_caller_has_left_is_not_lost() {
    // "timeout" if the time passed before the caller had joined the queue.
    let expected = ["connect", "ok", "timeout"];
    explore(
        "connect on a helper against time-out",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default()
                .on_helper(Call::Connect)
                .pool(settings(1));
            let caller = caller(&pool, SOON);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let outcome = caller.join().unwrap();
            time.join().unwrap();
            settle(&pool);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn a_connect_whose_caller_has_left_serves_another() {
    let expected = [("connect", "ok"), ("ok", "ok"), ("timeout", "ok")];
    explore(
        "connect on a helper against time-out, another waits",
        Preemptions(2),
        expected,
        || {
            let (database, pool) = Database::default()
                .on_helper(Call::Connect)
                .pool(settings(1));
            let hurried = caller(&pool, SOON);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let patient = outcome(&pool.get());
            let outcomes = (hurried.join().unwrap(), patient);
            time.join().unwrap();
            settle(&pool);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn a_connect_that_fails_on_a_helper_lets_the_next_caller_open() {
    // A caller who may try only once has its error at once, unless the other's connection reaches it before it reads that.
    let expected = [("connect", "ok"), ("ok", "connect"), ("ok", "ok")];
    explore(
        "failed attempt on a helper, two callers",
        Preemptions(2),
        expected,
        || {
            let database = Database::failing_once(ErrorClass::Transient).on_helper(Call::Connect);
            let once = Retry::default().max_attempts(1);
            let (database, pool) = database.pool(settings(1).retry(once));
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_eq!(database.connects(), 2);
            settle(&pool);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

/// Time stands still here, so the refusal holds.
#[test]
fn a_refused_login_is_told_to_all_who_need_a_connect_and_asked_once() {
    explore(
        "refused login on a helper, two callers",
        Preemptions(2),
        [("connect", "connect")],
        || {
            let database = Database::failing_once(ErrorClass::Permanent).on_helper(Call::Connect);
            let (database, pool) = database.pool(settings(1));
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_eq!(database.connects(), 1);
            settle(&pool);
            pool.close(NEVER).unwrap();
            assert_closed(&database, &pool);
            outcomes
        },
    );
}

#[test]
fn a_connect_abandoned_at_its_limit_gives_its_place_back_once() {
    let expected = ["connect", "ok"];
    explore(
        "connect on a helper against connect_timeout",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default().on_helper(Call::Connect).pool(
                settings(1)
                    .connect_timeout(SOON)
                    .retry(Retry::default().max_attempts(1)),
            );
            let caller = caller(&pool, NEVER);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let outcome = caller.join().unwrap();
            time.join().unwrap();
            settle(&pool);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn close_waits_for_a_connect_on_a_helper() {
    explore(
        "close against connect on a helper",
        Preemptions(3),
        ["closed", "ok"],
        || {
            let (database, pool) = Database::default()
                .on_helper(Call::Connect)
                .pool(settings(1));
            let caller = caller(&pool, NEVER);
            assert_eq!(outcome(&pool.close(NEVER)), "ok");
            let outcome = caller.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn close_waits_for_connects_that_fail_on_helpers() {
    let expected = ["closed", "connect"];
    explore(
        "close against failed attempt on a helper",
        Preemptions(3),
        expected,
        || {
            let database = Database::failing_once(ErrorClass::Permanent).on_helper(Call::Connect);
            let (database, pool) = database.pool(settings(1));
            let caller = caller(&pool, NEVER);
            let closes = spawn(&pool, |pool| outcome(&pool.close(NEVER)));
            assert_eq!(outcome(&pool.close(NEVER)), "ok");
            assert_eq!(closes.join().unwrap(), "ok");
            let outcome = caller.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn who_waits_behind_a_connect_that_hangs_has_its_own_once_the_caller_has_left() {
    let expected = [("connect", "ok")];
    explore(
        "connect that hangs, against time-out, another waits",
        Preemptions(2),
        expected,
        || {
            let database = Database::hanging_once().on_helper(Call::Connect);
            let (database, pool) = database.pool(settings(1));
            let hurried = caller(&pool, SOON);
            until(&pool, |_| database.connects() == 1);
            let patient = caller(&pool, NEVER);
            pool.pass_time(SOON);
            let outcomes = (hurried.join().unwrap(), patient.join().unwrap());
            assert_eq!(database.connects(), 2);
            database.let_go();
            settle(&pool);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn close_does_not_wait_for_an_abandoned_connect() {
    let expected = ["closed", "connect"];
    explore(
        "close against connect that hangs and connect_timeout",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::hanging_once().on_helper(Call::Connect).pool(
                settings(1)
                    .connect_timeout(SOON)
                    .retry(Retry::default().max_attempts(1)),
            );
            let caller = caller(&pool, NEVER);
            until(&pool, |_| database.connects() == 1);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            assert_eq!(outcome(&pool.close(NEVER)), "ok");
            let outcome = caller.join().unwrap();
            time.join().unwrap();
            database.let_go();
            settle(&pool);
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn a_ping_abandoned_at_its_limit_gives_its_place_back_once() {
    // Two places, because there may be only one hanging call for each place.
    explore(
        "ping on a helper against its limit",
        Preemptions(3),
        ["ok"],
        || {
            let (database, pool) = Database::default().on_helper(Call::Ping).pool(
                settings(2)
                    .pre_ping(PrePing::Always)
                    .health_check_timeout(SOON),
            );
            drop(pool.get().unwrap());
            let caller = caller(&pool, NEVER);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let outcome = caller.join().unwrap();
            time.join().unwrap();
            settle(&pool);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn a_close_past_its_limit_gives_its_place_back_once() {
    // There may be only one hanging call for each place, so a caller who comes while the close hangs waits for its end.
    explore(
        "close on a helper against its limit",
        Preemptions(2),
        ["ok"],
        || {
            let (database, pool) = Database::default().on_helper(Call::Close).pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, NEVER);
            let time = spawn(&pool, |pool| pool.pass_time(5 * SOON));
            Connection::invalidate(held);
            let outcome = waits.join().unwrap();
            time.join().unwrap();
            settle(&pool);
            assert_whole(&database, pool);
            outcome
        },
    );
}
