//! Where writes are refused for ever, or by some connections only, another connection is no better: the pool must not close
//! one after another.

use std::time::Instant;

use queuepool::{Database, Status};

use crate::agent::Agent;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::{Pair, Replicated, admin};
use crate::session::log_in;
use crate::subject::Subject;
use support::scripted::{assert_laws, secs};
use support::servers::{HaProxy, MariaDb, PgBouncer, Postgres};

const THREADS: usize = 8;
const SECONDS: u64 = 4;

mod postgres {
    use super::*;

    #[test]
    fn a_users_read_only_transaction_closes_nothing() {
        users_transaction::<Postgres>();
    }

    #[test]
    fn on_a_standby_one_connection_a_second_is_closed() {
        standby_by_mistake::<Postgres>();
    }

    #[test]
    fn on_a_replica_on_purpose_nothing_is_closed() {
        replica_on_purpose::<Postgres>();
    }

    #[test]
    fn with_both_roles_behind_one_address_one_connection_a_second_is_closed() {
        both_roles::<Postgres>();
    }
}

mod mariadb {
    use super::*;

    #[test]
    fn a_users_read_only_transaction_closes_nothing() {
        users_transaction::<MariaDb>();
    }

    #[test]
    fn on_a_standby_one_connection_a_second_is_closed() {
        standby_by_mistake::<MariaDb>();
    }

    #[test]
    fn on_a_replica_on_purpose_nothing_is_closed() {
        replica_on_purpose::<MariaDb>();
    }

    #[test]
    fn with_both_roles_behind_one_address_one_connection_a_second_is_closed() {
        both_roles::<MariaDb>();
    }
}

fn users_transaction<S: Replicated>() {
    let server = S::start();
    create_ledger(&server);
    let database = Database::open(&server.url()).unwrap();
    let mut connection = database.get().unwrap();
    connection.execute("START TRANSACTION READ ONLY").unwrap();
    connection
        .execute("INSERT INTO ledger VALUES (1)")
        .unwrap_err();
    drop(connection);
    database
        .get()
        .unwrap()
        .execute("INSERT INTO ledger VALUES (2)")
        .unwrap();
    let status = database.status();
    assert_eq!(
        (
            status.total_connections_created,
            status.total_connections_closed
        ),
        (1, 0)
    );
}

fn standby_by_mistake<S: Replicated>() {
    let pair = Pair::<S>::start();
    create_ledger(&pair.primary);
    S::catch_up(&pair.primary, &pair.standby);
    let (outcome, status) = writes_fail(&pair.standby.url(), |_, _| {});
    assert_eq!(outcome.written, 0, "{outcome:#?}");
    assert_one_a_second(&status);
}

fn replica_on_purpose<S: Replicated>() {
    let pair = Pair::<S>::start();
    create_ledger(&pair.primary);
    S::catch_up(&pair.primary, &pair.standby);
    let (outcome, status) = writes_fail(
        &format!("{}?pool_role=replica", pair.standby.url()),
        |_, _| {},
    );
    assert_eq!(outcome.written, 0, "{outcome:#?}");
    assert_eq!(status.total_connections_closed, 0, "{status:#?}");
}

/// As behind the reader endpoint of a cluster with one replica.
fn both_roles<S: Replicated>() {
    let pair = Pair::<S>::start();
    create_ledger(&pair.primary);
    S::catch_up(&pair.primary, &pair.standby);
    let up =
        [&pair.primary, &pair.standby].map(|server| Agent::start(server.admin_url(), "SELECT 1"));
    let proxy = HaProxy::start(&[
        (pair.primary.port(), up[0].port()),
        (pair.standby.port(), up[1].port()),
    ]);
    let (server, port) = (pair.primary.port(), proxy.port());
    let url = pair
        .primary
        .url()
        .replace(&format!(":{server}/"), &format!(":{port}/"));
    let (outcome, status) = writes_fail(&url, |_, _| {});
    assert!(outcome.written > 0, "{outcome:#?}");
    // The first refusal may be taken for a switch-over, once, as long as no login has shown that there are both kinds.
    let most = status.uptime.as_secs() + 1 + status.peak_total;
    assert!(status.total_connections_closed <= most, "{status:#?}");
}

#[test]
fn with_a_role_that_is_read_only_by_intent_one_connection_a_second_is_closed() {
    let server = Postgres::start();
    create_ledger(&server);
    let sql = "ALTER ROLE app SET default_transaction_read_only = on";
    admin(&server).run(sql).unwrap();
    let (_, status) = writes_fail(&server.url(), |_, _| {});
    assert_one_a_second(&status);
}

/// Connections to PgBouncer can be replaced as often as one likes: those that it has to the server stay what they are.
#[test]
fn behind_pgbouncer_two_replacements_are_tried_and_the_advice_names_reconnect() {
    let server = Postgres::start();
    create_ledger(&server);
    let bouncer = PgBouncer::start(&server, "transaction");
    let mut advice = Vec::new();
    let (outcome, status) = writes_fail(&bouncer.url(), |load, database| {
        load.is_under_way();
        crate::fence::set_read_only(&server, "on");
        std::thread::sleep(secs(SECONDS));
        advice = database.status().recommendations;
    });
    assert!(outcome.written > 0, "{outcome:#?}");
    // Besides, one a second is closed, and logins that lead to the same server, at most ten a second.
    let most = 2 * status.peak_total + SECONDS + 1 + 10 * SECONDS;
    assert!(status.total_connections_closed <= most, "{status:#?}");
    assert!(
        advice.iter().any(|advice| advice.contains("RECONNECT")),
        "{advice:?}"
    );
}

fn create_ledger(server: &impl Replicated) {
    let mut owner = log_in(&server.url()).unwrap();
    owner.run("CREATE TABLE ledger (number BIGINT)").unwrap();
}

/// Runs 8 threads that write, of which some or all fail, for some seconds beside `meanwhile`.
fn writes_fail(url: &str, meanwhile: impl FnOnce(&Load, &Database)) -> (Outcome, Status) {
    let database = Database::open(url).unwrap();
    let begun = Instant::now();
    let load = Load::start(Subject::queuepool(&database), THREADS);
    meanwhile(&load, &database);
    std::thread::sleep(secs(SECONDS).saturating_sub(begun.elapsed()));
    let rounds = load.stop();
    let status = database.status();
    assert_laws(&status);
    let outcome = Outcome::new(&rounds, &[], begun);
    assert!(outcome.errors() > 10 * THREADS, "{outcome:#?}");
    (outcome, status)
}

fn assert_one_a_second(status: &Status) {
    // Reckoned from the first of them, so one more than seconds have passed.
    let most = status.uptime.as_secs() + 1;
    assert!(status.total_connections_closed <= most, "{status:#?}");
}
