//! Numbered rows are committed through the pool while faults strike at random; at the end the book is compared with the
//! table. `QUEUEPOOL_SOAK` says for how many seconds (20 by default, on each of two servers), and `QUEUEPOOL_SEED` chooses
//! the faults (3 by default). A run prints both. The seed does not decide what the server does meanwhile.

mod book;
mod strike;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use queuepool::{Pool, Settings};

use crate::backend::Backend;
use crate::subject::{Session, queuepool};
use crate::table::{Recovery, Row, record};
use book::Book;
use strike::Strikes;
use support::proxy::Proxy;
use support::scripted::{assert_laws, eventually, millis, secs};
use support::servers::{MariaDb, Postgres};
use worker::Crew;

const WORKERS: u64 = 8;

/// No step of a worker takes nearly this long, because no fault does.
const HANG: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings::default()
        .pool_size(3)
        .max_overflow(2)
        .timeout(secs(3))
        .connect_timeout(millis(500))
        .health_check_timeout(millis(500))
}

#[test]
fn every_row_acknowledged_by_postgres_is_there_once_and_none_rolled_back() {
    keep_the_book::<Postgres>();
}

#[test]
fn every_row_acknowledged_by_mariadb_is_there_once_and_none_rolled_back() {
    keep_the_book::<MariaDb>();
}

fn keep_the_book<B: Backend>() {
    let (soak, seed) = (
        from_env("QUEUEPOOL_SOAK", 20),
        from_env("QUEUEPOOL_SEED", 3),
    );
    eprintln!("QUEUEPOOL_SOAK={soak} QUEUEPOOL_SEED={seed}");
    let mut server = B::start();
    // The table has no key, so that a row that is there twice can show.
    let mut bare = B::bare(&server.url()).unwrap();
    bare.run("CREATE TABLE ledger (number BIGINT)").unwrap();
    drop(bare);
    let proxy = Proxy::start(server.port());
    let url = proxy.url(server.port(), &server.url());
    let settings = settings();
    let manager = B::manager(&url, settings.connect_timeout);
    let pool = queuepool(manager, B::Driver::default(), settings);
    let book = Arc::new(Book::default());
    let crew = Crew::start(&pool, &book, seed);

    let mut strikes = Strikes::new(&mut server, &proxy, &pool, Rng::with_seed(seed));
    let end = Instant::now() + secs(soak);
    while Instant::now() < end || !strikes.have_all_struck() {
        strikes.next(&crew);
        crew.goes_on(20);
    }
    let recovery = strikes.longest_recovery();
    eprintln!("{strikes}");
    crew.stop();
    check_the_end::<B>(&server, &pool, &book, recovery, soak);
}

/// Called when the workers have gone and no fault is in effect any more.
fn check_the_end<B: Backend>(
    server: &B,
    pool: &Pool<B::Manager>,
    book: &Book,
    recovery: Duration,
    soak: u64,
) {
    eventually("everything that was under way has ended", || {
        let status = pool.status();
        status.checked_in == status.idle_connections
            && (status.opening_connections, status.abandoned) == (0, 0)
    });
    let status = pool.status();
    assert_laws(&status);
    assert_eq!(
        (status.checked_out, status.waiting_requests),
        (0, 0),
        "{status:#?}"
    );
    let all: Vec<_> = (1..=status.total_capacity)
        .map(|n| match pool.get_timeout(secs(10)) {
            Ok(connection) => connection,
            Err(error) => panic!("place {n}: {error}: {:#?}", pool.status()),
        })
        .collect();
    pool.get_timeout(Duration::ZERO).unwrap_err();
    for mut connection in all {
        connection.run("SELECT 1").unwrap();
    }
    pool.close(secs(10)).unwrap();
    let status = pool.status();
    assert_laws(&status);
    assert_eq!((status.total, status.checked_out), (0, 0), "{status:#?}");
    eventually("no session is left", || server.sessions().is_empty());

    let audit = book.compare(&server.ledger());
    eprintln!("{audit}");
    record(&Row {
        fault: "ledger: faults at random",
        server: B::NAME,
        pool: "queuepool",
        load: format!(
            "{WORKERS} threads on {} connections, {soak} s",
            status.total_capacity
        ),
        callers_saw: audit.words(),
        recovery: Recovery::After(recovery),
        lost: audit.lost.len() as u64,
        doubled: audit.doubled.len() as u64,
        leaked: 0,
    });
    let nothing = Vec::<u64>::new();
    assert_eq!((audit.lost, audit.doubled), (nothing.clone(), nothing));
}

fn from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}
