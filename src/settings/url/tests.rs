use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::settings::table::ROWS;
use crate::settings::{PrePing, env};

fn split(url: &str) -> (String, Settings) {
    let (left, parameters) = split_url(url).expect("good parameters");
    (left, Settings::default().with_url(&parameters))
}

fn refusal(url: &str) -> String {
    let error = split_url(url).expect_err("bad parameters");
    assert_eq!(error.kind(), ErrorKind::Settings);
    error.to_string()
}

#[test]
fn our_parameters_are_taken_and_all_others_stay_byte_for_byte() {
    let cases = [
        ("postgres://u@h/d?pool_size=5", "postgres://u@h/d"),
        (
            "postgres://u@h/d?pool_size=5&a=%41&&b",
            "postgres://u@h/d?a=%41&&b",
        ),
        (
            "postgres://u@h/d?a=1&pool_size=5&b=2",
            "postgres://u@h/d?a=1&b=2",
        ),
        ("postgres://u@h/d?a=1&pool_size=5", "postgres://u@h/d?a=1"),
        (
            "postgres://u@h/d?x?y=1&pool_size=5",
            "postgres://u@h/d?x?y=1",
        ),
        (
            "postgres://u:p%3Fpool_size%3D9@h/d?pool_size=5",
            "postgres://u:p%3Fpool_size%3D9@h/d",
        ),
        ("mysql://u@h/d?pool_size=5#part", "mysql://u@h/d#part"),
        (
            "mysql://u@h/d?a=1&pool_size=5#part?b",
            "mysql://u@h/d?a=1#part?b",
        ),
        (
            "sqlite:///app.db?pool_size=5&mode=ro",
            "sqlite:///app.db?mode=ro",
        ),
        ("sqlite://:memory:?pool_size=5", "sqlite://:memory:"),
        ("sqlite:?pool_size=5", "sqlite:"),
        ("pool_size=5?pool_size=5", "pool_size=5"),
    ];
    for (url, left) in cases {
        let (actual, settings) = split(url);
        assert_eq!(actual, left, "{url}");
        assert_eq!(settings.pool_size, 5, "{url}");
    }
}

#[test]
fn what_is_not_ours_is_unchanged() {
    for url in [
        "",
        "?",
        "&",
        "?&",
        "postgres://u:p@h/d",
        "postgres://u@h/d?",
        "postgres://u@h/d?&",
        "postgres://u@h/d?#",
        "postgres://u@h/d?Pool_Size=5&pool_sizes=5&sslmode=require",
        "sqlite://:memory:",
        "sqlite:///app.db",
        "host=localhost user=u",
        "C:\\data\\a+b.db",
        "a+b:c.db",
        "+x://h",
        "my sql+x://h",
        "мир?день=1",
    ] {
        let (left, settings) = split(url);
        assert_eq!(left, url);
        assert_eq!(settings, Settings::default());
    }
}

#[test]
fn a_driver_name_after_the_scheme_is_ignored() {
    let cases = [
        ("postgresql+psycopg2://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+asyncpg://h/d?pool_size=1", "postgresql://h/d"),
        ("postgresql+psycopg_async://h", "postgresql://h"),
        ("mysql+pymysql://u:a+b@h/d?x=1", "mysql://u:a+b@h/d?x=1"),
        ("sqlite+pysqlite:///app.db", "sqlite:///app.db"),
        ("postgresql://u:a+b@h/d", "postgresql://u:a+b@h/d"),
    ];
    for (url, left) in cases {
        assert_eq!(split(url).0, left);
    }
}

#[test]
fn values_are_percent_decoded() {
    let (_, settings) = split("postgres://h/d?validation_query=SELECT%201%2B1+2%3F");
    assert_eq!(settings.validation_query.as_deref(), Some("SELECT 1+1+2?"));
    let (_, settings) = split("postgres://h/d?pool_timeout=1%20min&validate_on_checkout=always");
    assert_eq!(settings.timeout, Duration::from_secs(60));
    assert_eq!(settings.pre_ping, PrePing::Always);
}

