use std::time::Duration;

use super::{CALM, Follow, Login, Noted, Roles};
use crate::base::sync::Instant;
use crate::settings::Role;

/// Roles, and a clock that starts at 0.
struct Trial {
    roles: Roles,
    start: Instant,
}

impl Trial {
    fn new(wanted: Role) -> Self {
        Trial {
            roles: Roles::new(wanted),
            start: Instant::now(),
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn login(&mut self, read_only: bool, generation: u64, seconds: f64) -> Noted {
        let now = self.at(seconds);
        self.roles.logged_in(read_only, generation, true, now)
    }

    fn confirmed(&mut self, generation: u64, seconds: f64) -> Follow {
        let now = self.at(seconds);
        self.roles.confirmed(generation, now).0
    }

    /// Connections whose logins said this, one after the other.
    fn logins<const N: usize>(&mut self, read_only: [bool; N], generation: u64) -> [Login; N] {
        read_only.map(|one| self.login(one, generation, 0.0).login.unwrap())
    }
}

#[test]
fn a_switch_over_replaces_once_and_ends_with_a_login_that_accepts_writes() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false; 10], 0);
    let now = trial.at(1.0);
    let (follow, words) = trial.roles.confirmed(0, now);
    assert_eq!(follow, Follow::Replace);
    assert!(words.unwrap().starts_with("The server is read-only"));
    // Those that were used meanwhile are closed, and replace nothing.
    let (follow, words) = trial.roles.confirmed(0, now);
    assert_eq!((follow, words), (Follow::Close, None));
    assert!(trial.roles.unsuited().is_some());
    let noted = trial.login(false, 1, 3.5);
    let words = noted.words.unwrap();
    assert!(words.contains("after 2.5 s"), "{words}");
    assert!(words.ends_with(": 1"), "{words}");
    assert!(!noted.replace);
    assert!(trial.roles.unsuited().is_none());
}

#[test]
fn two_replacements_in_vain_are_followed_by_none_for_a_minute_and_by_single_ones() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false; 3], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Replace);
    let _again = trial.logins([true; 3], 1);
    assert_eq!(
        trial.confirmed(1, 0.9),
        Follow::Keep,
        "at most once a second"
    );
    assert!(!trial.roles.unsuited().unwrap().in_vain);
    assert_eq!(trial.confirmed(1, 1.0), Follow::Replace);
    assert!(trial.roles.unsuited().unwrap().in_vain);
    let _still = trial.logins([true; 3], 2);
    let mut closed = Vec::new();
    for tenth in 11..610 {
        let seconds = f64::from(tenth) / 10.0;
        match trial.confirmed(2, seconds) {
            Follow::Keep => {}
            Follow::Close => closed.push(seconds),
            Follow::Replace => panic!("at {seconds}"),
        }
    }
    let each_second: Vec<f64> = (2..=60).map(f64::from).collect();
    assert_eq!(closed, each_second);
    assert_eq!(trial.confirmed(2, 61.0), Follow::Replace);
    let _even_then = trial.logins([true; 3], 3);
    assert_eq!(trial.confirmed(3, 61.5), Follow::Keep);
    // After a minute they grow rarer.
    for (seconds, follow) in [
        (62.0, Follow::Close),
        (63.9, Follow::Keep),
        (64.0, Follow::Close),
        (67.9, Follow::Keep),
        (68.0, Follow::Close),
        (120.9, Follow::Close),
        (121.0, Follow::Replace),
    ] {
        assert_eq!(trial.confirmed(3, seconds), follow, "{seconds}");
    }
}

#[test]
fn the_end_replaces_those_that_were_opened_on_read_only_servers() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false; 3], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Replace);
    let left_behind = trial.logins([true; 3], 1);
    let noted = trial.login(false, 1, 5.0);
    assert!(noted.replace && noted.words.is_some());
    // It is the first of the next generation.
    assert_eq!(trial.roles.generation, 2);
    drop(left_behind);
    assert_eq!(trial.confirmed(1, 5.0), Follow::Close);
    assert!(!trial.login(false, 2, 5.1).replace);
}

