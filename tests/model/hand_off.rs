//! One thread gives a connection back while others enter, time out or make a call that does not wait.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use queuepool::{Call, Connection, ErrorClass, Mode, Retry};

use crate::database::{Database, settings};
use crate::explore::Reach::Preemptions;
use crate::explore::{
    NEVER, Order, Reach, SOON, assert_closed, assert_whole, caller, explore, explore_in, outcome,
    spawn, until,
};

#[test]
fn one_connection_goes_round_all_callers() {
    explore(
        "one connection, three callers",
        Preemptions(4),
        [("ok", "ok")],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            drop(held);
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_eq!(database.connects(), 1);
            assert_eq!(pool.status().peak_checked_out, 1);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn one_who_comes_again_and_again_leaves_the_connection_to_one_who_waits() {
    explore(
        "one comes three times, another once",
        Preemptions(4),
        [("ok", "ok")],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            drop(pool.get().unwrap());
            let often = spawn(&pool, |pool| {
                // The second time the connection is in this thread's bay.
                let all = [(); 3].map(|()| outcome(&pool.get()));
                assert_eq!(all, ["ok"; 3]);
                all[0]
            });
            let once = caller(&pool, NEVER);
            let outcomes = (often.join().unwrap(), once.join().unwrap());
            assert_eq!(database.connects(), 1);
            assert_eq!(pool.status().peak_checked_out, 1);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn two_connections_go_round_all_callers() {
    explore(
        "two connections, four callers",
        Preemptions(2),
        ["ok"],
        || {
            let (database, pool) = Database::default().pool(settings(2));
            let held = (pool.get().unwrap(), pool.get().unwrap());
            let callers = [(); 3].map(|()| caller(&pool, NEVER));
            drop(held.1);
            let one = callers.map(|caller| caller.join().unwrap());
            drop(held.0);
            assert_eq!(one, ["ok"; 3]);
            assert_eq!(database.connects(), 2);
            assert_whole(&database, pool);
            "ok"
        },
    );
}

#[test]
fn two_given_back_serve_two_who_keep_them() {
    explore(
        "two given back, two keep what they get",
        Preemptions(3),
        ["ok"],
        || {
            let (database, pool) = Database::default().pool(settings(2));
            let held = (pool.get().unwrap(), pool.get().unwrap());
            let callers = [(); 2].map(|()| spawn(&pool, |pool| pool.get().unwrap()));
            drop(held);
            let kept = callers.map(|caller| caller.join().unwrap());
            assert_eq!(database.connects(), 2);
            drop(kept);
            assert_whole(&database, pool);
            "ok"
        },
    );
}

#[test]
fn a_caller_whose_deadline_passes_while_another_gives_is_served_or_gone() {
    explore(
        "give against time-out",
        Preemptions(4),
        ["ok", "timeout"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let caller = caller(&pool, SOON);
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            drop(held);
            let outcome = caller.join().unwrap();
            time.join().unwrap();
            assert_eq!(database.connects(), 1);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn what_one_leaves_at_its_deadline_reaches_the_other() {
    let expected = [("ok", "ok"), ("timeout", "ok")];
    explore(
        "give against time-out, another waits",
        Preemptions(2),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let (hurried, patient) = (caller(&pool, SOON), caller(&pool, NEVER));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            drop(held);
            let outcomes = (hurried.join().unwrap(), patient.join().unwrap());
            time.join().unwrap();
            assert_eq!(database.connects(), 1);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn two_whose_deadline_passes_lose_nothing() {
    let expected = [
        ("ok", "ok"),
        ("ok", "timeout"),
        ("timeout", "ok"),
        ("timeout", "timeout"),
    ];
    explore(
        "give against two time-outs",
        Preemptions(2),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let (first, second) = (caller(&pool, SOON), caller(&pool, SOON));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            drop(held);
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            time.join().unwrap();
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn who_comes_later_is_served_later() {
    explore_in(
        Order::Strict,
        "give and come again, two wait",
        Preemptions(3),
        ["in order"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let served = Arc::new(Mutex::new(Vec::new()));
            let held = pool.get().unwrap();
            let callers = ["first", "second"].map(|name| {
                let served = served.clone();
                let already = pool.status().waiting_requests;
                let caller = spawn(&pool, move |pool| {
                    let _connection = pool.get().unwrap();
                    served.lock().push(name);
                });
                until(&pool, |status| status.waiting_requests > already);
                caller
            });
            drop(held);
            drop(pool.get().unwrap());
            assert_eq!(*served.lock(), ["first", "second"]);
            callers
                .into_iter()
                .for_each(|caller| caller.join().unwrap());
            assert_whole(&database, pool);
            "in order"
        },
    );
}

#[test]
fn who_holds_for_an_instant_may_come_again_before_one_who_has_to_wake_up() {
    explore_in(
        Order::Barging,
        "give and come again, one waits",
        Preemptions(4),
        ["after the other", "before the other"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let is_served = Arc::new(Mutex::new(false));
            let served = is_served.clone();
            let caller = spawn(&pool, move |pool| {
                let _connection = pool.get().unwrap();
                *served.lock() = true;
            });
            until(&pool, |status| status.waiting_requests > 0);
            drop(held);
            let again = pool.get().unwrap();
            let was_served = *is_served.lock();
            drop(again);
            caller.join().unwrap();
            assert_whole(&database, pool);
            match was_served {
                true => "after the other",
                false => "before the other",
            }
        },
    );
}

/// Gives the connection back at once while another waits, comes again after `pause`, holds it for `hold`, and comes a third time.
/// The outcome says of both times whether the other has been served before.
fn served_before<const N: usize>(
    name: &str,
    pause: Duration,
    hold: Duration,
    expected: [[bool; 2]; N],
) {
    let model = move || {
        let (database, pool) = Database::default().pool(settings(1));
        let held = pool.get().unwrap();
        let is_served = Arc::new(Mutex::new(false));
        let served = is_served.clone();
        let caller = spawn(&pool, move |pool| {
            let _connection = pool.get().unwrap();
            *served.lock() = true;
        });
        until(&pool, |status| status.waiting_requests > 0);
        drop(held);
        pool.pass_moment(pause);
        let second = pool.get().unwrap();
        let before_second = *is_served.lock();
        pool.pass_moment(hold);
        drop(second);
        let third = pool.get().unwrap();
        let before_third = *is_served.lock();
        drop(third);
        caller.join().unwrap();
        assert_whole(&database, pool);
        [before_second, before_third]
    };
    explore_in(Order::Barging, name, Preemptions(4), expected, model);
}

#[test]
fn nobody_comes_again_before_one_who_has_waited_for_a_millisecond() {
    served_before(
        "come again after a millisecond, one waits",
        Duration::from_millis(1),
        Duration::ZERO,
        [[true, true]],
    );
}

#[test]
fn who_has_held_it_for_longer_does_not_come_again_before_one_who_waits() {
    served_before(
        "hold for longer and come again, one waits",
        Duration::ZERO,
        Duration::from_micros(10),
        [[false, true], [true, true]],
    );
}

#[test]
fn what_is_parked_beside_two_reaches_the_second_if_the_first_is_given_another() {
    explore_in(
        Order::Barging,
        "one parked, one given, two keep what they get",
        Preemptions(2),
        ["ok"],
        || {
            let (database, pool) = Database::default().pool(settings(2));
            let held = (pool.get().unwrap(), pool.get().unwrap());
            let callers = [(); 2].map(|()| spawn(&pool, |pool| pool.get().unwrap()));
            until(&pool, |status| status.waiting_requests == 2);
            drop(held.0);
            pool.pass_moment(Duration::from_micros(10));
            drop(held.1);
            let kept = callers.map(|caller| caller.join().unwrap());
            assert_eq!(database.connects(), 2);
            drop(kept);
            assert_whole(&database, pool);
            "ok"
        },
    );
}

/// One's own connect fails, and no time passes until the next, while another comes again and again by short ways.
fn a_connect_fails_while_another_comes_again(
    name: &str,
    reach: Reach,
    prepare: fn(Database) -> Database,
) {
    explore(name, reach, ["ok"], move || {
        let database = prepare(Database::failing_then(ErrorClass::Transient));
        let retry = Retry::default().initial_delay(SOON).jitter(false);
        let (database, pool) = database.pool(settings(2).retry(retry));
        let held = pool.get().unwrap();
        let fails = caller(&pool, NEVER);
        drop(held);
        drop(pool.get().unwrap());
        drop(pool.get().unwrap());
        let outcome = fails.join().unwrap();
        // Another connect might fail now.
        pool.close(NEVER).unwrap();
        assert_closed(&database, &pool);
        outcome
    });
}

#[test]
fn who_is_about_to_sleep_after_its_own_failure_hears_of_what_is_parked() {
    a_connect_fails_while_another_comes_again(
        "own connect fails, another comes again",
        Preemptions(4),
        |database| database,
    );
}

#[test]
fn who_was_told_to_look_and_of_a_failure_hears_of_the_next_connection_too() {
    a_connect_fails_while_another_comes_again(
        "helper's connect fails, another comes again",
        Preemptions(3),
        |database| database.on_helper(Call::Connect),
    );
}

#[test]
fn beyond_max_waiting_one_is_turned_away_and_the_other_served() {
    let expected = [("ok", "ok"), ("ok", "overloaded"), ("overloaded", "ok")];
    explore(
        "give against two of whom one may wait",
        Preemptions(4),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1).max_waiting(1));
            let held = pool.get().unwrap();
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            drop(held);
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn a_look_in_passing_takes_nothing_from_a_caller_who_waits() {
    let expected = [("ok", "nothing"), ("ok", "ok")];
    explore(
        "try_get against enter and give",
        Preemptions(4),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, NEVER);
            let passes = spawn(&pool, |pool| match pool.try_get() {
                Ok(None) => "nothing",
                result => outcome(&result),
            });
            drop(held);
            let outcomes = (waits.join().unwrap(), passes.join().unwrap());
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn what_overflows_is_closed_and_its_place_serves_a_caller() {
    explore(
        "two given back, one kept",
        Preemptions(4),
        [("ok", "ok")],
        || {
            let (database, pool) = Database::default().pool(settings(1).max_overflow(1));
            let held = (pool.get().unwrap(), pool.get().unwrap());
            let waits = caller(&pool, NEVER);
            let gives = spawn(&pool, |_pool| drop(held.0));
            drop(held.1);
            gives.join().unwrap();
            let outcome = waits.join().unwrap();
            assert_eq!(pool.status().total, 1);
            assert_whole(&database, pool);
            (outcome, "ok")
        },
    );
}

#[test]
fn an_invalidated_connections_place_serves_those_who_wait() {
    explore(
        "invalidate against enter",
        Preemptions(3),
        [("ok", "ok")],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            Connection::invalidate(held);
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_eq!(database.connects(), 2);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn a_detached_connections_place_serves_those_who_wait() {
    let expected = [("ok", "ok"), ("timeout", "ok")];
    explore(
        "detach against enter and time-out",
        Preemptions(2),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let (hurried, patient) = (caller(&pool, SOON), caller(&pool, NEVER));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            let session = Connection::detach(held);
            let outcomes = (hurried.join().unwrap(), patient.join().unwrap());
            time.join().unwrap();
            assert_eq!(database.connects(), 2);
            drop(session);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn replacing_all_connections_while_they_are_handed_on_loses_no_place() {
    explore(
        "invalidate_all against give and enter",
        Preemptions(4),
        ["ok"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, NEVER);
            let replaces = spawn(&pool, |pool| pool.invalidate_all());
            drop(held);
            let outcome = waits.join().unwrap();
            replaces.join().unwrap();
            assert_ne!(pool.get().unwrap().number, 0, "not replaced");
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn in_null_mode_callers_open_one_after_the_other() {
    let expected = [("ok", "nothing"), ("ok", "ok")];
    explore(
        "null mode, enter against a look in passing",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1).mode(Mode::Null));
            let waits = caller(&pool, NEVER);
            let passes = spawn(&pool, |pool| match pool.try_get() {
                Ok(None) => "nothing",
                result => outcome(&result),
            });
            drop(pool.get().unwrap());
            let outcomes = (waits.join().unwrap(), passes.join().unwrap());
            assert_eq!(pool.status().peak_total, 1);
            assert_whole(&database, pool);
            outcomes
        },
    );
}
