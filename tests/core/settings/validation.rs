//! Settings: what is accepted, what is refused, and in which words.

use std::time::Duration;

use queuepool::{Error, ErrorKind, Mode, PrePing, Retry, Settings};

use support::scripted::Server;

const SECOND: Duration = Duration::from_secs(1);
const CENTURY: Duration = Duration::from_secs(3_155_760_000);

fn base() -> Settings {
    Settings::default()
}

fn retrying(change: impl FnOnce(Retry) -> Retry) -> Settings {
    base().retry(change(Retry::default()))
}

fn refusal(settings: &Settings) -> String {
    let error: Error = settings.validate().expect_err("nonsense");
    assert_eq!(error.kind(), ErrorKind::Settings);
    error.to_string()
}

#[test]
fn settings_can_cross_threads() {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<Settings>();
}

#[test]
fn nonsense_is_refused_by_name_with_its_value() {
    let cases = [
        (base().pool_size(0), "pool_size 0: "),
        (base().pool_size(0).mode(Mode::Queue), "pool_size 0: "),
        (
            base().pool_size(9_981),
            "pool_size 9981 with max_overflow 20: ",
        ),
        (
            base().pool_size(u32::MAX),
            "pool_size 4294967295 with max_overflow 20: ",
        ),
        (
            base().max_overflow(u32::MAX),
            "pool_size 10 with max_overflow 4294967295: ",
        ),
        (
            base().mode(Mode::Null).pool_size(0).max_overflow(0),
            "pool_size 0 with max_overflow 0: ",
        ),
        (base().timeout(Duration::ZERO), "timeout 0s: "),
        (base().timeout(Duration::MAX), "timeout "),
        (base().timeout(CENTURY + SECOND), "timeout "),
        (base().recycle(Duration::ZERO), "recycle 0s: "),
        (base().recycle(Duration::MAX - SECOND), "recycle "),
        (base().recycle_jitter(-0.01), "recycle_jitter -0.01: "),
        (base().recycle_jitter(0.11), "recycle_jitter 0.11: "),
        (base().recycle_jitter(f64::NAN), "recycle_jitter NaN: "),
        (
            base().pre_ping(PrePing::IdleFor(Duration::MAX)),
            "pre_ping ",
        ),
        (
            base().connect_timeout(Duration::ZERO),
            "connect_timeout 0s: ",
        ),
        (
            base().command_timeout(Duration::ZERO),
            "command_timeout 0s: ",
        ),
        (base().idle_timeout(Duration::ZERO), "idle_timeout 0s: "),
        (base().keepalive(Duration::ZERO), "keepalive 0s: "),
        (base().keepalive(Duration::MAX), "keepalive "),
        (base().warm_up(11), "warm_up 11: "),
        (base().min_pool_size(11), "min_pool_size 11: "),
        (base().mode(Mode::Null).warm_up(1), "warm_up 1: "),
        (
            base().mode(Mode::Null).min_pool_size(1),
            "min_pool_size 1: ",
        ),
        (
            retrying(|retry| retry.max_attempts(0)),
            "retry.max_attempts 0: ",
        ),
        (
            retrying(|retry| retry.multiplier(0.99)),
            "retry.multiplier 0.99: ",
        ),
        (
            retrying(|retry| retry.multiplier(f64::NAN)),
            "retry.multiplier NaN: ",
        ),
        (
            retrying(|retry| retry.multiplier(f64::INFINITY)),
            "retry.multiplier inf: ",
        ),
        (
            retrying(|retry| retry.max_delay(SECOND / 4)),
            "retry.max_delay 250ms: ",
        ),
        (
            retrying(|retry| retry.initial_delay(31 * SECOND)),
            "retry.max_delay 30s: ",
        ),
        (
            retrying(|retry| retry.max_delay(Duration::MAX)),
            "retry.max_delay ",
        ),
        (
            base().max_validation_failures(0),
            "max_validation_failures 0: ",
        ),
        (base().instances(0), "instances 0: "),
        (
            base().outage_timeout(Duration::from_millis(149)),
            "outage_timeout 149ms: ",
        ),
        (base().validation_query(""), "validation_query \"\": "),
        (
            base().validation_query(" \n"),
            "validation_query \" \\n\": ",
        ),
        (base().validation_query("off"), "validation_query \"off\": "),
        (
            base().health_check_interval(Duration::ZERO),
            "health_check_interval 0s: ",
        ),
        (
            base().health_check_timeout(Duration::ZERO),
            "health_check_timeout 0s: ",
        ),
        (
            base().metrics_collection_interval(Duration::ZERO),
            "metrics_collection_interval 0s: ",
        ),
        (base().warning_utilization(0.0), "warning_utilization 0: "),
        (
            base().critical_utilization(100.1),
            "critical_utilization 100.1: ",
        ),
        (
            base().critical_utilization(f64::NAN),
            "critical_utilization NaN: ",
        ),
        (base().leak_after(Duration::ZERO), "leak_after 0s: "),
        (
            base().holder_warn_after(Duration::ZERO),
            "holder_warn_after 0s: ",
        ),
    ];
    for (settings, expected) in cases {
        let text = refusal(&settings);
        assert!(
            text.starts_with(&format!("invalid {expected}")) && text.contains(": expected "),
            "{text}"
        );
    }
}

