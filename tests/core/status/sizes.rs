//! Which size is advised: from what was used and who went without, and within what the server takes.

use std::sync::atomic::Ordering::SeqCst;

use queuepool::{Clock, ErrorClass, ErrorKind, Mode, Pool, Retry, ServerLimit, Settings, Status};

use support::scripted::*;

const HEALTHY: [&str; 1] = ["Pool is healthy. No action needed."];

pub fn sized(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .retry(Retry::default().max_attempts(1))
}

/// The pool of a server that has reported its limit, if it has one. Its calls are local, so that thousands of connections are
/// opened in no time.
pub fn pool_within(
    limit: Option<ServerLimit>,
    settings: Settings,
) -> (Pool<ScriptedManager>, Clock) {
    let server = Server::new();
    server.local.store(true, SeqCst);
    *server.limit.lock() = limit;
    let (pool, clock) = server.pool_with_clock(settings);
    // It is asked on an idle connection, of which null mode with local calls has none.
    if limit.is_some() && pool.status().pool_type == "QueuePool" {
        eventually("the limit is known", || {
            pool.health_check().unwrap();
            pool.status().server_limit.is_some()
        });
    }
    (pool, clock)
}

fn limited(max_connections: u64, settings: Settings) -> Pool<ScriptedManager> {
    pool_within(Some(ServerLimit::new(max_connections, 3)), settings).0
}

fn local(settings: Settings) -> (Pool<ScriptedManager>, Clock) {
    pool_within(None, settings)
}

fn checkouts(pool: &Pool<ScriptedManager>, times: usize) {
    for _ in 0..times {
        drop(pool.get().unwrap());
    }
}

fn at_once(pool: &Pool<ScriptedManager>, most: usize) {
    let held: Vec<_> = (0..most).map(|_| pool.get().unwrap()).collect();
    drop(held);
}

/// An hour and five minutes with a sample a minute.
fn an_hour(pool: &Pool<ScriptedManager>, clock: &Clock, checkouts_a_minute: usize) {
    for _ in 0..65 {
        checkouts(pool, checkouts_a_minute);
        clock.advance(secs(60));
        pool.sample();
    }
}

#[track_caller]
fn assert_only(status: &Status, wanted: &[&str]) {
    assert_eq!(status.recommendations, wanted, "{status}");
}

#[test]
fn pool_size_is_raised_to_what_the_server_takes_and_no_further() {
    let pool = limited(100, sized(90, 5));
    let mut held: Vec<_> = (0..80).map(|_| pool.get().unwrap()).collect();
    assert_only(
        &pool.status(),
        &[
            "Raise pool_size from 90 to 97, and lower max_overflow from 5 to 0, if this is the usual load: \
             80 connections are in use, 89 % of pool_size.",
        ],
    );
    held.clear();
    let pool = limited(100, sized(97, 0));
    held.extend((0..80).map(|_| pool.get().unwrap()));
    assert_only(
        &pool.status(),
        &[
            "Hold connections for a shorter time if this is the usual load: 80 connections are in use, 82 % of \
             pool_size, and the server takes no more than 97.",
        ],
    );
}

#[test]
fn a_pool_beyond_the_servers_limit_is_told_to_shrink_and_nothing_that_contradicts_it() {
    let pool = limited(100, sized(60, 60));
    let mut held: Vec<_> = (0..50).map(|_| pool.get().unwrap()).collect();
    let lower = "Lower pool_size + max_overflow from 120 to 97 or less: the server takes 100 connections and reserves 3. \
                 Of 2 instances each may have 48, of 3 32.";
    assert_only(&pool.status(), &[lower]);
    held.extend((50..120).map(|_| pool.get().unwrap()));
    let advice = pool.status().recommendations;
    assert_eq!(advice.len(), 2, "{advice:#?}");
    assert!(
        advice[0]
            .starts_with("Hold connections for a shorter time: 120 of 120 connections are out"),
        "{advice:#?}"
    );
    assert_eq!(advice[1], lower);
}

#[test]
fn a_server_that_reserves_all_it_has_is_what_to_look_at() {
    let pool = limited(3, sized(2, 2));
    assert_only(
        &pool.status(),
        &[
            "The server takes 3 connections and reserves 3: raise its limit, this pool can have none.",
        ],
    );
}

#[test]
fn no_pool_is_raised_beyond_what_settings_accept() {
    let (pool, _) = local(sized(10_000, 0).warning_utilization(1.0));
    let _held: Vec<_> = (0..150).map(|_| pool.get().unwrap()).collect();
    assert_only(
        &pool.status(),
        &[
            "Hold connections for a shorter time if this is the usual load: 150 connections are in use, 2 % of \
             pool_size, and a pool has no more than 10000.",
        ],
    );
    let (pool, _) = local(sized(9_990, 10).warning_utilization(1.0).mode(Mode::Null));
    let _held: Vec<_> = (0..150).map(|_| pool.get().unwrap()).collect();
    assert_only(
        &pool.status(),
        &[
            "Hold connections for a shorter time if this is the usual load: 150 of 10000 connections are in use, and a \
             pool has no more than 10000.",
        ],
    );
}

