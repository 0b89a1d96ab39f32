//! The examples that take a URL, run as programs with the log at trace: all those that read `DATABASE_URL`, and the two
//! that also take it as an argument.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::marker::{Secret, percent_encoded};
use crate::subject::{Place, mariadb, postgres};
use crate::texts::{Texts, add_answers};
use support::programs::example;

fn command(name: &str) -> Command {
    let mut command = Command::new(example(name));
    command
        .env_remove("DATABASE_URL")
        .env("RUST_LOG", "trace")
        .env("DB_ECHO", "true")
        .env("DB_MAX_RETRY_ATTEMPTS", "2");
    command
}

/// Runs all those that end by themselves, and passes the database in every way they understand.
fn to_their_ends(secret: &Secret, url: &str, succeeds: bool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a file"), "and its line\n").unwrap();
    let indexed = folder.path().to_str().unwrap();
    for (name, variable, arguments) in [
        ("verify", Some(url), &[][..]),
        ("verify", None, &[url]),
        ("index", Some(url), &[indexed]),
        ("index", None, &["--database", url, indexed]),
        ("quickstart", Some(url), &[]),
        ("status", Some(url), &["1"]), // one second
    ] {
        let mut command = command(name);
        command
            .args(arguments)
            .envs(variable.map(|url| ("DATABASE_URL", url)));
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(
            said.concat().contains("queuepool::db_pool"),
            "no log of {name}: {said:?}"
        );
        secret.assert_not_in(name, &said.concat());
    }
}

/// Sends every request while the program runs.
fn health_server(secret: &Secret, url: &str) {
    let mut running = command("health_server")
        .arg("1")
        .env("DATABASE_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(running.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let mut texts = Texts::default();
    let address = first
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches('/');
    add_answers(&mut texts, address.parse().unwrap(), "orders");
    let mut rest = String::new();
    let mut err = running.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    out.read_to_string(&mut rest).unwrap();
    assert!(running.wait().unwrap().success());
    let log = log.join().unwrap().unwrap();
    assert!(log.contains("queuepool::http"), "no log: {log}");
    texts.add("what it prints", first + &rest);
    texts.add("what it logs", log);
    texts.assert_without(secret);
}

fn programs(secret: &Secret, place: &Place) {
    let right = place.url(&percent_encoded(&secret.whole()));
    let wrong = place.url(&percent_encoded(&secret.wrong()));
    let unreachable = place.unreachable(&secret.whole());
    to_their_ends(secret, &right, true);
    to_their_ends(secret, &wrong, false);
    to_their_ends(secret, &unreachable, false);
    for url in [right, wrong, unreachable] {
        health_server(secret, &url);
    }
}

#[test]
fn not_by_the_programs_on_postgres() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    programs(&secret, &place);
}

#[test]
fn not_by_the_programs_on_mariadb() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    programs(&secret, &place);
}
