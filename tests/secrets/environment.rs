//! The URL from the environment. Each test uses a process of its own, because a process has only one environment.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use queuepool::{Database, Settings};

use crate::capture;
use crate::marker::{Secret, percent_encoded, percent_encoded_throughout};
use crate::subject::{mariadb, postgres};
use crate::texts::{Texts, of_database};
use support::scripted::millis;

/// Set in the processes that these tests start.
const CHILD: &str = "QUEUEPOOL_SECRETS_CHILD";
const SIGN: &str = "Display of Settings: ";

/// Does nothing when run normally. The other tests run it, each in a process of its own.
#[test]
fn child() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    capture::install();
    let mut texts = Texts::default();
    texts.add_debug("Settings, or an error", &Settings::from_env());
    match Database::from_env() {
        Ok(database) => {
            let got = database.get_timeout(millis(5_000));
            texts.add_debug("a checkout", &got);
            texts.0.extend(of_database(&database).0);
        }
        Err(error) => texts.add_error("an error", &error),
    }
    for (place, text) in &texts.0 {
        println!("\n{place}: {text}");
    }
    for line in capture::lines() {
        println!("\n{}", line.text);
    }
}

/// What a process prints that has these environment variables and no others. The output must contain `words`.
fn output(variables: &[(&str, &OsStr)], words: &str) -> String {
    let program = env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", "environment::child", "--nocapture"])
        .env_clear()
        .env(CHILD, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let (out, err) = (output.stdout, output.stderr);
    let text = [out, err]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert!(text.contains(words), "{words} is missing in: {text}");
    text
}

#[track_caller]
fn assert_silent(secret: &Secret, variables: &[(&str, &OsStr)], words: &str) {
    secret.assert_not_in("a process", &output(variables, words));
}

#[test]
fn what_the_process_prints_is_searched() {
    let secret = Secret::new();
    let query = OsString::from(format!("SELECT {:?}", secret.whole()));
    let url = OsString::from("sqlite::memory:");
    let text = output(
        &[("DATABASE_URL", &url), ("DB_VALIDATION_QUERY", &query)],
        SIGN,
    );
    assert!(secret.in_text(&text).is_some());
}

#[test]
fn not_of_a_url_in_the_environment() {
    let secret = Secret::new();
    let ((_postgres, one), (_mariadb, other)) = (postgres(&secret), mariadb(&secret));
    for place in [one, other] {
        let (right, wrong) = (secret.whole(), secret.wrong());
        for url in place.urls(&right) {
            let url = OsString::from(url);
            assert_silent(
                &secret,
                &[("DATABASE_URL", &url)],
                "a checkout: Ok(Connection",
            );
        }
        for url in [
            place.url(&percent_encoded(&wrong)),
            place.url(&percent_encoded_throughout(&wrong)),
            place.unreachable(&right),
        ] {
            let url = OsString::from(url);
            let variables = [
                ("DATABASE_URL", &*url),
                ("DB_MAX_RETRY_ATTEMPTS", OsStr::new("2")),
            ];
            assert_silent(&secret, &variables, "a checkout: Err(Error { kind: Connect");
        }
    }
}

#[test]
fn not_of_a_malformed_url_in_the_environment() {
    let secret = Secret::new();
    let password = secret.whole();
    for url in [
        format!("postgresql://app:{password}@host/app"),
        format!("mysql://app:{password}@host/app"),
        format!("oracle://app:{password}@host/app"),
        password.clone(),
    ] {
        let url = OsString::from(url);
        assert_silent(&secret, &[("DATABASE_URL", &url)], "an error, source 0: ");
    }
    let not_unicode = [b"mysql://app:", password.as_bytes(), b"\xff@host/app"].concat();
    let url = OsString::from_vec(not_unicode);
    assert_silent(&secret, &[("DATABASE_URL", &url)], "(not Unicode)");
}

/// A URL in place of a number, and the variables that are injected for a service called "pool".
#[test]
fn not_of_other_variables() {
    let secret = Secret::new();
    let memory = OsStr::new("sqlite::memory:");
    let url = OsString::from(format!("postgresql://app:{}@host/app", secret.whole()));
    for (variable, words) in [
        ("DB_POOL_SIZE", "(not shown: it may contain a password)"),
        (
            "DATABASE_POOL_TIMEOUT",
            "(not shown: it may contain a password)",
        ),
        (
            "DATABASE_POOL_MODE",
            "(not shown: it may contain a password)",
        ),
        ("DB_MAX_POOL_SIZE", "(not shown: it may contain a password)"),
        ("DB_POOL_SERVICE_HOST", SIGN),
        (
            "DATABASE_POOL_PASSWORD",
            "DATABASE_POOL_PASSWORD is no setting of queuepool",
        ),
        ("DB_PASSWORD", SIGN),
    ] {
        assert_silent(
            &secret,
            &[("DATABASE_URL", memory), (variable, &url)],
            words,
        );
    }
}
