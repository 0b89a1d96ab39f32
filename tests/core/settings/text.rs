//! Settings as text: what is printed, what parses, and that one is the other's reverse.

use std::time::Duration;

use proptest::prelude::*;
use queuepool::{ErrorKind, Mode, PrePing, ResetOnReturn, Role, Settings};

#[test]
fn the_default_settings_read_as_a_url_s_query() {
    assert_eq!(
        Settings::default().to_string(),
        "pool_size=10&max_overflow=20&pool_timeout=30s&max_waiting=off&outage_timeout=off&pool_recycle=1h&\
         pool_recycle_jitter=0.1&pool_pre_ping=500ms&reset_on_return=rollback&pool_mode=auto&pool_role=any&pool_instances=1&connect_timeout=10s&command_timeout=off&idle_timeout=off&\
         keepalive=off&warm_up=0&min_pool_size=0&max_validation_failures=3&validation_query=off&\
         health_check_interval=10s&health_check_timeout=5s&enable_pool_metrics=false&\
         metrics_collection_interval=5s&warning_utilization=70&critical_utilization=90&leak_after=10s&holder_warn_after=off&echo=false&echo_pool=false&\
         require_tls=false&max_retry_attempts=5&initial_retry_delay=500ms&retry_backoff_multiplier=2&\
         max_retry_delay=30s&retry_jitter=true"
    );
}

#[test]
fn text_without_settings_is_the_default() {
    for text in ["", "&", "&&"] {
        assert_eq!(
            text.parse::<Settings>().expect("empty"),
            Settings::default()
        );
    }
}

