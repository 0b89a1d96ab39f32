//! close() against everything else: nobody sleeps for ever, and nothing stays open.

use queuepool::Connection;

use crate::database::{Database, settings};
use crate::explore::Reach::{All, Preemptions};
use crate::explore::{NEVER, SOON, assert_closed, caller, explore, outcome, spawn};

#[test]
fn close_ends_the_wait_of_callers_and_waits_for_what_is_out() {
    explore(
        "close against give and enter",
        All,
        ["closed", "ok"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, NEVER);
            let closes = spawn(&pool, |pool| outcome(&pool.close(NEVER)));
            drop(held);
            assert_eq!(closes.join().unwrap(), "ok");
            let outcome = waits.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn close_give_and_time_out_together_leave_nothing() {
    let expected = ["closed", "ok", "timeout"];
    explore(
        "close against give, enter and time-out",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, SOON);
            let closes = spawn(&pool, |pool| outcome(&pool.close(NEVER)));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            drop(held);
            assert_eq!(closes.join().unwrap(), "ok");
            let outcome = waits.join().unwrap();
            time.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn close_waits_for_connects_under_way() {
    let expected = [
        ("closed", "closed"),
        ("closed", "ok"),
        ("ok", "closed"),
        ("ok", "ok"),
    ];
    explore(
        "close against two who open",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let (first, second) = (caller(&pool, NEVER), caller(&pool, NEVER));
            assert_eq!(outcome(&pool.close(NEVER)), "ok");
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            assert_closed(&database, &pool);
            outcomes
        },
    );
}

#[test]
fn a_close_whose_deadline_passes_closes_all_the_same() {
    explore(
        "close against give and its own deadline",
        All,
        ["ok", "timeout"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let closes = spawn(&pool, |pool| outcome(&pool.close(SOON)));
            let time = spawn(&pool, |pool| pool.pass_time(SOON));
            drop(held);
            let outcome = closes.join().unwrap();
            time.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn close_does_not_wait_for_what_is_detached() {
    let expected = ["closed", "ok"];
    explore("close against detach and enter", All, expected, || {
        let (database, pool) = Database::default().pool(settings(1));
        let held = pool.get().unwrap();
        let waits = caller(&pool, NEVER);
        let closes = spawn(&pool, |pool| outcome(&pool.close(NEVER)));
        let session = Connection::detach(held);
        assert_eq!(closes.join().unwrap(), "ok");
        let outcome = waits.join().unwrap();
        drop(session);
        assert_closed(&database, &pool);
        outcome
    });
}

#[test]
fn closes_at_once_all_wait_for_what_is_out() {
    explore(
        "two closes against give and enter",
        Preemptions(3),
        ["closed", "ok"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let held = pool.get().unwrap();
            let waits = caller(&pool, NEVER);
            let closes = [(); 2].map(|()| {
                let database = database.clone();
                spawn(&pool, move |pool| {
                    assert_eq!(outcome(&pool.close(NEVER)), "ok");
                    assert_eq!(database.open(), 0);
                })
            });
            drop(held);
            closes.into_iter().for_each(|close| close.join().unwrap());
            let outcome = waits.join().unwrap();
            assert_closed(&database, &pool);
            outcome
        },
    );
}

#[test]
fn what_is_out_when_the_last_handle_goes_is_closed_on_its_return() {
    explore(
        "the last handle's drop against two gives",
        All,
        ["ok"],
        || {
            let (database, pool) = Database::default().pool(settings(2));
            let held = [pool.get().unwrap(), pool.get().unwrap()];
            let gives = held.map(|guard| loom::thread::spawn(move || drop(guard)));
            drop(pool);
            gives.into_iter().for_each(|give| give.join().unwrap());
            assert_eq!(database.open(), 0);
            "ok"
        },
    );
}
