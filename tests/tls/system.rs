//! The authorities that the operating system trusts. Here its own environment variable names them, so this runs in a
//! process of its own.

use std::path::Path;
use std::process::Command;

use queuepool::{Database, ErrorKind, Settings};

use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, server as postgres};
use crate::table::{World, is_encrypted, open};

const URL: &str = "QUEUEPOOL_TEST_TLS_URL";

#[test]
fn in_the_process_that_trusts_them() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    for parameters in [
        "sslmode=verify-full",
        "sslrootcert=system",
        "sslmode=verify-ca",
    ] {
        assert!(
            is_encrypted(&open(&format!("{url}?{parameters}"))).unwrap(),
            "{parameters}"
        );
    }
    // They are trusted no further than the certificate's names allow.
    let localhost = url.replace("127.0.0.1", "localhost");
    let error = is_encrypted(&open(&format!("{localhost}?sslmode=verify-full"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error.to_string().contains("the system's root certificates"),
        "{error}"
    );
    println!("trusted");
}

/// The output of the test with this name, in a process whose system trusts the authorities in `file`.
fn said_with(file: &Path, test: &str, url: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("system::{test}"), "--nocapture"])
        .env(URL, url)
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

fn trusted(url: &str, world: &World) {
    let text = said_with(&world.roots, "in_the_process_that_trusts_them", url);
    assert!(text.contains("trusted"), "{text}");
}

#[test]
fn in_the_process_that_trusts_none() {
    if std::env::var(URL).is_err() {
        return;
    }
    for url in ["postgresql://app@h/d", "mysql://app@h/d"] {
        let url = format!("{url}?sslmode=verify-full");
        let error = Database::open_with(&url, Settings::default()).unwrap_err();
        println!("{:?}: {error}", error.kind());
    }
}

#[test]
fn a_variable_that_names_no_authorities_is_named_with_the_reason() {
    let world = World::new();
    let empty = world.file("empty.pem", "");
    let missing = empty.with_file_name("missing.pem");
    for (file, reason) in [(&empty, ""), (&missing, "No such file")] {
        let text = said_with(file, "in_the_process_that_trusts_none", "postgresql://");
        let beginning =
            format!("Settings: invalid SSL_CERT_FILE {file:?}: expected root certificates",);
        let said: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(&beginning))
            .collect();
        assert_eq!(said.len(), 2, "{text}");
        assert!(said.iter().all(|line| line.contains(reason)), "{text}");
    }
}

#[test]
fn the_operating_systems_authorities_are_trusted_on_postgres() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&["127.0.0.1"]), ANY);
    trusted(&server.url(), &world);
}

#[test]
fn the_operating_systems_authorities_are_trusted_on_mariadb() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&["127.0.0.1"]), &[]);
    trusted(&server.url(), &world);
}
