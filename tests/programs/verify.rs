//! The example `verify`, run as a program on each database, and on those that cannot be used.

use std::process::Command;

use support::programs::example;
use support::servers::{MariaDb, PASSWORD, PASSWORD_IN_URL, Postgres, free_port};

struct Run {
    code: Option<i32>,
    out: String,
    complaint: String,
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(example("verify"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env("RUST_LOG", "trace")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let run = Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    };
    for secret in [PASSWORD, PASSWORD_IN_URL, "wr0ng-passw0rd"] {
        assert!(
            !run.out.contains(secret) && !run.complaint.contains(secret),
            "{secret} is shown"
        );
    }
    run
}

#[track_caller]
fn assert_usable(run: &Run, pool_type: &str, limit: &str) {
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.complaint);
    for line in [
        "Single connection: works",
        "50 sequential queries: ",
        "Connect ",
        limit,
        &format!("Pool Type: {pool_type}"),
        "Checked Out: 0",
        "Pool is healthy. No action needed.",
    ] {
        assert!(run.out.contains(line), "{line} is missing in:\n{}", run.out);
    }
}

#[track_caller]
fn assert_unusable(run: &Run, words: &str) {
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.complaint);
    let last = run.complaint.lines().last().unwrap_or_default();
    assert!(last.starts_with("This database cannot be used: "), "{last}");
    assert!(last.contains(words), "{last}");
}

#[test]
fn verify_finds_postgres_usable_and_says_how_many_connections_it_takes() {
    let server = Postgres::start_with(&["max_connections=87"]);
    let run = run(&[&server.url()], &[]);
    assert_usable(
        &run,
        "QueuePool",
        "Server's limit: 87 connections, 3 of them reserved; this pool opens up to 30",
    );
}

#[test]
fn verify_finds_mariadb_usable_and_says_how_many_connections_it_takes() {
    let server = MariaDb::start_with(&["--max-connections=87"]);
    let run = run(&[], &[("DATABASE_URL", &server.url())]);
    assert_usable(
        &run,
        "QueuePool",
        "Server's limit: 87 connections, 0 of them reserved; this pool opens up to 30",
    );
}

#[test]
fn verify_takes_a_temporary_sqlite_file_when_none_is_named() {
    assert_usable(
        &run(&[], &[]),
        "NullPool",
        "Server's limit: it reports none",
    );
}

#[test]
fn verify_takes_the_settings_from_the_environment() {
    let run = run(
        &["sqlite::memory:"],
        &[("DB_POOL_SIZE", "3"), ("DB_POOL_MODE", "queue")],
    );
    assert_usable(&run, "QueuePool", "Size: 3");
}

#[test]
fn verify_says_of_a_wrong_password_what_the_server_says() {
    let wrong = |url: String| url.replace(PASSWORD_IN_URL, "wr0ng-passw0rd");
    let server = Postgres::start();
    assert_unusable(
        &run(&[&wrong(server.url())], &[]),
        "password authentication failed",
    );
    let server = MariaDb::start();
    assert_unusable(&run(&[&wrong(server.url())], &[]), "Access denied");
}

#[test]
fn verify_says_that_nobody_answers() {
    let url = format!(
        "postgresql://app:{PASSWORD_IN_URL}@127.0.0.1:{}/app",
        free_port()
    );
    assert_unusable(
        &run(&[&url], &[("DB_MAX_RETRY_ATTEMPTS", "1")]),
        "onnection refused",
    );
}
