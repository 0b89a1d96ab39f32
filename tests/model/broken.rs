//! The models notice when the core is broken: each fault is tried in a process of its own, which must fail for the right
//! reason.

use std::process::Command;

use queuepool::model::Fault;

use crate::explore::FAULT;

/// Expects that the model fails with this fault, for this reason.
fn expect_caught(fault: Fault, model: &str, reason: &str) {
    let broken = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", model, "--nocapture"])
        .env(FAULT, format!("{fault:?}"))
        .output()
        .unwrap();
    let said = [broken.stdout, broken.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(said[0].contains("running 1 test"), "no such model: {model}");
    assert!(
        !broken.status.success() && said[1].contains(reason),
        "{fault:?} passed {model}, or failed it for another reason: {said:?}"
    );
}

#[test]
fn a_time_out_that_ignores_what_was_handed_over_at_the_last_moment_is_caught() {
    expect_caught(
        Fault::IgnoresLastMoment,
        "hand_off::a_caller_whose_deadline_passes_while_another_gives_is_served_or_gone",
        "a connection is lost",
    );
}

#[test]
fn a_time_out_that_looks_and_leaves_in_two_holds_of_the_lock_is_caught() {
    expect_caught(
        Fault::LeavesInTwoHolds,
        "hand_off::a_caller_whose_deadline_passes_while_another_gives_is_served_or_gone",
        "a connection is lost",
    );
}

#[test]
fn a_connection_given_without_waking_is_caught() {
    expect_caught(
        Fault::GivesWithoutWaking,
        "hand_off::one_connection_goes_round_all_callers",
        "deadlock",
    );
}

#[test]
fn a_connection_that_becomes_idle_beside_those_who_wait_without_a_word_is_caught() {
    expect_caught(
        Fault::ParksWithoutNudging,
        "hand_off::one_connection_goes_round_all_callers",
        "deadlock",
    );
}

#[test]
fn a_caller_who_leaves_and_does_not_pass_on_what_it_was_told_is_caught() {
    expect_caught(
        Fault::LeavesWithoutPassingOn,
        "hand_off::two_given_back_serve_two_who_keep_them",
        "deadlock",
    );
}

#[test]
fn a_caller_who_looks_and_joins_in_two_holds_of_the_lock_is_caught() {
    expect_caught(
        Fault::JoinsInTwoHolds,
        "hand_off::one_connection_goes_round_all_callers",
        "deadlock",
    );
}

#[test]
fn a_caller_who_joins_and_leaves_the_bays_open_is_caught() {
    expect_caught(
        Fault::JoinsWithoutGathering,
        "hand_off::one_who_comes_again_and_again_leaves_the_connection_to_one_who_waits",
        "deadlock",
    );
}

#[test]
fn a_connection_that_is_parked_in_a_bay_that_is_closed_is_caught() {
    expect_caught(
        Fault::ParksInClosedBay,
        "hand_off::one_who_comes_again_and_again_leaves_the_connection_to_one_who_waits",
        "deadlock",
    );
}

#[test]
fn a_cancelled_wait_that_ignores_what_was_handed_over_at_the_last_moment_is_caught() {
    expect_caught(
        Fault::CancelIgnoresLastMoment,
        "cancel::a_caller_who_is_cancelled_while_another_gives_is_served_or_gone",
        "a connection is lost",
    );
}

#[test]
fn a_token_that_is_not_looked_at_after_another_signal_is_caught() {
    expect_caught(
        Fault::CancelIsForgotten,
        "cancel::a_caller_who_is_told_to_look_and_is_cancelled_does_not_wait_on",
        "deadlock",
    );
}
