//! A role that may have a number of connections, most of which other clients hold, and a pool whose callers want many more.

use std::time::Instant;

use queuepool::{Database, Registry};

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::admin;
use crate::session::log_in;
use crate::subject::Subject;
use crate::table::{Row, record};
use support::http_client::Client;
use support::scripted::{millis, secs};
use support::servers::Postgres;

const THREADS: usize = 30;
const LIMIT: usize = 12;
const HELD_BY_OTHERS: usize = 7;

struct Seen {
    outcome: Outcome,
    /// Refused connects in the worst second.
    refused: usize,
}

#[test]
fn callers_go_on_with_what_there_is_and_the_database_is_healthy() {
    let mut health = Vec::new();
    let mut advice = Vec::new();
    let seen = run("queuepool", |url, lasts| {
        let database = Database::open(url).unwrap();
        let registry = Registry::new().add("orders", &database).unwrap();
        let server = queuepool::http::serve("127.0.0.1:0", registry).unwrap();
        let load = Load::start(Subject::queuepool(&database), THREADS);
        while lasts() {
            let answer = Client::connect(server.local_addr()).get("/health/database");
            health.push((answer.status, answer.body));
            std::thread::sleep(millis(50));
        }
        advice = database.status().recommendations;
        load
    });
    let unwell: Vec<_> = health.iter().filter(|(status, _)| *status != 200).collect();
    assert!(
        unwell.is_empty(),
        "{} of {}: {unwell:?}",
        unwell.len(),
        health.len()
    );
    assert!(
        seen.refused <= 10,
        "{} refused connects in a second",
        seen.refused
    );
    assert_eq!(seen.outcome.errors(), 0, "{:#?}", seen.outcome);
    let network = advice.iter().find(|advice| advice.contains("network"));
    assert_eq!(
        network, None,
        "a full server is not reached by another network"
    );
}

#[test]
fn r2d2_beside() {
    run("r2d2", |url, lasts| {
        let load = Load::start(Subject::r2d2(url, THREADS as u32), THREADS);
        while lasts() {
            std::thread::sleep(millis(50));
        }
        load
    });
}

/// Runs a load for as long as the second argument of `open_and_load` says.
fn run(pool: &str, open_and_load: impl FnOnce(&str, &dyn Fn() -> bool) -> Load) -> Seen {
    // %n is the time in seconds.
    let server = Postgres::start_with(&["log_line_prefix=%n %p "]);
    admin(&server)
        .run(&format!("ALTER ROLE app CONNECTION LIMIT {LIMIT}"))
        .unwrap();
    let mut others: Vec<_> = (0..HELD_BY_OTHERS)
        .map(|_| log_in(&server.url()).unwrap())
        .collect();
    others[0]
        .run("CREATE TABLE ledger (number BIGINT)")
        .unwrap();
    let begun = Instant::now();
    let load = open_and_load(&server.url(), &|| begun.elapsed() < secs(5));
    let rounds = load.stop();
    let there = others[0].numbers("SELECT number FROM ledger").unwrap();
    let seen = Seen {
        outcome: Outcome::new(&rounds, &there, begun),
        refused: in_the_worst_second(&refused(&server.log_text())),
    };
    let Seen { outcome, refused } = &seen;
    record(&Row {
        trial: "role full: 30 threads, room for 5",
        server: "PostgreSQL",
        pool,
        seen: &format!(
            "{} written, {} errors; {refused} refused connects in the worst second",
            outcome.written,
            outcome.errors()
        ),
        lost: outcome.lost,
        doubled: outcome.doubled,
    });
    seen
}

/// When the server refused a connection, by its log, in seconds.
fn refused(log: &str) -> Vec<f64> {
    let lines = log
        .lines()
        .filter(|line| line.contains("too many connections for role"));
    let time = |line: &str| line.split(' ').next()?.parse().ok();
    lines
        .map(|line| time(line).expect("each line begins with the time"))
        .collect()
}

fn in_the_worst_second(times: &[f64]) -> usize {
    let within = |from: f64| {
        times
            .iter()
            .filter(|time| (from..from + 1.0).contains(*time))
            .count()
    };
    times.iter().map(|from| within(*from)).max().unwrap_or(0)
}
