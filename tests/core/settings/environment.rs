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
    output_of("settings::environment::child", variables)
}

fn output_of(child: &str, variables: &[(&str, &str)]) -> String {
    let program = env::current_exe().expect("the test's own path");
    let output = Command::new(program)
        .args(["--exact", child, "--nocapture"])
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
fn an_unknown_pool_variable_is_an_error_that_names_it_without_its_value() {
    for (variable, remedy) in [
        ("DB_POOL_TYPE", "remove it"),
        (
            "DATABASE_POOL_TIMOUT",
            "did you mean DATABASE_POOL_TIMEOUT?",
        ),
    ] {
        let text = result(&[(variable, "secret")]);
        let expected = format!(
            "error: the environment variable {variable} is no setting of queuepool: {remedy}"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn other_variables_are_not_warned_of() {
    let output = output(&[
        ("DB_POOL_SIZE", "5"),
        ("DB_HOST", "db"),
        ("DB_POOL_PORT", "tcp://10.0.0.1:5432"),
        ("DB_MAX_OVERFLOW", ""),
        ("DATABASE_URL", "sqlite:"),
    ]);
    assert!(!output.contains("WARN"), "{output}");
    assert!(!output.contains("error"), "{output}");
}

/// In a process of its own, which the next test starts.
#[cfg(feature = "sqlite")]
#[test]
fn named_child() {
    use queuepool::{Database, Registry};

    if env::var_os(CHILD).is_none() {
        return;
    }
    let database = Database::from_env().expect("an environment");
    let settings = Settings::from_env().expect("an environment");
    let given = Database::builder("sqlite::memory:")
        .settings(settings.clone())
        .name("given")
        .build()
        .expect("a database");
    let typed = queuepool::sqlite::SqlitePool::builder("sqlite::memory:")
        .and_then(|builder| builder.settings(settings).build())
        .expect("a pool");
    Registry::new().add("registered", &database).expect("free");
    println!(
        "\n{SIGN}{} {} {}",
        database.name(),
        typed.name(),
        given.name()
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn a_pool_that_code_gives_no_name_has_that_of_the_environment() {
    let named = |more: &[(&str, &str)]| {
        let mut variables = vec![("DATABASE_URL", "sqlite::memory:")];
        variables.extend(more);
        let output = output_of("settings::environment::named_child", &variables);
        let line = output.lines().find_map(|line| line.strip_prefix(SIGN));
        line.expect("printed").to_owned()
    };
    assert_eq!(named(&[("DB_POOL_NAME", "orders")]), "orders orders given");
    assert_eq!(named(&[("DB_POOL_NAME", "")]), "registered db_pool given");
}
