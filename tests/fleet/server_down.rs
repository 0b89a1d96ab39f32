//! 500 callers want a connection while every connect is refused for six seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::Database;

use crate::outcome::Time;
use crate::subject::Subject;
use crate::table::{Row, record};
use support::proxy::{Mode, Proxy};
use support::scripted::{millis, secs};
use support::servers::Postgres;

const CALLERS: usize = 500;

/// The default of both pools.
const PATIENCE: Duration = Duration::from_secs(30);

/// The least that the default retry policy takes: half of 0.5 s + 1 s + 2 s + 4 s.
const FIVE_ATTEMPTS: Duration = Duration::from_millis(3_750);

struct Seen {
    connects: usize,
    /// From the end of the outage.
    first_good: Duration,
    /// For each caller who was told an error, after which time.
    told: Vec<Duration>,
}

#[test]
fn they_make_100_connects_and_the_first_is_served_within_150_ms_of_the_end() {
    let seen = run("queuepool", |url| {
        Subject::queuepool(&Database::open(url).unwrap())
    });
    assert!(seen.connects <= 100, "{} connects", seen.connects);
    assert!(seen.first_good <= millis(150), "{:?}", seen.first_good);
    let first_told = seen.told.iter().min();
    assert!(
        first_told.is_none_or(|time| *time >= FIVE_ATTEMPTS),
        "{first_told:?}"
    );
}

#[test]
fn r2d2_beside() {
    run("r2d2", |url| Subject::r2d2(url, 30));
}

fn run(pool: &str, open: impl Fn(&str) -> Subject) -> Seen {
    let server = Postgres::start();
    let proxy = Proxy::start(server.port());
    proxy.set(Mode::Cut);
    let subject = Arc::new(open(&proxy.url(server.port(), &server.url())));
    // When each caller's wait ended, and whether well.
    let ends = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (subject, ends) = (subject.clone(), ends.clone());
            std::thread::spawn(move || {
                let is_good = subject.write("SELECT 1", PATIENCE).is_ok();
                ends.lock().push((Instant::now(), is_good));
            })
        })
        .collect();
    std::thread::sleep(secs(6));
    let connects = proxy.connects();
    let end = Instant::now();
    proxy.set(Mode::Pass);
    for caller in callers {
        caller.join().unwrap();
    }
    let ends = std::mem::take(&mut *ends.lock());
    let good = ends.iter().filter(|(_, is_good)| *is_good);
    let seen = Seen {
        connects,
        first_good: good.map(|(when, _)| *when - end).min().unwrap_or(PATIENCE),
        told: ends
            .iter()
            .filter(|(_, is_good)| !is_good)
            .map(|(when, _)| *when - begun)
            .collect(),
    };
    let last = ends
        .iter()
        .map(|(when, _)| *when - end)
        .max()
        .unwrap_or_default();
    record(&Row {
        trial: "500 callers, every connect refused for 6 s",
        server: "PostgreSQL",
        pool,
        seen: &format!(
            "{connects} connects; first good checkout {} after the end, the last caller after {}; {} told an error",
            Time(seen.first_good),
            Time(last),
            seen.told.len()
        ),
        lost: 0,
        doubled: 0,
    });
    seen
}
