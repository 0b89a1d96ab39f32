//! A Galera node that has lost the other half of its cluster. It takes connections, keeps those it has, and answers nearly
//! everything with "WSREP has not yet prepared node for application use" (1047).

use std::cell::RefCell;
use std::time::Instant;

use queuepool::Database;

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::admin;
use crate::session::{Session, log_in};
use crate::subject::Subject;
use crate::table::{Row, record};
use support::scripted::{millis, secs};
use support::servers::MariaDb;

const THREADS: usize = 8;

#[test]
fn writes_are_good_within_a_second_of_its_being_ready() {
    let status = RefCell::new(None);
    let outcome = run("queuepool", |url| {
        let database = Database::open(url).unwrap();
        let subject = Subject::queuepool(&database);
        *status.borrow_mut() = Some(database);
        subject
    });
    assert!(
        outcome.good_again.is_some_and(|time| time <= secs(1)),
        "{outcome:#?}"
    );
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{outcome:#?}");
    // Callers wait for a login that is let in; those in flight get the node's own words.
    assert!(outcome.errors() <= THREADS, "{outcome:#?}");
    let last_error = status
        .take()
        .and_then(|database| database.status().last_error);
    assert!(
        last_error.is_some_and(|error| error.contains("WSREP has not yet prepared node")),
        "{outcome:#?}"
    );
}

#[test]
fn r2d2_beside() {
    run("r2d2", |url| Subject::r2d2(url, 10));
}

fn run(pool: &str, open: impl Fn(&str) -> Subject) -> Outcome {
    let [node, mut other] = MariaDb::start_galera_cluster();
    let mut admin = admin(&node);
    until(&mut *admin, "wsrep_cluster_size", "2");
    until(&mut *admin, "wsrep_ready", "ON");
    let mut owner = log_in(&node.url()).unwrap();
    owner.run("CREATE TABLE ledger (number BIGINT)").unwrap();
    let load = Load::start(open(&node.url()), THREADS);
    load.is_under_way();
    other.kill();
    until(&mut *admin, "wsrep_ready", "OFF");
    let lost = Instant::now();
    load.each_fails(lost, secs(2));
    std::thread::sleep(secs(2).saturating_sub(lost.elapsed()));
    // An administrator says that the other half is gone for good.
    admin
        .run("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
        .unwrap();
    until(&mut *admin, "wsrep_ready", "ON");
    let ready = Instant::now();
    load.settles(ready, secs(4));
    let rounds = load.stop();
    let there = owner.numbers("SELECT number FROM ledger").unwrap();
    let outcome = Outcome::new(&rounds, &there, ready);
    record(&Row {
        trial: "Galera node without a quorum for 2 s",
        server: "MariaDB",
        pool,
        seen: &outcome,
        lost: outcome.lost,
        doubled: outcome.doubled,
    });
    outcome
}

/// Waits until the node says this of its status.
fn until(admin: &mut dyn Session, variable: &str, expected: &str) {
    let limit = Instant::now() + secs(20);
    let sql = format!("SHOW STATUS LIKE '{variable}'");
    while admin.text(&sql) != Ok(expected.to_owned()) {
        assert!(
            Instant::now() < limit,
            "{variable} never becomes {expected}"
        );
        std::thread::sleep(millis(5));
    }
}
