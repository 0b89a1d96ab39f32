//! How far a replica is behind, and when that is too far.

use queuepool::{ErrorClass, ErrorKind};

use super::*;

#[test]
fn an_idle_primary_makes_no_lag() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    log_is_at(&fleet.primary, 7);
    log_is_at(&fleet.replicas[0], 7);
    for _ in 0..3 {
        fleet.clock.advance(secs(3600));
        apart.check();
        assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(0)));
    }
}

#[test]
fn the_lag_is_the_age_of_the_newest_note_that_was_replayed() {
    let fleet = Fleet::new(1);
    let apart = fleet.described().max_lag(secs(20)).build().unwrap();
    for second in 0..10 {
        log_is_at(&fleet.primary, 100 + second);
        log_is_at(&fleet.replicas[0], 100);
        apart.check();
        assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(second)));
        fleet.clock.advance(secs(1));
    }
    log_is_at(&fleet.replicas[0], 105);
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(5)));
    assert_used(&apart, 0);
}

#[test]
fn a_replica_beyond_max_lag_is_passed_over_and_fit_again_once_it_has_caught_up() {
    let fleet = Fleet::new(2);
    let apart = fleet.described().max_lag(secs(4)).build().unwrap();
    log_is_at(&fleet.primary, 1);
    log_is_at(&fleet.replicas[0], 1);
    log_is_at(&fleet.replicas[1], 1);
    apart.check();
    log_is_at(&fleet.primary, 2);
    log_is_at(&fleet.replicas[1], 2);
    fleet.clock.advance(secs(5));
    apart.check();
    let why = why_passed_over(&apart, 0);
    assert!(why.contains("5.0s behind, and max_lag is 4s"), "{why}");
    for _ in 0..4 {
        drop(apart.read().unwrap());
    }
    assert_eq!(checkouts(&apart), [0, 0, 4]);
    log_is_at(&fleet.replicas[0], 2);
    apart.check();
    assert_used(&apart, 0);
}

#[test]
fn what_has_happened_since_the_last_check_counts_as_lag() {
    let fleet = Fleet::new(1);
    let apart = fleet.described().max_lag(secs(4)).build().unwrap();
    log_is_at(&fleet.primary, 1);
    log_is_at(&fleet.replicas[0], 1);
    apart.check();
    fleet.clock.advance(secs(4));
    assert_used(&apart, 0);
    fleet.clock.advance(millis(1));
    why_passed_over(&apart, 0);
}

#[test]
fn an_unknown_lag_is_too_much_where_max_lag_is_set_and_nothing_elsewhere() {
    let fleet = Fleet::new(1);
    let limited = fleet.described().max_lag(secs(4)).build().unwrap();
    let why = why_passed_over(&limited, 0);
    assert!(why.contains("it has not been asked yet"), "{why}");
    for apart in [&limited, &fleet.apart()] {
        apart.check();
        assert_eq!(apart.status().replicas[0].replica_lag, None);
        drop(apart.read().unwrap());
    }
    assert_eq!(checkouts(&limited), [1, 0]);

    // The server answers, but refuses this question.
    let closed = fleet.replicas[0].closes();
    fleet.replicas[0].on_question(|_| Act::Fail(ErrorClass::Statement));
    limited.check();
    let why = why_passed_over(&limited, 0);
    assert!(
        why.contains("its lag is unknown") && why.contains("scripted Statement"),
        "{why}"
    );
    assert_eq!(fleet.replicas[0].closes(), closed, "the connection is good");
    let any_lag = fleet.apart();
    any_lag.check();
    assert_used(&any_lag, 0);
}

#[test]
fn a_lag_that_the_server_tells_goes_before_that_of_the_positions() {
    let fleet = Fleet::new(1);
    let apart = fleet.described().max_lag(secs(10)).build().unwrap();
    log_is_at(&fleet.primary, 1);
    let tells =
        |lag| *fleet.replicas[0].replication.lock() = Replication::at([("", 1)]).with_lag(lag);
    tells(Some(secs(3)));
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(3)));
    assert_used(&apart, 0);
    tells(Some(secs(11)));
    apart.check();
    why_passed_over(&apart, 0);
    tells(None);
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, None);
    assert!(why_passed_over(&apart, 0).contains("its lag is unknown"));
}

#[test]
fn while_the_primary_is_silent_a_replica_that_has_all_that_is_known_is_fit() {
    let fleet = Fleet::new(2);
    let apart = fleet.described().max_lag(secs(4)).build().unwrap();
    log_is_at(&fleet.primary, 2);
    log_is_at(&fleet.replicas[0], 2);
    log_is_at(&fleet.replicas[1], 1);
    apart.check();
    fleet.primary.restart();
    fleet
        .primary
        .on_connect(|_| Act::Fail(ErrorClass::Transient));
    fleet.clock.advance(secs(3600));
    apart.check();
    assert_used(&apart, 0);
    why_passed_over(&apart, 1);
    drop(apart.read().unwrap());
}

#[test]
fn positions_of_a_primary_that_was_replaced_are_forgotten() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    log_is_at(&fleet.primary, 100);
    log_is_at(&fleet.replicas[0], 90);
    apart.check();
    fleet.clock.advance(secs(1));
    log_is_at(&fleet.primary, 90);
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(0)));
}

#[test]
fn a_replica_that_is_further_behind_than_the_notes_reach_back_has_a_lag_that_grows() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    log_is_at(&fleet.replicas[0], 1);
    for second in 0..1500 {
        log_is_at(&fleet.primary, 1 + second);
        apart.check();
        fleet.clock.advance(secs(1));
    }
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, Some(secs(1500)));
    // Set up anew from an old backup: nothing is known of it.
    log_is_at(&fleet.replicas[0], 0);
    apart.check();
    assert_eq!(apart.status().replicas[0].replica_lag, None);
}

#[test]
fn what_cannot_be_kept_is_a_settings_error() {
    let refused = |described: Builder<ScriptedPool>| {
        let error = described.build().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        error.to_string()
    };
    let fleet = Fleet::new(1);
    let text = refused(fleet.described().check_interval(millis(9)));
    assert!(text.starts_with("invalid check_interval"), "{text}");
    let text = refused(fleet.described().check_interval(secs(3)).max_lag(secs(5)));
    assert!(
        text.starts_with("invalid max_lag") && text.contains("6s"),
        "{text}"
    );
    let text = refused(fleet.described().max_lag(secs(0)));
    assert!(text.starts_with("invalid max_lag"), "{text}");
    let fits = fleet.described().check_interval(secs(3)).max_lag(secs(6));
    fits.build().unwrap();
    fleet.described().max_lag(millis(40)).build().unwrap();
}
