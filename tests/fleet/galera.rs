//! A Galera node that has lost its cluster: it takes connections, and answers "WSREP has not yet prepared node for application
//! use" (1047) to nearly everything.

use std::time::Instant;

use queuepool::Database;

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::admin;
use crate::session::{Session, log_in};
use crate::subject::Subject;
use crate::table::{Row, record};
use support::scripted::{millis, secs};
use support::servers::{MariaDb, free_port};

const THREADS: usize = 8;

#[test]
fn writes_are_good_within_a_second_of_its_being_ready() {
    let outcome = run("queuepool", |url| {
        Subject::queuepool(&Database::open(url).unwrap())
    });
    assert!(
        outcome.good_again.is_some_and(|time| time <= secs(1)),
        "{outcome:#?}"
    );
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{outcome:#?}");
}

#[test]
fn r2d2_beside() {
    run("r2d2", |url| Subject::r2d2(url, 10));
}

fn run(pool: &str, open: impl Fn(&str) -> Subject) -> Outcome {
    let node = MariaDb::start_galera_node();
    let mut admin = admin(&node);
    is_ready(&mut *admin, true);
    let mut owner = log_in(&node.url()).unwrap();
    owner.run("CREATE TABLE ledger (number BIGINT)").unwrap();
    let load = Load::start(open(&node.url()), THREADS);
    load.is_under_way();
    // It leaves its cluster for one whose other nodes do not answer.
    let nobody = free_port();
    let join = format!("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:{nobody}'");
    admin.run(&join).unwrap();
    is_ready(&mut *admin, false);
    let left = Instant::now();
    load.each_fails(left, secs(2));
    std::thread::sleep(secs(2).saturating_sub(left.elapsed()));
    admin
        .run("SET GLOBAL wsrep_cluster_address = 'gcomm://'")
        .unwrap();
    is_ready(&mut *admin, true);
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

/// Waits until the node says whether it is ready.
fn is_ready(admin: &mut dyn Session, is_so: bool) {
    let expected = if is_so { "ON" } else { "OFF" };
    let limit = Instant::now() + secs(20);
    while admin.text("SHOW STATUS LIKE 'wsrep_ready'") != Ok(expected.to_owned()) {
        assert!(
            Instant::now() < limit,
            "wsrep_ready never becomes {expected}"
        );
        std::thread::sleep(millis(5));
    }
}
