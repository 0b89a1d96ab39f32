//! A role that may have a number of connections, most of which other clients hold, and a pool whose callers want many more.

use std::time::{Duration, Instant};

use queuepool::{Database, Registry};

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::{Replicated, admin};
use crate::session::log_in;
use crate::subject::Subject;
use crate::table::{Row, record};
use support::http_client::Client;
use support::scripted::{millis, secs};
use support::servers::{MariaDb, Postgres};

const THREADS: usize = 30;
const LIMIT: usize = 12;
const HELD_BY_OTHERS: usize = 7;
const LASTS: Duration = Duration::from_secs(5);

/// How the limit is set, and where the connects that it refused are seen.
trait Limited: Replicated {
    const SET_LIMIT: &str;
    /// What is added to queuepool's URL; r2d2's manager here does so by itself.
    const PARAMETERS: &str = "";
    /// How many were refused so far.
    fn refused(&self) -> u64;
}

impl Limited for Postgres {
    const SET_LIMIT: &str = "ALTER ROLE app CONNECTION LIMIT";

    fn refused(&self) -> u64 {
        let log = self.log_text();
        log.matches("too many connections for role").count() as u64
    }
}

impl Limited for MariaDb {
    const SET_LIMIT: &str =
        "ALTER USER 'app'@'127.0.0.1', 'app'@'localhost' WITH MAX_USER_CONNECTIONS";
    /// The server counts every login that comes to nothing. Where it is on the client's own machine, the driver logs in a second
    /// time, through the socket, and to ask for TLS of a server that has none is such a login too.
    const PARAMETERS: &str = "?prefer_socket=false&ssl-mode=DISABLED";

    fn refused(&self) -> u64 {
        let status = admin(self).text("SHOW GLOBAL STATUS LIKE 'Aborted_connects'");
        status.unwrap().parse().unwrap()
    }
}

mod postgres {
    use super::*;

    #[test]
    fn callers_go_on_with_what_there_is_and_the_database_is_healthy() {
        queuepool::<Postgres>();
    }

    #[test]
    fn r2d2_beside() {
        r2d2::<Postgres>();
    }
}

mod mariadb {
    use super::*;

    #[test]
    fn callers_go_on_with_what_there_is_and_the_database_is_healthy() {
        queuepool::<MariaDb>();
    }

    #[test]
    fn r2d2_beside() {
        r2d2::<MariaDb>();
    }
}

struct Seen {
    outcome: Outcome,
    /// Refused connects in the worst second.
    refused: u64,
}

fn queuepool<S: Limited>() {
    let mut health = Vec::new();
    let mut advice = Vec::new();
    let seen = run::<S>("queuepool", |url, goes_on| {
        let database = Database::open(&format!("{url}{}", S::PARAMETERS)).unwrap();
        let registry = Registry::new().add("orders", &database).unwrap();
        let server = ::queuepool::http::serve("127.0.0.1:0", registry).unwrap();
        let load = Load::start(Subject::queuepool(&database), THREADS);
        while goes_on() {
            let answer = Client::connect(server.local_addr()).get("/health/database");
            health.push((answer.status, answer.body));
        }
        advice = database.status().recommendations;
        load
    });
    let all = health.len();
    health.retain(|(status, _)| *status != 200);
    assert!(health.is_empty(), "{} of {all}: {health:?}", health.len());
    assert!(seen.refused <= 10, "{} refused in a second", seen.refused);
    assert_eq!(seen.outcome.errors(), 0, "{:#?}", seen.outcome);
    // That is where an outage would send people.
    let network = advice.iter().find(|advice| advice.contains("network"));
    assert_eq!(network, None);
}

fn r2d2<S: Limited>() {
    run::<S>("r2d2", |url, goes_on| {
        let load = Load::start(Subject::r2d2(url, THREADS as u32), THREADS);
        while goes_on() {}
        load
    });
}

/// Runs a load for as long as the second argument of `open_and_load` says, which also counts what the server refuses.
fn run<S: Limited>(
    pool: &str,
    open_and_load: impl FnOnce(&str, &mut dyn FnMut() -> bool) -> Load,
) -> Seen {
    let server = S::start();
    let set_limit = format!("{} {LIMIT}", S::SET_LIMIT);
    admin(&server).run(&set_limit).unwrap();
    let mut others: Vec<_> = (0..HELD_BY_OTHERS)
        .map(|_| log_in(&server.url()).unwrap())
        .collect();
    others[0]
        .run("CREATE TABLE ledger (number BIGINT)")
        .unwrap();
    let begun = Instant::now();
    let mut counts = Vec::new();
    let load = open_and_load(&server.url(), &mut || {
        counts.push((Instant::now(), server.refused()));
        std::thread::sleep(millis(50));
        begun.elapsed() < LASTS
    });
    let rounds = load.stop();
    let there = others[0].numbers("SELECT number FROM ledger").unwrap();
    let outcome = Outcome::new(&rounds, &there, begun);
    let refused = in_the_worst_second(&counts);
    record(&Row {
        trial: "role full: 30 threads, room for 5",
        server: S::NAME,
        pool,
        seen: &format!(
            "{} written, {} errors; {refused} refused connects in the worst second",
            outcome.written,
            outcome.errors()
        ),
        lost: outcome.lost,
        doubled: outcome.doubled,
    });
    Seen { outcome, refused }
}

/// Takes the count at each of some moments.
fn in_the_worst_second(counts: &[(Instant, u64)]) -> u64 {
    let from = |(begin, before): &(Instant, u64)| {
        let within = counts.iter().filter(|(at, _)| *at <= *begin + secs(1));
        within.map(|(_, count)| count.saturating_sub(*before)).max()
    };
    counts.iter().filter_map(from).max().unwrap_or(0)
}
