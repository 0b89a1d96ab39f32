//! A pool of encrypted connections does what a pool of plain connections does.

use std::time::Duration;

use queuepool::{Database, ErrorKind, PrePing, ResetOnReturn};

use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, server as postgres};
use crate::table::{HERE, World, is_encrypted, settings};
use support::servers::{MariaDb, Postgres};

fn open(url: &str, reset: ResetOnReturn) -> Database {
    let settings = settings()
        .pool_size(1)
        .max_overflow(1)
        .pre_ping(PrePing::Always)
        .reset_on_return(reset)
        .health_check_timeout(Duration::from_secs(1));
    Database::open_with(&format!("{url}?sslmode=require"), settings).unwrap()
}

/// What TLS itself sends on an idle connection must not be taken for the end of the connection.
fn one_connection_is_used_again(url: &str) {
    for reset in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let database = open(url, reset);
        for _ in 0..10 {
            assert!(is_encrypted(&database).unwrap());
        }
        assert_eq!(database.status().total_connections_created, 1);
        database.close(Duration::from_secs(10)).unwrap();
    }
}

fn a_restart_is_noticed(url: &str, restart: impl FnOnce()) {
    let database = open(url, ResetOnReturn::Rollback);
    assert!(is_encrypted(&database).unwrap());
    restart();
    assert!(is_encrypted(&database).unwrap());
    assert_eq!(database.status().total_connections_created, 2);
}

fn a_mute_server_hangs_nobody(url: &str, pause: impl FnOnce(), resume: impl FnOnce()) {
    let database = open(url, ResetOnReturn::Rollback);
    assert!(is_encrypted(&database).unwrap());
    pause();
    let error = database.get_timeout(Duration::from_secs(3)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Connect | ErrorKind::Validation),
        "{error}"
    );
    resume();
    assert!(is_encrypted(&database).unwrap());
}

fn on_postgres() -> Postgres {
    let world = World::new();
    postgres(&world, &world.ours.server(&HERE), ANY)
}

fn on_mariadb() -> MariaDb {
    let world = World::new();
    mariadb(&world, &world.ours.server(&HERE), &[])
}

#[test]
fn one_connection_is_used_again_on_postgres() {
    one_connection_is_used_again(&on_postgres().url());
}

#[test]
fn one_connection_is_used_again_on_mariadb() {
    one_connection_is_used_again(&on_mariadb().url());
}

#[test]
fn a_restart_is_noticed_on_postgres() {
    let mut server = on_postgres();
    a_restart_is_noticed(&server.url(), || {
        server.stop();
        server.start_again();
    });
}

#[test]
fn a_restart_is_noticed_on_mariadb() {
    let mut server = on_mariadb();
    a_restart_is_noticed(&server.url(), || {
        server.stop();
        server.start_again();
    });
}

#[test]
fn a_mute_server_hangs_nobody_on_postgres() {
    let server = on_postgres();
    a_mute_server_hangs_nobody(&server.url(), || server.pause(), || server.resume());
}

#[test]
fn a_mute_server_hangs_nobody_on_mariadb() {
    let server = on_mariadb();
    a_mute_server_hangs_nobody(&server.url(), || server.pause(), || server.resume());
}
