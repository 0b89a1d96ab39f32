//! The authorities that the operating system trusts, which its own environment variable names here: so in a process of
//! its own.

use std::process::Command;

use queuepool::ErrorKind;

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
    // They are not more than the system says.
    let localhost = url.replace("127.0.0.1", "localhost");
    let error = is_encrypted(&open(&format!("{localhost}?sslmode=verify-full"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error.to_string().contains("the system's root certificates"),
        "{error}"
    );
    println!("trusted");
}

fn trusted(url: &str, world: &World) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "system::in_the_process_that_trusts_them",
            "--nocapture",
        ])
        .env(URL, url)
        .env("SSL_CERT_FILE", &world.roots)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("trusted"),
        "{text}{errors}"
    );
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
