//! Scenario 22 on real servers: ten connections within the freshness window, all ended by the server.

use std::thread;
use std::time::Duration;

use queuepool::{AnyConnection, CloseReason, Database, Settings};

use crate::pool::{Backend, kill, size};
use support::scripted::{assert_laws, eventually};
use support::servers::on_each;

on_each!([
    of_ten_idle_ones_the_first_statement_fails,
    without_a_word_of_the_holder_the_first_statement_fails,
    of_two_with_a_statement_in_flight_both_fail_and_no_other
]: postgres = Postgres, postgres_newest = NewestPostgres, mariadb = MariaDb, mysql = MySql);

fn settings() -> Settings {
    // A long window, so that no ping is sent on its own account.
    size(10, 0).pre_ping(queuepool::PrePing::IdleFor(Duration::from_secs(60)))
}

/// Opens ten connections. Returns the ids of their sessions.
fn fill<B: Backend>(database: &Database) -> Vec<i64> {
    let mut held: Vec<_> = (0..10).map(|_| database.get().unwrap()).collect();
    let session = |connection: &mut AnyConnection| connection.query_i64(B::SESSION).unwrap();
    held.iter_mut().map(session).collect()
}

/// Runs ten statements, one after another. Returns how many of them failed.
fn failures(database: &Database) -> usize {
    let run = || database.get().unwrap().execute("SELECT 1").is_err();
    (0..10).filter(|_| run()).count()
}

fn assert_ten_new<B: Backend>(database: &Database, before: &[i64]) {
    let after = fill::<B>(database);
    assert!(after.iter().all(|session| !before.contains(session)));
    let status = database.status();
    assert_eq!(status.total_connections_closed, 10, "{status:#?}");
    assert_eq!(status.total_connections_created, 20, "{status:#?}");
    assert_laws(&status);
}

fn of_ten_idle_ones_the_first_statement_fails<B: Backend>() {
    let server = B::start();
    let database = Database::open_with(&server.url(), settings()).unwrap();
    let sessions = fill::<B>(&database);
    kill::<B>(&server.admin(), &sessions);
    assert_eq!(failures(&database), 1);
    assert_ten_new::<B>(&database, &sessions);
}

/// The same through the typed connection, whose errors nobody notes.
fn without_a_word_of_the_holder_the_first_statement_fails<B: Backend>() {
    let server = B::start();
    let database = Database::open_with(&server.url(), settings()).unwrap();
    let sessions = fill::<B>(&database);
    kill::<B>(&server.admin(), &sessions);
    let mut failed = 0;
    for _ in 0..10 {
        let mut connection = database.get().unwrap();
        let is_sound = match connection.postgres() {
            Some(client) => client.simple_query("SELECT 1").is_ok(),
            None => {
                let connection = connection.mysql().expect("one of the two");
                ::mysql::prelude::Queryable::query_drop(&mut **connection, "SELECT 1").is_ok()
            }
        };
        failed += usize::from(!is_sound);
    }
    assert_eq!(failed, 1);
    assert_ten_new::<B>(&database, &sessions);
}

fn of_two_with_a_statement_in_flight_both_fail_and_no_other<B: Backend>() {
    let server = B::start();
    let database = Database::open_with(&server.url(), settings()).unwrap();
    let sessions = fill::<B>(&database);
    thread::scope(|scope| {
        let asleep = [(); 2]
            .map(|()| scope.spawn(|| database.get().unwrap().execute(B::SLEEP).unwrap_err()));
        let admin = server.admin();
        eventually("both sleep", || database.status().checked_out == 2);
        // By then the statements are on their way.
        thread::sleep(Duration::from_millis(200));
        kill::<B>(&admin, &sessions);
        for caller in asleep {
            caller.join().unwrap();
        }
    });
    assert_eq!(failures(&database), 0);
    assert_ten_new::<B>(&database, &sessions);
    let lost = database
        .status()
        .closed_by_reason
        .get(&CloseReason::Lost)
        .copied();
    assert!(
        lost.is_some_and(|lost| lost >= 2),
        "{:?}",
        database.status().closed_by_reason
    );
}