#[test]
fn a_value_that_does_not_parse_names_the_parameter() {
    let cases = [
        ("pool_size=ten", "pool_size \"ten\"", "a whole number"),
        ("pool_size=", "pool_size \"\"", "a whole number"),
        ("echo", "echo \"\"", "true, false"),
        ("max_overflow=-1", "max_overflow \"-1\"", "a whole number"),
        ("pool_timeout=%20x", "pool_timeout \" x\"", "a duration"),
        (
            "validation_query=%FF",
            "validation_query \"%FF\"",
            "percent-encoded UTF-8",
        ),
        ("pool_size=1%0A2", "pool_size \"1\\n2\"", "a whole number"),
        (
            "pool_size=5&pool_size=6",
            "pool_size \"5\"",
            "the same value as pool_size \"6\"",
        ),
        (
            "max_pool_size=5&max_pool_size=6",
            "max_pool_size \"5\"",
            "the same value as max_pool_size \"6\"",
        ),
        (
            "max_pool_size=5&pool_size=6",
            "max_pool_size \"5\"",
            "at least pool_size \"6\"",
        ),
        (
            "max_pool_size=5&max_overflow=6",
            "max_overflow \"6\"",
            "0, which is what max_pool_size \"5\"",
        ),
        (
            "pool_pre_ping=true&validate_on_checkout=no",
            "pool_pre_ping \"true\"",
            "the same value as validate_on_checkout \"no\"",
        ),
    ];
    for (query, given, expected) in cases {
        let text = refusal(&format!("postgres://h/d?{query}"));
        let beginning = format!("invalid {given} in the database URL: expected {expected}");
        assert!(text.starts_with(&beginning), "{text}");
    }
}

#[test]
fn a_long_value_is_cut_in_the_error() {
    let text = refusal(&format!("postgres://h/d?pool_size={}", "x".repeat(100_000)));
    assert!(text.len() < 300, "{}", text.len());
}

#[test]
fn a_parameter_given_twice_with_the_same_value_is_accepted() {
    let (left, settings) = split("postgres://h/d?pool_timeout=60&pool_timeout=1min");
    assert_eq!(left, "postgres://h/d");
    assert_eq!(settings.timeout, Duration::from_secs(60));
}

#[test]
fn max_pool_size_is_size_and_overflow_together() {
    let (_, settings) = split("postgres://h/d?max_pool_size=20");
    assert_eq!((settings.pool_size, settings.max_overflow), (20, 0));
    let (_, settings) = split("postgres://h/d?max_pool_size=20&pool_size=5");
    assert_eq!((settings.pool_size, settings.max_overflow), (5, 15));
}