#[test]
fn a_server_that_comes_and_goes_is_followed_ever_more_slowly() {
    let mut trial = Trial::new(Role::Any);
    let mut held = Vec::from(trial.logins([false], 0));
    let mut replaced = Vec::new();
    for tenth in 0..3000 {
        let seconds = f64::from(tenth) / 10.0;
        let generation = trial.roles.generation;
        if trial.confirmed(generation, seconds) == Follow::Replace {
            replaced.push(seconds);
            held.clear();
            held.extend(trial.login(false, generation + 1, seconds).login);
        }
    }
    let pauses: Vec<f64> = replaced.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..6], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
    assert_eq!(pauses[6], 60.0);
}

#[test]
fn where_logins_lead_to_both_kinds_only_single_ones_are_closed_and_one_a_second() {
    let mut trial = Trial::new(Role::Any);
    let held = trial.logins([false, true, false, true], 0);
    let mut closed = 0;
    for tenth in 0..100 {
        match trial.confirmed(0, f64::from(tenth) / 10.0) {
            Follow::Keep => {}
            Follow::Close => closed += 1,
            Follow::Replace => panic!("after {tenth} tenths of a second"),
        }
    }
    assert_eq!(closed, 10);
    assert!(trial.roles.unsuited().is_none());
    drop(held);
    let _only_these = trial.logins([true], 0);
    assert_eq!(
        trial.confirmed(0, 20.0),
        Follow::Replace,
        "they all have gone"
    );
}

#[test]
fn a_read_only_login_after_the_others_is_a_switch_over_and_not_a_second_kind() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false, false, true], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Replace);
}

#[test]
fn a_pool_that_has_never_been_where_writes_are_accepted_closes_single_ones() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([true; 3], 0);
    assert!(!trial.roles.would_follow(0, trial.at(0.0)));
    assert_eq!(trial.confirmed(0, 0.0), Follow::Close);
    assert_eq!(trial.confirmed(0, 0.9), Follow::Keep);
    assert_eq!(trial.confirmed(0, 1.0), Follow::Close);
    assert!(trial.roles.unsuited().is_none());
}

#[test]
fn a_server_that_was_lost_and_comes_back_read_only_is_followed_without_an_error() {
    let mut trial = Trial::new(Role::Any);
    let _held_until_now = trial.logins([false; 2], 0);
    // The loss has raised the generation.
    let _again = trial.logins([true; 2], 1);
    assert!(trial.roles.would_follow(1, trial.at(0.0)));
    assert_eq!(trial.confirmed(1, 0.0), Follow::Replace);
    assert!(!trial.roles.would_follow(2, trial.at(0.5)));
}

#[test]
fn the_primary_is_followed_at_once_and_a_replica_never() {
    let mut trial = Trial::new(Role::Primary);
    let _open = trial.logins([false; 3], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Replace);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Close);
    let _again = trial.logins([false; 3], 1);
    assert_eq!(trial.confirmed(1, 0.1), Follow::Replace);
    let mut trial = Trial::new(Role::Replica);
    let _open = trial.logins([true; 3], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Keep);
    let now = trial.at(0.0);
    assert_eq!(trial.roles.suspected(0, true, now), Follow::Keep);
}

#[test]
fn what_cannot_be_asked_is_closed_and_where_it_is_no_news_one_a_second() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false; 3], 0);
    let now = trial.at(0.0);
    assert_eq!(trial.roles.suspected(0, true, now), Follow::Close);
    assert_eq!(trial.roles.suspected(0, true, now), Follow::Close);
    assert_eq!(trial.roles.suspected(0, false, now), Follow::Close);
    assert_eq!(trial.roles.suspected(0, false, now), Follow::Keep);
    assert!(trial.roles.unsuited().is_none());
}

#[test]
fn a_session_that_accepts_writes_again_ends_it_and_counts_as_such() {
    let mut trial = Trial::new(Role::Any);
    let _open = trial.logins([false; 3], 0);
    assert_eq!(trial.confirmed(0, 0.0), Follow::Replace);
    let read_only = trial.logins([true; 3], 1);
    let now = trial.at(2.0);
    let (login, words) = trial.roles.accepts_again(1, now);
    assert!(login.is_some() && words.is_some());
    assert!(trial.roles.unsuited().is_none());
    drop(read_only);
    // The server is fenced again.
    assert_eq!(trial.confirmed(1, CALM.as_secs_f64()), Follow::Replace);
}
