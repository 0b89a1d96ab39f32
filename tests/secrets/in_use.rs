//! Pools in use, opened by a URL in every form, and while the server is away.

use crate::capture;
use crate::marker::Secret;
use crate::subject::{Place, bouncer, mariadb, open, postgres};
use crate::texts::{Texts, assert_process_silent, of_database, of_guard};
use support::scripted::{eventually, secs};
use support::servers::{MariaDb, Postgres};

fn in_use(secret: &Secret, place: &Place) {
    for url in place.urls(&secret.whole()) {
        let database = open(&url);
        let mut held = database.get().unwrap();
        held.execute("SELECT 1").unwrap();
        of_guard(&mut held).assert_without(secret);
        of_database(&database).assert_without(secret);
        drop(held);
        database.invalidate_all();
        drop(database.get().unwrap());
        database.ping().unwrap();
        database.close(secs(10)).unwrap();
        of_database(&database).assert_without(secret);
    }
    let lines = capture::lines();
    assert!(lines.iter().any(|line| line.target == "queuepool::spoken"));
    assert_process_silent(secret);
}

/// The server stops while a connection is out, and starts again.
fn through_a_restart(secret: &Secret, place: &Place, stop: impl FnOnce(), start: impl FnOnce()) {
    let database = open(&place.urls(&secret.whole())[0]);
    let mut held = database.get().unwrap();
    stop();
    let mut texts = Texts::default();
    texts.add_error(
        "a statement on a lost connection",
        &held.execute("SELECT 1").unwrap_err(),
    );
    drop(held);
    texts.add_error("no server", &database.get().unwrap_err());
    assert!(database.status().last_error.is_some());
    texts.0.extend(of_database(&database).0);
    start();
    eventually("the server is back", || database.get().is_ok());
    texts.0.extend(of_database(&database).0);
    texts.assert_without(secret);
    assert_process_silent(secret);
}

#[test]
fn not_on_postgres() {
    let secret = Secret::new();
    let (server, place) = postgres(&secret);
    in_use(&secret, &place);
    let server = std::cell::RefCell::new(server);
    through_a_restart(
        &secret,
        &place,
        || Postgres::stop(&mut server.borrow_mut()),
        || Postgres::start_again(&mut server.borrow_mut()),
    );
}

#[test]
fn not_on_mariadb() {
    let secret = Secret::new();
    let (server, place) = mariadb(&secret);
    in_use(&secret, &place);
    let server = std::cell::RefCell::new(server);
    through_a_restart(
        &secret,
        &place,
        || MariaDb::stop(&mut server.borrow_mut()),
        || MariaDb::start_again(&mut server.borrow_mut()),
    );
}

#[test]
fn not_through_pgbouncer() {
    let secret = Secret::new();
    let (mut server, _) = postgres(&secret);
    for pool_mode in ["session", "transaction"] {
        let (_bouncer, place) = bouncer(&server, &secret, pool_mode);
        in_use(&secret, &place);
        // PgBouncer stays up while the server behind it stops in the middle of a transaction.
        let database = open(&place.urls(&secret.whole())[0]);
        let mut held = database.get().unwrap();
        held.execute("BEGIN").unwrap();
        server.stop();
        let mut texts = Texts::default();
        let error = held.execute("SELECT 1").unwrap_err();
        texts.add_error("no server behind PgBouncer", &error);
        texts.0.extend(of_guard(&mut held).0);
        texts.add_debug("Database", &database);
        texts.add_debug("Status", &database.status());
        texts.assert_without(&secret);
        assert_process_silent(&secret);
        server.start_again();
    }
}