/// Every caller waits for its own connect, until its deadline.
fn outage(server: &Server, pool: &Pool<ScriptedManager>, callers: usize) {
    pool.invalidate_all();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| pool.get().unwrap_err());
        }
    });
    server.on_connect(|_| Act::Succeed);
    // Longer than the pause between two attempts in trouble.
    drop(pool.get_timeout(secs(10)).unwrap());
}

fn retries() -> Settings {
    sized(10, 20)
        .timeout(millis(100))
        .retry(Retry::default().max_attempts(50).initial_delay(millis(20)))
}

#[test]
fn time_outs_of_an_outage_are_not_for_want_of_connections() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(retries());
    drop(pool.get().unwrap());
    pool.sample();
    outage(&server, &pool, 40);
    for _ in 0..2 {
        clock.advance(secs(5));
        pool.sample();
    }
    let status = pool.status();
    assert_eq!(
        (status.connection_timeouts, status.peak_checked_out),
        (40, 1)
    );
    assert_eq!(status.recent.unwrap().connection_timeouts, 40);
    assert_only(&status, &HEALTHY);
}

#[test]
fn places_that_connects_take_are_not_connections_in_use() {
    let server = Server::new();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    let (pool, clock) = server.pool_with_clock(sized(4, 0));
    pool.sample();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(pool.get().unwrap()));
        }
        eventually("every place is taken", || gate.waiting() == 4);
        let kind = pool.get_timeout(millis(5)).map(drop).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Timeout);
        gate.open();
    });
    for _ in 0..2 {
        clock.advance(secs(5));
        pool.sample();
    }
    assert_eq!(pool.status().recent.unwrap().connection_timeouts, 1);
    assert_only(&pool.status(), &HEALTHY);
}

#[test]
fn callers_of_an_outage_are_not_in_the_value_that_others_time_outs_ask_for() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(retries().pool_size(2).max_overflow(2));
    pool.sample();
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let kind = pool.get_timeout(millis(5)).map(drop).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Timeout);
    drop(held);
    clock.advance(secs(5));
    pool.sample();
    outage(&server, &pool, 40);
    clock.advance(secs(5));
    pool.sample();
    assert_eq!(
        pool.status().recommendations[0],
        "Raise max_overflow from 2 to 4, or hold connections for a shorter time: 1 checkout timed out in the last 10 s, \
         at most 4 connections were out and 1 caller waited."
    );
}

#[test]
fn an_overflow_that_is_never_used_is_lowered() {
    let (pool, clock) = local(sized(10, 500));
    at_once(&pool, 12);
    checkouts(&pool, 1000);
    clock.advance(secs(3599));
    assert_only(&pool.status(), &HEALTHY);
    clock.advance(secs(1));
    assert_only(
        &pool.status(),
        &[
            "Lower max_overflow from 500 to 20: no more than 2 connections beyond pool_size were open at once in the 1 h \
             since the pool was built.",
        ],
    );
}

#[test]
fn a_burst_of_three_times_the_usual_load_may_have_its_room() {
    for (size, overflow, most) in [(10, 20, 8), (5, 10, 4), (50, 100, 30), (10, 500, 260)] {
        let (pool, clock) = local(sized(size, overflow));
        at_once(&pool, most);
        checkouts(&pool, 1000);
        clock.advance(secs(3601));
        assert_only(&pool.status(), &HEALTHY);
    }
}

#[test]
fn both_are_lowered_where_both_are_too_large() {
    let (pool, clock) = local(sized(50, 100));
    at_once(&pool, 3);
    checkouts(&pool, 1000);
    clock.advance(secs(3600));
    let advice = pool.status().recommendations;
    assert_eq!(advice.len(), 2, "{advice:#?}");
    assert!(
        advice[0].starts_with("Lower pool_size from 50 to 5: "),
        "{advice:#?}"
    );
    assert!(
        advice[1].starts_with("Lower max_overflow from 100 to 20: "),
        "{advice:#?}"
    );
}

#[test]
fn a_burst_is_forgotten_after_an_hour_where_there_is_a_history() {
    let (pool, clock) = local(sized(50, 200));
    pool.sample();
    at_once(&pool, 200);
    an_hour(&pool, &clock, 20);
    at_once(&pool, 3);
    clock.advance(secs(60));
    pool.sample();
    assert_only(
        &pool.status(),
        &[
            "Lower pool_size from 50 to 5: no more than 3 connections were in use at once in the last hour (200 since the \
             pool was built).",
            "Lower max_overflow from 200 to 20: no more than 0 connections beyond pool_size were open at once in the last \
             hour (150 since the pool was built).",
        ],
    );
    at_once(&pool, 200);
    assert_only(&pool.status(), &HEALTHY);
}

