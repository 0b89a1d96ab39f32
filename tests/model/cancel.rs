//! Another thread cancels a wait while something comes for the caller.

use loom::thread::JoinHandle;
use queuepool::{Call, CancellationToken};

use crate::database::{Database, ModelPool, settings};
use crate::explore::Reach::Preemptions;
use crate::explore::{
    NEVER, Order, assert_whole, caller, explore, explore_in, outcome, spawn, until,
};

/// A caller that can be cancelled, and returns its connection at once.
fn cancellable(pool: &ModelPool, token: &CancellationToken) -> JoinHandle<&'static str> {
    let token = token.clone();
    spawn(pool, move |pool| outcome(&pool.get_cancellable(&token)))
}

fn canceller(token: &CancellationToken) -> JoinHandle<()> {
    let token = token.clone();
    loom::thread::spawn(move || token.cancel())
}

#[test]
fn a_caller_who_is_cancelled_while_another_gives_is_served_or_gone() {
    explore(
        "give against cancel",
        Preemptions(4),
        ["cancelled", "ok"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let token = CancellationToken::new();
            let held = pool.get().unwrap();
            let caller = cancellable(&pool, &token);
            let cancels = canceller(&token);
            drop(held);
            let outcome = caller.join().unwrap();
            cancels.join().unwrap();
            assert_eq!(database.connects(), 1);
            assert_whole(&database, pool);
            outcome
        },
    );
}

#[test]
fn what_a_cancelled_caller_leaves_reaches_the_other() {
    let expected = [("cancelled", "ok"), ("ok", "ok")];
    explore(
        "give against cancel, another waits",
        Preemptions(3),
        expected,
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let token = CancellationToken::new();
            let held = pool.get().unwrap();
            let (cancelled, patient) = (cancellable(&pool, &token), caller(&pool, NEVER));
            let cancels = canceller(&token);
            drop(held);
            let outcomes = (cancelled.join().unwrap(), patient.join().unwrap());
            cancels.join().unwrap();
            assert_eq!(database.connects(), 1);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn one_token_ends_all_waits_that_use_it() {
    explore(
        "cancel against two who wait",
        Preemptions(3),
        [("cancelled", "cancelled")],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let token = CancellationToken::new();
            let held = pool.get().unwrap();
            let (first, second) = (cancellable(&pool, &token), cancellable(&pool, &token));
            token.cancel();
            let outcomes = (first.join().unwrap(), second.join().unwrap());
            drop(held);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn the_connect_of_a_cancelled_caller_serves_the_next() {
    let expected = [("cancelled", "ok"), ("ok", "ok")];
    explore(
        "connect on a helper against cancel, another comes",
        Preemptions(3),
        expected,
        || {
            let database = Database::default().on_helper(Call::Connect);
            let (database, pool) = database.pool(settings(1));
            let token = CancellationToken::new();
            let cancelled = cancellable(&pool, &token);
            let cancels = canceller(&token);
            let second = outcome(&pool.get());
            let outcomes = (cancelled.join().unwrap(), second);
            cancels.join().unwrap();
            assert!(database.connects() <= 2);
            assert_whole(&database, pool);
            outcomes
        },
    );
}

#[test]
fn a_caller_who_is_told_to_look_and_is_cancelled_does_not_wait_on() {
    explore_in(
        Order::Barging,
        "give, come again and cancel, one waits",
        Preemptions(4),
        ["cancelled", "ok"],
        || {
            let (database, pool) = Database::default().pool(settings(1));
            let token = CancellationToken::new();
            let held = pool.get().unwrap();
            let caller = cancellable(&pool, &token);
            until(&pool, |status| status.waiting_requests > 0);
            drop(held);
            let again = pool.get().unwrap();
            token.cancel();
            let outcome = caller.join().unwrap();
            drop(again);
            assert_whole(&database, pool);
            outcome
        },
    );
}
