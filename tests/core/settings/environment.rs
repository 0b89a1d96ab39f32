//! `from_env` and `with_env` against a real environment: each in a process of its own, since one process has only one.

use std::env;
use std::process::Command;

use queuepool::Settings;

const SIGN: &str = "settings: ";

/// Set in the processes that the tests here start.
const CHILD: &str = "QUEUEPOOL_TEST_CHILD";

/// Does nothing by itself: the other tests run it, each in a process of its own.
#[test]
fn child() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Warn)
        .target(env_logger::Target::Stdout)
        .init();
    let settings = match env::var("PRESET").as_deref() {
        Ok("production") => Settings::production().pool_size(8).with_env(),
        _ => Settings::from_env(),
    };
    match settings {
        Ok(settings) => println!("\n{SIGN}{settings}"),
        Err(error) => println!("\n{SIGN}error: {error}"),
    }
}

/// What a process with these variables and no others prints.
fn output(variables: &[(&str, &str)]) -> String {
    let program = env::current_exe().expect("the test's own path");
    let output = Command::new(program)
        .args(["--exact", "settings::environment::child", "--nocapture"])
        .env_clear()
        .env(CHILD, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("Unicode")
}

fn result(variables: &[(&str, &str)]) -> String {
    let output = output(variables);
    let line = output.lines().find_map(|line| line.strip_prefix(SIGN));
    line.expect("printed").to_owned()
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    result(variables).parse().expect("settings")
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    assert_eq!(settings(&[]), Settings::default());
}

#[test]
fn both_prefixes_are_read() {
    let settings = settings(&[("DB_POOL_SIZE", "5"), ("DATABASE_MAX_OVERFLOW", "7")]);
    assert_eq!(settings, Settings::default().pool_size(5).max_overflow(7));
}

#[test]
fn code_beats_the_environment_and_the_environment_the_preset() {
    let settings = settings(&[
        ("PRESET", "production"),
        ("DB_POOL_SIZE", "5"),
        ("DB_MAX_OVERFLOW", "7"),
    ]);
    assert_eq!(
        settings,
        Settings::production().pool_size(8).max_overflow(7)
    );
}

#[test]
fn a_bad_value_is_an_error_that_names_the_variable() {
    let text = result(&[("DATABASE_POOL_SIZE", "ten")]);
    assert!(
        text.starts_with("error: invalid pool_size \"ten\" in DATABASE_POOL_SIZE: expected "),
        "{text}"
    );
}

#[test]
fn an_unknown_pool_variable_is_warned_of_by_name_without_its_value() {
    for variable in ["DB_POOL_PORT", "DATABASE_POOL_TIMOUT"] {
        let output = output(&[(variable, "secret")]);
        let is_warned = |line: &str| line.contains("WARN") && line.contains(variable);
        assert!(output.lines().any(is_warned), "{output}");
        assert!(!output.contains("secret"), "{output}");
    }
}

#[test]
fn other_variables_are_not_warned_of() {
    let output = output(&[
        ("DB_POOL_SIZE", "5"),
        ("DB_HOST", "db"),
        ("DATABASE_URL", "sqlite:"),
    ]);
    assert!(!output.contains("WARN"), "{output}");
}
