//! A statement is cancelled over the same kind of connection as the one it runs on.

use std::fs;

use crate::postgres::{ANY, PLAIN, WITH_CERTIFICATE, server};
use crate::table::{HERE, World};
use support::half_read::{COPY, is_cancelled_and_closed};
use support::servers::Postgres;

/// Lets the tests themselves look at the server over a plain connection.
const ADMIN: &str = "host all postgres 127.0.0.1/32 scram-sha-256\n";

fn cancels(server: &Postgres, parameters: &str) {
    let url = format!("{}?{parameters}", server.url());
    is_cancelled_and_closed(server, &url, |client| {
        drop(client.copy_out(COPY).unwrap());
    });
}

#[test]
fn in_every_mode_of_encryption() {
    let world = World::new();
    let server = server(&world, &world.ours.server(&HERE), ANY);
    for mode in ["disable", "allow", "prefer", "require"] {
        cancels(&server, &format!("sslmode={mode}"));
    }
    let roots = format!("sslrootcert={}", world.roots.display());
    for mode in ["verify-ca", "verify-full"] {
        cancels(&server, &format!("sslmode={mode}&{roots}"));
    }
}

#[test]
fn of_a_server_that_wants_a_certificate_or_has_no_tls_or_lets_only_plain_logins_in() {
    let world = World::new();
    let wants = server(
        &world,
        &world.ours.server(&HERE),
        &format!("{ADMIN}{WITH_CERTIFICATE}"),
    );
    let (certificate, key) = &world.client;
    let pair = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
    cancels(&wants, &format!("sslmode=require&{pair}"));
    cancels(&Postgres::start(), "sslmode=prefer");
    let plain = server(&world, &world.ours.server(&HERE), PLAIN);
    cancels(&plain, "sslmode=prefer");
}

#[test]
fn of_a_plain_connection_where_the_authorities_cannot_be_read_any_more() {
    let world = World::new();
    let server = server(&world, &world.ours.server(&HERE), ANY);
    let roots = world.file("vanishing.pem", &world.ours.certificate);
    let url = format!(
        "{}?sslmode=allow&sslrootcert={}",
        server.url(),
        roots.display()
    );
    is_cancelled_and_closed(&server, &url, |client| {
        drop(client.copy_out(COPY).unwrap());
        fs::remove_file(&roots).unwrap();
    });
}
