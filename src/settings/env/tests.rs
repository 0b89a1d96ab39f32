mod others;

use std::time::Duration;

use super::*;
use crate::error::NOT_SHOWN;
use crate::settings::table::{MAX_POOL_SIZE, ROWS};
use crate::settings::{Mode, PrePing, ResetOnReturn};

type Variables<'text> = &'text [(&'text str, &'text str)];

fn overlay(variables: Variables) -> Result<Overlay, Error> {
    from_vars(
        variables
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
}

fn settings(variables: Variables) -> Settings {
    over(Settings::default(), variables)
}

fn over(settings: Settings, variables: Variables) -> Settings {
    let overlay = overlay(variables).expect("good variables");
    settings.overlaid(&overlay, Source::Environment)
}

fn refusal(variables: Variables) -> String {
    let error = overlay(variables).expect_err("bad variables");
    assert_eq!(error.kind(), ErrorKind::Settings);
    error.to_string()
}

#[test]
fn every_setting_has_a_variable_under_either_prefix() {
    let default = Settings::default();
    for prefix in PREFIXES {
        for row in ROWS {
            let variable = format!("{prefix}{}", row.name.to_ascii_uppercase());
            let other = another_value(row.name);
            let changed = settings(&[(&variable, other)]);
            assert!(!(row.same)(&default, &changed), "{variable}={other}");
            let text = (row.print)(&changed);
            assert!(
                (row.same)(&settings(&[(&variable, &text)]), &changed),
                "{variable}={text}"
            );
        }
    }
}

/// A value that is not the default.
fn another_value(name: &str) -> &'static str {
    match name {
        "pool_recycle_jitter" => "0.05",
        "reset_on_return" => "full",
        "pool_mode" => "null",
        "pool_role" => "primary",
        "validation_query" => "SELECT 2",
        "retry_jitter" => "false",
        "enable_pool_metrics" | "echo" | "echo_pool" | "require_tls" => "true",
        "pool_timeout" | "pool_recycle" | "pool_pre_ping" => "7s",
        _ => "7",
    }
}

#[test]
fn values_are_read_as_documented() {
    let second = Duration::from_secs(1);
    let read = settings(&[
        ("DB_POOL_SIZE", "5"),
        ("DATABASE_MAX_OVERFLOW", " 7 "),
        ("DB_POOL_TIMEOUT", "0.5"),
        ("DB_POOL_RECYCLE", "-1"),
        ("DB_RESET_ON_RETURN", "FULL"),
        ("DB_POOL_MODE", "queue"),
        ("DB_COMMAND_TIMEOUT", "1h 30min"),
        ("DB_IDLE_TIMEOUT", "off"),
        ("DB_MIN_POOL_SIZE", "2"),
        ("DB_MAX_RETRY_ATTEMPTS", "9"),
        ("DB_RETRY_BACKOFF_MULTIPLIER", "1.5"),
        ("DB_ECHO", "YES"),
        ("DB_VALIDATION_QUERY", "SELECT 1"),
    ]);
    assert_eq!((read.pool_size, read.max_overflow), (5, 7));
    assert_eq!(read.timeout, second / 2);
    assert_eq!(read.recycle, Duration::MAX);
    assert_eq!(read.reset_on_return, ResetOnReturn::Full);
    assert_eq!(read.mode, Some(Mode::Queue));
    assert_eq!(read.command_timeout, Some(second * 5400));
    assert_eq!(read.idle_timeout, None);
    assert_eq!(read.min_pool_size, 2);
    assert_eq!((read.retry.max_attempts, read.retry.multiplier), (9, 1.5));
    assert!(read.echo && !read.echo_pool);
    assert_eq!(read.validation_query.as_deref(), Some("SELECT 1"));
}

#[test]
fn pre_ping_is_a_switch_or_always_or_a_time() {
    let cases = [
        ("true", PrePing::default()),
        ("1", PrePing::default()),
        ("false", PrePing::Never),
        ("0", PrePing::Never),
        ("never", PrePing::Never),
        ("Always", PrePing::Always),
        ("2s", PrePing::IdleFor(Duration::from_secs(2))),
        ("30", PrePing::IdleFor(Duration::from_secs(30))),
        ("0s", PrePing::IdleFor(Duration::ZERO)),
    ];
    for (text, expected) in cases {
        for variable in ["DB_POOL_PRE_PING", "DATABASE_VALIDATE_ON_CHECKOUT"] {
            assert_eq!(settings(&[(variable, text)]).pre_ping, expected, "{text}");
        }
    }
}

