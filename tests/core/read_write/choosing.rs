//! Which server a read goes to.

use std::sync::Arc;
use std::thread;

use queuepool::{ErrorClass, ErrorKind, Settings};

use super::*;

#[test]
fn writes_go_to_the_primary_and_reads_to_the_replicas_in_turns() {
    let fleet = Fleet::new(3);
    let apart = fleet.apart();
    for _ in 0..6 {
        drop(apart.write().unwrap());
        drop(apart.read().unwrap());
    }
    assert_eq!(checkouts(&apart), [6, 2, 2, 2]);
}

#[test]
fn without_replicas_reads_go_to_the_primary() {
    let apart = Fleet::new(0).described().read_from_primary(false);
    let apart = apart.build().unwrap();
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [1]);
}

#[test]
fn a_replica_that_fails_costs_one_caller_one_try_and_is_tried_again_by_its_check_alone() {
    let fleet = Fleet::new(2);
    let apart = fleet.apart();
    fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
    for _ in 0..20 {
        drop(apart.read().unwrap());
    }
    assert_eq!(fleet.replicas[0].connects(), 1);
    assert_eq!(checkouts(&apart), [0, 0, 20]);
    assert!(why_passed_over(&apart, 0).contains("scripted Transient"));

    apart.check();
    assert_eq!(fleet.replicas[0].connects(), 2, "by the check");
    drop(apart.read().unwrap());
    assert_eq!(fleet.replicas[0].connects(), 2);

    fleet.replicas[0].on_connect(|_| Act::Succeed);
    for _ in 0..20 {
        drop(apart.read().unwrap());
    }
    assert_eq!(fleet.replicas[0].connects(), 2, "no caller tries it");
    apart.check();
    assert_used(&apart, 0);
    for _ in 0..20 {
        drop(apart.read().unwrap());
    }
    assert_eq!(checkouts(&apart)[1], 10);
}

#[test]
fn a_mute_replica_is_given_250_ms_by_the_first_caller_and_nothing_by_the_others() {
    let fleet = Fleet::new(1);
    let (gate, wait) = gated(|_| true);
    fleet.replicas[0].local.store(false, SEQ);
    fleet.replicas[0].on_connect(wait);
    let apart = fleet.apart();
    for _ in 0..20 {
        drop(apart.read().unwrap());
    }
    let why = why_passed_over(&apart, 0);
    assert!(why.contains("0.25") || why.contains("250ms"), "{why}");
    assert_eq!(fleet.replicas[0].connects(), 1);
    assert_eq!(checkouts(&apart), [20, 0]);
    gate.open();
}

#[test]
fn a_check_that_began_before_a_failure_does_not_undo_it() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    let (gate, wait) = gated(|n| n == 0);
    fleet.replicas[0].on_question(wait);
    thread::scope(|scope| {
        let check = scope.spawn(|| apart.check());
        eventually("the check is under way", || gate.waiting() == 1);
        fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
        drop(apart.read().unwrap());
        gate.open();
        check.join().unwrap();
    });
    why_passed_over(&apart, 0);
    apart.check();
    assert_used(&apart, 0);
}

#[test]
fn a_replica_that_is_used_up_is_waited_for_and_the_primary_is_spared() {
    let fleet = Fleet::new(1);
    let settings = || Settings::default().pool_size(1).max_overflow(0);
    let apart = Arc::new(fleet.described_with(settings).build().unwrap());
    let held = apart.read().unwrap();
    let reader = thread::spawn({
        let apart = apart.clone();
        move || drop(apart.read().unwrap())
    });
    let timeouts = |apart: &Apart| apart.status().replicas[0].connection_timeouts;
    eventually("the reader has looked again", || timeouts(&apart) >= 1);
    assert_used(&apart, 0);
    drop(held);
    reader.join().unwrap();
    assert_eq!(checkouts(&apart), [0, 2]);
}

#[test]
fn a_replica_that_fails_while_callers_wait_for_it_is_left() {
    let fleet = Fleet::new(1);
    let settings = || {
        let settings = Settings::default().pool_size(1).max_overflow(0);
        settings.health_check_timeout(millis(10))
    };
    let apart = Arc::new(fleet.described_with(settings).build().unwrap());
    let _held = apart.read().unwrap();
    let reader = thread::spawn({
        let apart = apart.clone();
        move || drop(apart.read().unwrap())
    });
    let timeouts = |apart: &Apart| apart.status().replicas[0].connection_timeouts;
    eventually("the reader waits", || timeouts(&apart) >= 1);
    // The check finds no free connection within its limit either.
    apart.check();
    reader.join().unwrap();
    assert_eq!(checkouts(&apart), [1, 1]);
}

#[test]
fn all_of_it_ends_at_the_timeout_of_the_primary() {
    let fleet = Fleet::new(1);
    let settings = || {
        let settings = Settings::default().pool_size(1).max_overflow(0);
        settings.timeout(millis(300))
    };
    let apart = fleet.described_with(settings).build().unwrap();
    let _held = apart.read().unwrap();
    let error = apart.read().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(checkouts(&apart), [0, 1]);
}

#[test]
fn without_a_fit_replica_and_without_the_primary_the_error_says_why() {
    let fleet = Fleet::new(2);
    let apart = fleet.described().read_from_primary(false);
    let apart = apart.build().unwrap();
    fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
    apart.replicas()[1].close(secs(1)).unwrap();
    let error = apart.read().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let text = error.to_string();
    assert!(text.contains("replica 1: it failed: "), "{text}");
    assert!(
        text.contains("replica 2: it failed: the pool db_pool is closed"),
        "{text}"
    );
    assert_eq!(checkouts(&apart), [0, 0, 0]);
}

#[test]
fn a_checkout_hook_that_refuses_is_the_callers_error() {
    let fleet = Fleet::new(0);
    let replica = Server::new();
    replica.local.store(true, SEQ);
    let refusing = replica.builder(Settings::default());
    let refusing = refusing.on_checkout(|_, _| Err("not today".into()));
    let apart = fleet.described().replica(refusing.build().unwrap());
    let apart = apart.build().unwrap();
    let error = apart.read().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hook);
    assert_used(&apart, 0);
}
