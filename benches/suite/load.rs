//! What a pool saves, and how much work a pool of 100 does for 1,000 threads, on each database. `tests/load` asserts the counts of
//! the same work.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use queuepool::{AnyConnection, Database, Mode, Settings};

use crate::measure::time;
use crate::row::{Bar, Row};
use crate::servers::{MariaDb, Postgres};
use crate::{Suite, servers_here};

const QUERIES: u32 = 50;
const THREADS: usize = 1_000;
const OPERATIONS: usize = 10;

/// Promised on a server: a connection each takes 10 times as long.
const OF_A_CONNECTION_EACH: f64 = 0.1;
/// Promised everywhere, in microseconds.
const QUERY: f64 = 1_000.0;
/// Promised everywhere, in a second.
const OPERATIONS_A_SECOND: f64 = 1_000.0;

pub fn rows(suite: &mut Suite) {
    let name = "load/postgres";
    if suite.wants(name) {
        match servers_here::postgres() {
            Ok(()) => {
                let server = suite
                    .processors
                    .start(|| Postgres::start_with(&["max_connections=120"]));
                on(suite, name, &server.url(), true);
            }
            Err(how) => suite.not_installed(name, how),
        }
    }
    let names = ["load/mariadb", "load/mariadb-unreset"];
    if names.iter().any(|name| suite.wants(name)) {
        match servers_here::mariadb() {
            Ok(()) => {
                let server = suite
                    .processors
                    .start(|| MariaDb::start_with(&["--max-connections=120"]));
                let unreset = format!("{}?reset_on_return=never", server.url());
                for (name, url) in names.into_iter().zip([server.url(), unreset]) {
                    if suite.wants(name) {
                        on(suite, name, &url, true);
                    }
                }
            }
            Err(how) => suite.not_installed("load/mariadb", how),
        }
    }
    let name = "load/sqlite-queue-mode";
    if suite.wants(name) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:///{}", folder.path().join("load.db").display());
        on(suite, name, &url, false);
    }
}

fn open(url: &str, settings: Settings) -> Database {
    Database::open_with(url, settings).expect("a database")
}

fn query(database: &Database) {
    ask(&mut database.get().expect("a connection"));
}

fn ask(connection: &mut AnyConnection) {
    connection.query_i64("SELECT 1").expect("an answer");
}

fn on(suite: &mut Suite, name: &str, url: &str, is_server: bool) {
    let (rounds, storms) = (suite.pick(11, 3), suite.pick(3, 1));
    let (pooled, unpooled, held, rates) = suite.processors.measure(|| {
        let pool = open(url, Settings::default().mode(Mode::Queue));
        let no_pool = open(url, Settings::default().mode(Mode::Null));
        let mut connection = pool.get().expect("a connection");
        query(&pool);
        let each = |query: &mut dyn FnMut()| {
            let all = time(|| (0..QUERIES).for_each(|_| query()));
            all / f64::from(QUERIES) / 1e3
        };
        let (mut pooled, mut unpooled, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            pooled.push(each(&mut || query(&pool)));
            unpooled.push(each(&mut || query(&no_pool)));
            held.push(each(&mut || ask(&mut connection)));
        }
        drop((connection, pool, no_pool));
        let rates: Vec<f64> = (0..storms).map(|_| thousand_threads(url)).collect();
        (pooled, unpooled, held, rates)
    });
    let bar = is_server.then_some(Bar::AtMost(OF_A_CONNECTION_EACH));
    let row = Row::new(format!("{name} query"), "us", pooled).bar(Bar::AtMost(QUERY));
    suite.add(
        row.against("one each", &unpooled, bar)
            .against("held", &held, None),
    );
    // What a pool without any cost would reach.
    let row = Row::new(format!("{name} held"), "us", held);
    suite.add(row.against("one each", &unpooled, None));
    let row = Row::new(format!("{name} 1000-on-100"), "1/s", rates);
    suite.add(row.bar(Bar::AtLeast(OPERATIONS_A_SECOND)));
}

/// Operations a second of 1,000 threads on a pool of 100 whose connections are open already; one operation is a checkout and a
/// query.
fn thousand_threads(url: &str) -> f64 {
    let settings = Settings::default()
        .pool_size(100)
        .max_overflow(0)
        .mode(Mode::Queue);
    let database = open(url, settings);
    database.warm_up(100).expect("100 connections");
    let together = Barrier::new(THREADS + 1);
    let mut begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let thread = thread::Builder::new().stack_size(256 * 1024);
            let work = || {
                together.wait();
                (0..OPERATIONS).for_each(|_| query(&database));
            };
            thread.spawn_scoped(scope, work).expect("a thread");
        }
        // Read before the barrier, so that what some threads do while this one wakes up is timed too.
        begun = Instant::now();
        together.wait();
    });
    let rate = (THREADS * OPERATIONS) as f64 / begun.elapsed().as_secs_f64();
    let status = database.status();
    assert_eq!((status.connection_timeouts, status.checked_out), (0, 0));
    rate
}