#[test]
fn a_value_that_does_not_parse_names_the_variable_the_value_and_what_is_expected() {
    let cases = [
        ("DB_POOL_SIZE", "ten", "a whole number"),
        ("DATABASE_POOL_SIZE", "-5", "a whole number"),
        ("DB_POOL_SIZE", "4294967296", "a whole number"),
        ("DB_POOL_SIZE", "5.0", "a whole number"),
        ("DB_MAX_OVERFLOW", "-1", "no unlimited overflow"),
        ("DATABASE_POOL_TIMEOUT", "soon", "30s"),
        ("DB_POOL_TIMEOUT", "-1", "30s"),
        ("DB_POOL_TIMEOUT", "off", "30s"),
        ("DB_POOL_RECYCLE", "-2", "never"),
        ("DB_POOL_RECYCLE_JITTER", "NaN", "a number from 0 to 0.1"),
        ("DB_RETRY_BACKOFF_MULTIPLIER", "inf", "a number from 1"),
        ("DB_POOL_PRE_PING", "maybe", "always"),
        ("DB_VALIDATE_ON_CHECKOUT", "maybe", "always"),
        ("DB_RESET_ON_RETURN", "commit", "rollback"),
        ("DB_POOL_MODE", "static", "queue, null or auto"),
        ("DB_KEEPALIVE", "on", "off"),
        ("DB_ECHO", "debug", "true, false"),
        ("DB_MAX_POOL_SIZE", "0", "a whole number, 1 or more"),
        ("DB_MAX_POOL_SIZE", "many", "a whole number, 1 or more"),
    ];
    for (variable, value, expected) in cases {
        let text = refusal(&[(variable, value)]);
        let name = setting_name(variable).expect("a prefix");
        let beginning = format!("invalid {name} {value:?} in {variable}: expected ");
        assert!(text.starts_with(&beginning), "{text}");
        assert!(text[beginning.len()..].contains(expected), "{text}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let names = ROWS.iter().map(|row| row.name).chain([MAX_POOL_SIZE]);
    for name in names.chain(["pool_name", "pool_timout"]) {
        let variable = format!("DB_{}", name.to_ascii_uppercase());
        let read = settings(&[(&variable, "")]);
        assert_eq!(read, Settings::default(), "{variable}");
        assert_eq!(read.pool_name(), None);
    }
    let other = settings(&[("DB_POOL_SIZE", ""), ("DATABASE_POOL_SIZE", "7")]);
    assert_eq!(other.pool_size, 7);
}

#[test]
fn a_blank_variable_is_an_error_that_names_it() {
    let names = ROWS.iter().map(|row| row.name).chain([MAX_POOL_SIZE]);
    for name in names.chain(["pool_name"]) {
        let variable = format!("DB_{}", name.to_ascii_uppercase());
        let text = refusal(&[(&variable, "  ")]);
        let beginning = format!("invalid {name} \"  \" in {variable}: expected ");
        assert!(text.starts_with(&beginning), "{text}");
    }
}

#[test]
fn both_prefixes_may_agree() {
    let read = settings(&[("DB_POOL_TIMEOUT", "60"), ("DATABASE_POOL_TIMEOUT", "1min")]);
    assert_eq!(read.timeout, Duration::from_secs(60));
}

#[test]
fn both_prefixes_set_to_different_values_is_an_error_that_names_both() {
    for name in ROWS.iter().map(|row| row.name).chain([MAX_POOL_SIZE]) {
        let short = format!("DB_{}", name.to_ascii_uppercase());
        let long = format!("DATABASE_{}", name.to_ascii_uppercase());
        let default = Settings::default().to_string();
        let present = default
            .split('&')
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
            .unwrap_or("30");
        let text = refusal(&[(&short, another_value(name)), (&long, present)]);
        assert!(text.contains(&short) && text.contains(&long), "{text}");
    }
}

#[test]
fn two_names_of_pre_ping_that_disagree_are_an_error_that_names_both() {
    let text = refusal(&[
        ("DB_POOL_PRE_PING", "true"),
        ("DATABASE_VALIDATE_ON_CHECKOUT", "false"),
    ]);
    assert!(text.contains("DB_POOL_PRE_PING"), "{text}");
    assert!(text.contains("DATABASE_VALIDATE_ON_CHECKOUT"), "{text}");
    settings(&[
        ("DB_POOL_PRE_PING", "on"),
        ("DB_VALIDATE_ON_CHECKOUT", "true"),
    ]);
}

#[test]
fn max_pool_size_is_size_and_overflow_together() {
    let size = ("DB_MAX_POOL_SIZE", "20");
    let cases: [(Variables, (u32, u32)); 6] = [
        (&[size], (20, 0)),
        (&[size, ("DATABASE_MAX_POOL_SIZE", "20")], (20, 0)),
        (&[size, ("DB_POOL_SIZE", "5")], (5, 15)),
        (&[size, ("DATABASE_POOL_SIZE", "20")], (20, 0)),
        (
            &[size, ("DB_POOL_SIZE", "5"), ("DB_MAX_OVERFLOW", "15")],
            (5, 15),
        ),
        (&[size, ("DB_MAX_OVERFLOW", "0")], (20, 0)),
    ];
    for (variables, expected) in cases {
        let read = settings(variables);
        assert_eq!(
            (read.pool_size, read.max_overflow),
            expected,
            "{variables:?}"
        );
    }
}

#[test]
fn a_max_pool_size_that_disagrees_is_an_error_that_names_both() {
    let cases: [(Variables, &str); 3] = [
        (&[("DB_POOL_SIZE", "21")], "DB_POOL_SIZE"),
        (&[("DATABASE_MAX_OVERFLOW", "20")], "DATABASE_MAX_OVERFLOW"),
        (
            &[("DB_POOL_SIZE", "5"), ("DB_MAX_OVERFLOW", "20")],
            "DB_MAX_OVERFLOW",
        ),
    ];
    for (others, name) in cases {
        let mut variables = others.to_vec();
        variables.push(("DB_MAX_POOL_SIZE", "20"));
        let text = refusal(&variables);
        assert!(text.contains("DB_MAX_POOL_SIZE"), "{text}");
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn unrelated_variables_are_left_alone() {
    let read = settings(&[
        ("DATABASE_URL", "postgresql://user:secret@host/name"),
        ("DB_POOL_PORT", "tcp://10.0.0.1:5432"),
        ("DB_HOST", "db"),
        ("DB_", ""),
        ("POOL_SIZE", "x"),
        ("XDB_POOL_SIZE", "x"),
        ("db_pool_size", "x"),
        ("DB_pool_size", "x"),
        ("DB_DATABASE_POOL_SIZE", "x"),
        ("", ""),
    ]);
    assert_eq!(read, Settings::default());
}

#[test]
fn a_value_that_may_hold_a_password_is_in_no_error() {
    for value in ["postgresql://user:secret@host/name", "user:secret@host"] {
        let text = refusal(&[("DB_POOL_SIZE", value)]);
        let beginning = format!("invalid pool_size {NOT_SHOWN} in DB_POOL_SIZE: ");
        assert!(text.starts_with(&beginning), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_an_error_that_names_the_variable() {
    use std::os::unix::ffi::OsStringExt;

    let bytes = || OsString::from_vec(vec![0x66, 0xff]);
    let error = from_vars([("DB_POOL_SIZE".into(), bytes())].into_iter()).unwrap_err();
    assert!(error.to_string().contains("DB_POOL_SIZE"), "{error}");
    let error = database_url(Some(bytes())).unwrap_err();
    assert!(error.to_string().contains("DATABASE_URL"), "{error}");
    assert!(from_vars([(bytes(), bytes()), ("DB_HOST".into(), bytes())].into_iter()).is_ok());
}

#[test]
fn a_missing_database_url_is_an_error_that_gives_an_example() {
    for missing in [None, Some(OsString::new())] {
        let text = database_url(missing).unwrap_err().to_string();
        assert!(text.contains("DATABASE_URL"), "{text}");
        assert!(text.contains("postgresql://"), "{text}");
    }
    let url = database_url(Some("sqlite:///orders.db".into())).expect("set");
    assert_eq!(url, "sqlite:///orders.db");
}

#[test]
fn what_is_out_of_range_names_the_variable_it_came_from() {
    let text = settings(&[("DB_POOL_TIMEOUT", "0")])
        .validate()
        .unwrap_err()
        .to_string();
    let beginning = "invalid pool_timeout 0s in DB_POOL_TIMEOUT: expected more than zero";
    assert!(text.starts_with(beginning), "{text}");

    let text = settings(&[("DATABASE_MAX_POOL_SIZE", "10001")])
        .validate()
        .unwrap_err()
        .to_string();
    let place = "in DATABASE_MAX_POOL_SIZE";
    let beginning = format!("invalid pool_size 10001 {place} with max_overflow 0 {place}: ");
    assert!(text.starts_with(&beginning), "{text}");

    let mut assigned = settings(&[("DB_POOL_TIMEOUT", "5")]);
    assigned.timeout = Duration::ZERO;
    let text = assigned.validate().unwrap_err().to_string();
    assert!(text.starts_with("invalid timeout 0s: "), "{text}");
}

#[test]
fn code_beats_the_environment_and_the_environment_the_preset() {
    let variables = [("DB_POOL_SIZE", "7"), ("DB_MAX_RETRY_DELAY", "9")];
    let read = over(Settings::production(), &variables);
    assert_eq!((read.pool_size, read.max_overflow), (7, 10));
    assert_eq!(read.retry.max_delay, Duration::from_secs(9));
    assert!(read.require_tls);

    let same_as_preset = Settings::default().pool_size(10);
    assert_eq!(over(same_as_preset, &variables).pool_size, 10);

    let mut assigned = Settings::medium();
    assigned.pool_size = 3;
    assigned.retry.max_attempts = 2;
    let read = over(assigned, &variables);
    assert_eq!((read.pool_size, read.retry.max_attempts), (3, 2));
    assert_eq!(read.retry.max_delay, Duration::from_secs(9));
}