#[test]
fn no_password_is_in_an_error_or_in_debug() {
    for url in [
        "postgres://user:secret@host/d?pool_size=ten",
        "postgres://user:x?pool_size=secret@host/d",
        "postgres://user:x?pool_size=secret&y@host/d",
        "postgres://user:x?pool_size=secret#y@host/d",
        "postgres://user:x@y?pool_size=%FFsecret@host/d",
        "postgres://h/d?pool_size=postgres://user:secret",
    ] {
        let error = split_url(url).expect_err("bad parameters");
        assert!(error.to_string().contains("pool_size"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let text = refusal("postgres://u:x?validation_query=secret@host");
    assert!(
        text.contains("password") && !text.contains("secret"),
        "{text}"
    );
    let (_, parameters) = split_url("postgres://h/d?validation_query=secret").expect("read");
    assert!(!format!("{parameters:?}").contains("secret"));
}

#[test]
fn code_beats_the_url_and_the_url_the_environment() {
    let variables = [
        ("DB_POOL_SIZE", "2"),
        ("DB_MAX_OVERFLOW", "3"),
        ("DB_POOL_TIMEOUT", "4"),
    ];
    let environment = env::from_vars(
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
    .expect("good variables");
    let (_, url) = split_url("postgres://h/d?pool_size=20&max_overflow=30").expect("good");

    let mut settings = Settings::large().overlaid(&environment, Source::Environment);
    settings.pool_size = 200;
    let settings = settings.with_url(&url);
    assert_eq!(
        (settings.pool_size, settings.max_overflow, settings.timeout),
        (200, 30, Duration::from_secs(4))
    );

    let late = Settings::large()
        .with_url(&url)
        .overlaid(&environment, Source::Environment);
    assert_eq!((late.pool_size, late.max_overflow), (20, 30));
}

#[test]
fn an_assignment_that_the_environment_repeats_is_still_code() {
    let environment =
        env::from_vars([("DB_POOL_SIZE".into(), "7".into())].into_iter()).expect("good variables");
    let (_, url) = split_url("postgres://h/d?pool_size=5").expect("good parameters");
    let mut settings = Settings::medium();
    settings.pool_size = 7;
    let settings = settings
        .overlaid(&environment, Source::Environment)
        .with_url(&url);
    assert_eq!(settings.pool_size, 7);
}

#[test]
fn every_setter_beats_the_url_even_with_the_preset_s_own_value() {
    let default = Settings::default();
    let set = default
        .clone()
        .pool_size(default.pool_size)
        .max_overflow(default.max_overflow)
        .timeout(default.timeout)
        .max_waiting(default.max_waiting)
        .outage_timeout(default.outage_timeout)
        .recycle(default.recycle)
        .recycle_jitter(default.recycle_jitter)
        .pre_ping(default.pre_ping)
        .reset_on_return(default.reset_on_return)
        .mode(default.mode)
        .role(default.role)
        .instances(default.instances)
        .connect_timeout(default.connect_timeout)
        .command_timeout(default.command_timeout)
        .idle_timeout(default.idle_timeout)
        .keepalive(default.keepalive)
        .warm_up(default.warm_up)
        .min_pool_size(default.min_pool_size)
        .retry(default.retry.clone())
        .max_validation_failures(default.max_validation_failures)
        .validation_query("SELECT 1")
        .health_check_interval(default.health_check_interval)
        .health_check_timeout(default.health_check_timeout)
        .enable_pool_metrics(default.enable_pool_metrics)
        .metrics_collection_interval(default.metrics_collection_interval)
        .warning_utilization(default.warning_utilization)
        .critical_utilization(default.critical_utilization)
        .leak_after(default.leak_after)
        .holder_warn_after(default.holder_warn_after)
        .echo(default.echo)
        .echo_pool(default.echo_pool)
        .require_tls(default.require_tls);
    let other = "pool_size=1&max_overflow=1&pool_timeout=1&max_waiting=1&outage_timeout=1&pool_recycle=1&\
        pool_recycle_jitter=0&pool_pre_ping=never&reset_on_return=full&pool_mode=null&pool_role=primary&pool_instances=2&connect_timeout=1&command_timeout=1&\
        idle_timeout=1&keepalive=1&warm_up=1&min_pool_size=1&max_retry_attempts=1&initial_retry_delay=1&\
        max_retry_delay=1&retry_backoff_multiplier=1&retry_jitter=no&max_validation_failures=1&\
        validation_query=SELECT%202&health_check_interval=1&health_check_timeout=1&enable_pool_metrics=yes&\
        metrics_collection_interval=1&warning_utilization=1&critical_utilization=1&leak_after=1&holder_warn_after=1&echo=yes&echo_pool=yes&require_tls=yes";
    assert_eq!(other.split('&').count(), ROWS.len());
    let (_, url) = split_url(&format!("postgres://h/d?{other}")).expect("good parameters");
    assert_eq!(set.clone().with_url(&url), set);

    let taken = default.clone().with_url(&url);
    for row in ROWS {
        assert!(!(row.same)(&taken, &default), "{}", row.name);
    }
}

#[test]
fn a_question_mark_in_the_fragment_does_not_begin_a_query() {
    let (left, settings) = split("postgres://h/d?pool_size=5#?pool_size=6");
    assert_eq!(left, "postgres://h/d?#?pool_size=6");
    assert_eq!(settings.pool_size, 5);
    assert_eq!(split(&left).0, left);
}
