//! The timings of the load suite, on PostgreSQL, MariaDB and SQLite: what a pool saves, what a checkout costs, and how much
//! work a pool of 100 does for 1,000 threads. `tests/load` asserts the counts.
//!
//! `cargo bench --bench load` starts the servers itself. It exits with an error if a promise is broken: on a server, 50
//! queries through a pool are at least 10 times as fast as with a new connection for each; a query on a reused connection
//! takes under 1 ms (median); 1,000 threads do at least 1,000 operations a second. Pooled and unpooled rounds alternate.

#[path = "../tests/support/servers/mod.rs"]
mod servers;

use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use queuepool::{Database, Mode, Settings};
use servers::{MariaDb, Postgres};

const QUERIES: u32 = 50;
const ROUNDS: usize = 11;
const CHECKOUTS: usize = 2_000;
const THREADS: usize = 1_000;
const OPERATIONS: usize = 10;

const PROMISED_RATIO: f64 = 10.0;
const PROMISED_QUERY: Duration = Duration::from_millis(1);
const PROMISED_OPERATIONS: f64 = 1_000.0;

fn main() -> ExitCode {
    let postgres = Postgres::start_with(&["max_connections=120"]);
    let mut kept = measure("PostgreSQL", &postgres.url(), Some(PROMISED_RATIO));
    drop(postgres);
    let mariadb = MariaDb::start_with(&["--max-connections=120"]);
    kept &= measure("MariaDB", &mariadb.url(), Some(PROMISED_RATIO));
    // Shows how much of the time goes into the rollback at each return.
    let unreset = format!("{}?reset_on_return=never", mariadb.url());
    kept &= measure(
        "MariaDB, reset_on_return=never",
        &unreset,
        Some(PROMISED_RATIO),
    );
    drop(mariadb);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:///{}", folder.path().join("load.db").display());
    kept &= measure("SQLite, queue mode", &url, None);
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns whether all promises were kept. Without a promised ratio, the ratio is only printed.
fn measure(name: &str, url: &str, promised_ratio: Option<f64>) -> bool {
    println!("{name}");
    let ratio = pool_against_no_pool(url);
    let query = sequential(url);
    let operations = thousand_threads(url);
    let kept = [
        promised_ratio.is_none_or(|promised| ratio >= promised),
        query < PROMISED_QUERY,
        operations >= PROMISED_OPERATIONS,
    ];
    if !kept.iter().all(|kept| *kept) {
        println!("  a promise was broken (ratio, query, operations a second): {kept:?}");
    }
    kept.iter().all(|kept| *kept)
}

fn open(url: &str, mode: Mode) -> Database {
    Database::open_with(url, Settings::default().mode(mode)).unwrap()
}

fn query(database: &Database) {
    database.get().unwrap().query_i64("SELECT 1").unwrap();
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn quantile(times: &mut [Duration], quantile: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * quantile).round() as usize]
}

/// How many times as long 50 queries take with a new connection for each.
fn pool_against_no_pool(url: &str) -> f64 {
    let (pooled, unpooled) = (open(url, Mode::Queue), open(url, Mode::Null));
    query(&pooled);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(time(|| (0..QUERIES).for_each(|_| query(&pooled))));
        without.push(time(|| (0..QUERIES).for_each(|_| query(&unpooled))));
    }
    let (with, without) = (quantile(&mut with, 0.5), quantile(&mut without, 0.5));
    let ratio = without.as_secs_f64() / with.as_secs_f64();
    println!(
        "  {QUERIES} queries: pooled {with:.2?}, a new connection for each {without:.2?}, {ratio:.1} times as long"
    );
    ratio
}

/// The median time of a query on a reused connection, including its checkout and checkin.
fn sequential(url: &str) -> Duration {
    let database = open(url, Mode::Queue);
    query(&database);
    let (mut queries, mut checkouts) = (Vec::new(), Vec::new());
    for _ in 0..CHECKOUTS {
        queries.push(time(|| query(&database)));
        let begun = Instant::now();
        let connection = database.get().unwrap();
        checkouts.push(begun.elapsed());
        drop(connection);
    }
    let median = quantile(&mut queries, 0.5);
    println!(
        "  query on a reused connection: median {median:.1?}, p99 {:.1?}",
        quantile(&mut queries, 0.99)
    );
    println!(
        "  checkout alone: median {:.2?}, p99 {:.2?}",
        quantile(&mut checkouts, 0.5),
        quantile(&mut checkouts, 0.99)
    );
    median
}

/// Operations a second of 1,000 threads on a pool of 100 whose connections are already open; one operation is a checkout
/// and a query.
fn thousand_threads(url: &str) -> f64 {
    let settings = Settings::default()
        .pool_size(100)
        .max_overflow(0)
        .mode(Mode::Queue);
    let database = Database::open_with(url, settings).unwrap();
    database.warm_up(100).unwrap();
    let together = Barrier::new(THREADS + 1);
    let mut begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let thread = thread::Builder::new().stack_size(256 * 1024);
            let work = || {
                together.wait();
                (0..OPERATIONS).for_each(|_| query(&database));
            };
            thread.spawn_scoped(scope, work).unwrap();
        }
        // Read before the barrier, so that what some threads do while this one wakes up is timed too.
        begun = Instant::now();
        together.wait();
    });
    let rate = (THREADS * OPERATIONS) as f64 / begun.elapsed().as_secs_f64();
    let status = database.status();
    assert_eq!((status.connection_timeouts, status.checked_out), (0, 0));
    println!(
        "  {THREADS} threads on 100 connections: {rate:.0} operations a second, wait p50 {:.1} ms, p99 {:.1} ms",
        status.connection_acquisition_time.percentile(0.5) * 1e3,
        status.connection_acquisition_time.percentile(0.99) * 1e3
    );
    rate
}