#[test]
fn a_quiet_hour_says_nothing() {
    let (pool, clock) = local(sized(50, 0));
    pool.sample();
    at_once(&pool, 40);
    checkouts(&pool, 1000);
    an_hour(&pool, &clock, 1);
    assert_only(&pool.status(), &HEALTHY);
}

#[test]
fn a_smaller_pool_is_not_told_to_grow_again_at_the_same_load() {
    let busy = sized(100, 0).warning_utilization(20.0);
    let (pool, clock) = local(busy);
    at_once(&pool, 10);
    checkouts(&pool, 1000);
    clock.advance(secs(3600));
    let advice = pool.status().recommendations;
    assert!(
        advice[0].starts_with("Lower pool_size from 100 to 51: "),
        "{advice:#?}"
    );
}

#[test]
fn advice_never_goes_above_the_share_of_one_of_many_instances() {
    // 97 places for 12 instances are 8 for each, as this pool has.
    let settings = Settings::default().instances(12);
    let pool = limited(100, settings.clone().pool_size(8).max_overflow(0));
    let _all: Vec<_> = (0..8).map(|_| pool.get().unwrap()).collect();
    let advice = pool.status().recommendations;
    assert!(
        advice[0].starts_with("Hold connections for a shorter time: 8 of 8 connections are out")
            && advice[0].ends_with("and the server takes no more than 8 for each of 12 instances."),
        "{advice:?}"
    );
    let too_large = limited(100, settings.pool_size(10).max_overflow(20));
    assert_eq!(
        too_large.status().recommendations,
        [
            "Lower pool_size + max_overflow from 30 to 8 or less: the server takes 100 connections and reserves 3, which 12 \
          instances share."
        ]
    );
}

#[test]
fn the_report_counts_the_instances_in_good_english() {
    let lines = |max_connections, settings| {
        let text = limited(max_connections, settings).status().to_string();
        let words: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("Server Limit: "))
            .take_while(|line| line.starts_with("Server") || line.starts_with("  "))
            .flat_map(str::split_whitespace)
            .collect();
        words.join(" ")
    };
    assert_eq!(
        lines(100, sized(20, 30)),
        "Server Limit: 100 connections, 3 reserved; 1 pool of this capacity fits, and 47 connections remain"
    );
    assert_eq!(
        lines(100, sized(20, 28)),
        "Server Limit: 100 connections, 3 reserved; 2 pools of this capacity fit, and 1 connection remains"
    );
    assert_eq!(
        lines(23, sized(10, 20)),
        "Server Limit: 23 connections, 3 reserved; no pool of this capacity fits"
    );
}

#[test]
fn while_the_database_is_unreachable_nothing_is_said_about_sizes() {
    let tight = |places: u64| Some(ServerLimit::new(places + 3, 3));
    let states = [
        ("Raise pool_size from 4 to ", sized(4, 4), 4, None),
        ("Raise max_overflow from 6 to ", sized(5, 6), 10, None),
        (
            "Hold connections for a shorter time",
            sized(5, 6),
            10,
            tight(11),
        ),
        (
            "Lower pool_size + max_overflow from 8 ",
            sized(4, 4),
            1,
            tight(4),
        ),
    ];
    for (wanted, settings, held, limit) in states {
        let server = Server::new();
        server.local.store(true, SeqCst);
        *server.limit.lock() = limit;
        let (pool, _) = server.pool_with_clock(settings);
        eventually("the limit is known", || {
            pool.health_check().unwrap();
            pool.status().server_limit == limit
        });
        let _held: Vec<_> = (0..held).map(|_| pool.get().unwrap()).collect();
        let before = pool.status();
        let is_wanted = |line: &String| line.starts_with(wanted);
        assert!(before.recommendations.iter().any(is_wanted), "{before}");

        pool.invalidate_all();
        server.on_connect(|_| Act::Fail(ErrorClass::Lost));
        pool.get().map(drop).unwrap_err();
        let down = pool.status();
        assert_eq!(down.checked_out, before.checked_out);
        assert!(down.database_error.is_some(), "{down}");
        for line in &down.recommendations {
            let sizes = ["pool_size", "max_overflow", "shorter time"];
            assert!(!sizes.iter().any(|size| line.contains(size)), "{line}");
        }
    }
}

#[test]
fn a_health_check_that_fails_is_enough_to_say_nothing_about_sizes() {
    let server = Server::new();
    let (pool, _) = server.pool_with_clock(sized(4, 4));
    let _held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    assert!(pool.status().recommendations[0].starts_with("Raise pool_size from 4 to "));
    server.on_connect(|_| Act::Fail(ErrorClass::Lost));
    assert!(!pool.health_check().unwrap().reachable);
    let status = pool.status();
    assert_eq!(status.recommendations.len(), 1, "{status}");
    assert!(status.recommendations[0].starts_with("The database has not been reached"));
}