#[test]
fn the_ends_of_each_range_are_accepted() {
    let cases = [
        base().pool_size(1).max_overflow(0),
        base().pool_size(10_000).max_overflow(0),
        base().pool_size(1).max_overflow(9_999),
        base().mode(Mode::Null).pool_size(0).max_overflow(1),
        base().mode(Mode::Null).pool_size(1).max_overflow(0),
        base().timeout(Duration::from_nanos(1)),
        base().timeout(CENTURY),
        base().recycle(Duration::MAX),
        base().recycle(CENTURY),
        base().recycle_jitter(0.0),
        base().recycle_jitter(0.1),
        base().pre_ping(false),
        base().pre_ping(PrePing::IdleFor(Duration::ZERO)),
        base().command_timeout(None),
        base().warm_up(10).min_pool_size(10),
        retrying(|retry| retry.max_attempts(1)),
        retrying(|retry| retry.multiplier(1.0)),
        retrying(|retry| retry.multiplier(100.0)),
        retrying(|retry| {
            retry
                .initial_delay(Duration::ZERO)
                .max_delay(Duration::ZERO)
        }),
        base().max_validation_failures(1),
        base().outage_timeout(Duration::from_millis(150)),
        base().outage_timeout(CENTURY),
    ];
    for settings in cases {
        assert!(settings.validate().is_ok(), "{:?}", settings.validate());
    }
}

#[test]
fn setters_set_their_own_field() {
    let settings = base()
        .pre_ping(true)
        .mode(Mode::Null)
        .command_timeout(SECOND)
        .idle_timeout(Some(2 * SECOND))
        .validation_query("SELECT 1")
        .retry(Retry::default().max_attempts(2).jitter(false));
    assert_eq!(settings.pre_ping, PrePing::IdleFor(SECOND / 2));
    assert_eq!(settings.mode, Some(Mode::Null));
    assert_eq!(settings.command_timeout, Some(SECOND));
    assert_eq!(settings.idle_timeout, Some(2 * SECOND));
    assert_eq!(settings.validation_query.as_deref(), Some("SELECT 1"));
    assert_eq!(
        (settings.retry.max_attempts, settings.retry.jitter),
        (2, false)
    );
    assert_eq!(settings.mode(None).mode, None);
}

#[test]
fn settings_are_equal_when_their_values_are() {
    let mut assigned = base();
    assigned.pool_size = 7;
    assert_eq!(assigned, base().pool_size(7));
    assert_ne!(assigned, base());
}

#[test]
fn a_name_that_cannot_be_used_is_shown_in_quotes() {
    for (name, error) in [
        ("", "invalid name \"\": expected a name that is not blank"),
        (" ", "invalid name \" \": expected a name that is not blank"),
        (
            "a\0b",
            "invalid name \"a\\0b\": expected a name without NUL",
        ),
    ] {
        let builder = Server::new().builder(base()).name(name);
        let refusal = builder.build().expect_err("a bad name").to_string();
        assert!(refusal.starts_with(error), "{refusal}");
    }
}

#[test]
fn a_name_that_is_too_long_is_refused_before_anything_is_opened() {
    let server = Server::new();
    let builder = server.builder(base().warm_up(1)).name("n".repeat(10_000));
    let refusal = builder.build().expect_err("a long name");
    assert_eq!(refusal.kind(), ErrorKind::Settings);
    let beginning = format!(
        "invalid name {:?}... of 10000 characters: expected at most 200 characters",
        "n".repeat(40)
    );
    assert!(refusal.to_string().starts_with(&beginning), "{refusal}");
    assert_eq!(server.connects(), 0);
    let pool = server
        .builder(base())
        .name("n".repeat(200))
        .build()
        .unwrap();
    assert_eq!(pool.name().len(), 200);
}

#[test]
fn each_range_is_named_in_full() {
    for (settings, error) in [
        (
            base().pool_size(0),
            "invalid pool_size 0: expected at least 1 (0 is not unlimited); for a pool that keeps no connection set the mode null",
        ),
        (
            base().timeout(Duration::ZERO),
            "invalid timeout 0s: expected more than zero and at most 100 years",
        ),
        (
            base().min_pool_size(11),
            "invalid min_pool_size 11: expected at most pool_size 10",
        ),
        (
            retrying(|retry| retry.initial_delay(31 * SECOND)),
            "invalid retry.max_delay 30s: expected at least retry.initial_delay 31s",
        ),
    ] {
        assert_eq!(refusal(&settings), error);
    }
}