#[test]
fn text_that_is_not_settings_is_refused_without_its_values() {
    for text in [
        "poolsize=5",
        "pool_size=5&size",
        "postgres://user:secret@host/d?pool_size=5",
        "postgres://user:secret@host/d?x&pool_size=secret",
        "POOL_SIZE=secret",
    ] {
        let error = text.parse::<Settings>().expect_err("no settings");
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn a_bad_value_in_text_is_refused_by_name() {
    for (text, expected) in [
        ("pool_size=ten", "pool_size \"ten\""),
        ("max_overflow=-1", "max_overflow \"-1\""),
        ("pool_timeout=soon", "pool_timeout \"soon\""),
    ] {
        let error = text.parse::<Settings>().expect_err("bad value");
        let beginning = format!("invalid {expected} in the settings text: expected ");
        assert!(error.to_string().starts_with(&beginning), "{error}");
    }
}

#[test]
fn the_text_is_the_place_of_a_value_that_is_out_of_range() {
    let settings: Settings = "pool_timeout=0".parse().expect("a duration");
    let error = settings.validate().expect_err("zero");
    assert_eq!(
        error.to_string(),
        "invalid pool_timeout 0s in the settings text: expected more than zero and at most 100 years"
    );
}

#[test]
fn no_value_is_said_to_be_expected_that_building_a_pool_would_refuse() {
    for (text, expected) in [
        (
            "pool_size=x",
            "a whole number, 1 or more (0 only in the mode null)",
        ),
        ("max_pool_size=0", "a whole number, 1 or more"),
        ("max_retry_attempts=x", "a whole number, 1 or more"),
        ("max_validation_failures=x", "a whole number, 1 or more"),
        ("pool_timeout=x", "a duration above zero"),
        ("idle_timeout=x", "a duration above zero"),
        ("pool_recycle=x", "a duration above zero"),
        ("pool_recycle_jitter=x", "a number from 0 to 0.1"),
        ("retry_backoff_multiplier=x", "a number from 1 to 100"),
        ("warning_utilization=x", "a number above 0 and up to 100"),
    ] {
        let error = text.parse::<Settings>().expect_err("bad value");
        let ending = format!("in the settings text: expected {expected}");
        assert!(error.to_string().contains(&ending), "{error}");
    }
}

#[test]
fn an_unknown_name_is_named_where_it_is_plain_what_was_meant() {
    for (text, unknown, meant) in [
        ("poolsize=5", "poolsize", "pool_size"),
        ("POOL_SIZE=5", "POOL_SIZE", "pool_size"),
        ("echo=on&DB_POOL_SIZE=5", "DB_POOL_SIZE", "pool_size"),
        ("timeout=5", "timeout", "pool_timeout"),
        (
            "retry.max_attempts=5",
            "retry.max_attempts",
            "max_retry_attempts",
        ),
        ("max_overflw=5", "max_overflw", "max_overflow"),
        (
            "health_check_intervall=5",
            "health_check_intervall",
            "health_check_interval",
        ),
        ("maxPoolSize=5", "maxPoolSize", "max_pool_size"),
    ] {
        let error = text.parse::<Settings>().expect_err("no setting");
        let words = format!("unknown setting {unknown:?} in the settings text: expected {meant}");
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn any_other_unknown_name_is_told_by_its_position() {
    for (text, position) in [
        ("s3cret", 1),
        ("s3cret=x", 1),
        ("echo=on&&s3cret=5", 3),
        ("pool_size=5&s3cret", 2),
        ("echo=on&s3cretpool_size=5", 2),
        ("x://u:a&s3cret=@h", 1),
        ("x://u:a?&poolsize=s3cret@h", 1),
    ] {
        let error = text.parse::<Settings>().expect_err("no setting");
        let words =
            format!("in the settings text, pair {position}: expected name=value&name=value");
        assert!(error.to_string().contains(&words), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let error = "echo=on&poolsize=5&at=@"
        .parse::<Settings>()
        .expect_err("no setting");
    assert!(!error.to_string().contains("poolsize"), "{error}");
}

fn time() -> impl Strategy<Value = Duration> {
    (0u64..4_000_000_000, 0u32..1_000_000_000)
        .prop_map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds))
}

fn pre_ping() -> impl Strategy<Value = PrePing> {
    prop_oneof![
        Just(PrePing::Never),
        Just(PrePing::Always),
        time().prop_map(PrePing::IdleFor),
    ]
}

fn reset_on_return() -> impl Strategy<Value = ResetOnReturn> {
    proptest::sample::select(vec![
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ])
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |number| number.is_finite())
}

prop_compose! {
    fn any_settings()(
        counts in any::<[u32; 7]>(),
        times in proptest::array::uniform8(time()),
        never_recycled in any::<bool>(),
        optional_times in proptest::array::uniform5(proptest::option::of(time())),
        numbers in proptest::array::uniform4(finite()),
        switches in any::<[bool; 5]>(),
        choices in (pre_ping(), reset_on_return(), proptest::sample::select(vec![None, Some(Mode::Queue), Some(Mode::Null)])),
        role in proptest::sample::select(vec![Role::Any, Role::Primary, Role::Replica]),
        query in proptest::option::of(" ?SELECT \\PC*"),
        retry in (any::<u32>(), time()),
        max_waiting in proptest::option::of(any::<u32>()),
    ) -> Settings {
        let mut settings = Settings::default();
        [
            settings.pool_size,
            settings.max_overflow,
            settings.warm_up,
            settings.min_pool_size,
            settings.max_validation_failures,
            settings.retry.max_attempts,
            settings.instances,
        ] = counts;
        [
            settings.timeout,
            settings.recycle,
            settings.connect_timeout,
            settings.health_check_interval,
            settings.health_check_timeout,
            settings.metrics_collection_interval,
            settings.leak_after,
            settings.retry.max_delay,
        ] = times;
        if never_recycled {
            settings.recycle = Duration::MAX;
        }
        [
            settings.command_timeout,
            settings.idle_timeout,
            settings.keepalive,
            settings.holder_warn_after,
            settings.outage_timeout,
        ] = optional_times;
        [
            settings.recycle_jitter,
            settings.retry.multiplier,
            settings.warning_utilization,
            settings.critical_utilization,
        ] = numbers;
        [
            settings.enable_pool_metrics,
            settings.echo,
            settings.echo_pool,
            settings.require_tls,
            settings.retry.jitter,
        ] = switches;
        (settings.pre_ping, settings.reset_on_return, settings.mode) = choices;
        settings.role = role;
        settings.validation_query = query;
        settings.max_waiting = max_waiting;
        (settings.retry.max_attempts, settings.retry.initial_delay) = retry;
        settings
    }
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(settings in any_settings()) {
        let text = settings.to_string();
        prop_assert!(text.is_ascii(), "{}", text);
        prop_assert_eq!(text.parse::<Settings>().expect("printed"), settings);
    }

    #[test]
    fn validating_and_formatting_never_panic(settings in any_settings()) {
        let _ = settings.validate();
        let _ = format!("{settings} {settings:?}");
    }

    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = text.parse::<Settings>();
    }
}
