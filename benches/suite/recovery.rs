//! A server that is killed under load and starts again 2 s later: how long after its first login the callers of each pool are
//! served. Both pools are on the same server at the same time, so both see the same outage.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::{Pool, Settings};
use r2d2_postgres::PostgresConnectionManager;

use crate::row::{Bar, Row};
use crate::selects::R2d2MySql;
use crate::servers::{MariaDb, Postgres, TestServer};
use crate::{Suite, servers_here};

/// Of each pool.
const CALLERS: usize = 8;
const CONNECTIONS: u32 = 4;
const DOWN: Duration = Duration::from_secs(2);
/// Who is not served by then counts as served then.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the callers of one pool noticed.
struct Callers<'a> {
    /// Gets a connection and asks it something. The error is of either.
    ask: &'a (dyn Fn() -> Result<(), ()> + Sync),
    /// When each had its first answer after the server had started again.
    served: Mutex<Vec<Instant>>,
    failures: AtomicU32,
}

impl<'a> Callers<'a> {
    fn new(ask: &'a (dyn Fn() -> Result<(), ()> + Sync)) -> Self {
        Callers {
            ask,
            served: Mutex::default(),
            failures: AtomicU32::new(0),
        }
    }

    fn served(&self) -> Vec<Instant> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.clone()
    }

    fn work(&self, is_down: &AtomicBool, is_starting: &AtomicBool, stop: &AtomicBool) {
        let mut is_served = false;
        while !stop.load(Ordering::Relaxed) {
            let was_starting = is_starting.load(Ordering::Relaxed);
            if (self.ask)().is_err() {
                if is_down.load(Ordering::Relaxed) {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                // As a program would, before it tries again.
                thread::sleep(Duration::from_millis(10));
            } else if (was_starting || is_starting.load(Ordering::Relaxed)) && !is_served {
                is_served = true;
                let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
                served.push(Instant::now());
            }
        }
    }
}

/// Milliseconds from the first login to the first and to the last caller served, and the errors that the callers saw.
struct Outcome {
    first: f64,
    last: f64,
    failures: f64,
}

fn outcome(callers: &Callers, up: Instant) -> Outcome {
    let served = callers.served();
    let milliseconds = |time: Option<&Instant>| {
        let after = time.map_or(PATIENCE, |time| time.saturating_duration_since(up));
        // A clock tick earlier than the bare login is the same time.
        after.max(Duration::from_millis(1)).as_secs_f64() * 1e3
    };
    let last = if served.len() == CALLERS {
        served.iter().max()
    } else {
        None
    };
    Outcome {
        first: milliseconds(served.iter().min()),
        last: milliseconds(last),
        failures: f64::from(callers.failures.load(Ordering::Relaxed)),
    }
}

/// One outage. `login` connects without a pool.
fn outage<S: TestServer + Send>(
    suite: &Suite,
    server: &mut S,
    pools: [&(dyn Fn() -> Result<(), ()> + Sync); 2],
    login: &(dyn Fn() -> bool + Sync),
) -> [Outcome; 2] {
    let callers = pools.map(Callers::new);
    let [is_down, is_starting, stop] = [false; 3].map(AtomicBool::new);
    let up = suite.processors.measure(|| {
        thread::scope(|scope| {
            for callers in &callers {
                for _ in 0..CALLERS {
                    scope.spawn(|| callers.work(&is_down, &is_starting, &stop));
                }
            }
            thread::sleep(Duration::from_millis(300));
            is_down.store(true, Ordering::Relaxed);
            server.kill();
            thread::sleep(DOWN);
            is_starting.store(true, Ordering::Relaxed);
            let first_login = scope.spawn(|| {
                while !login() {
                    thread::sleep(Duration::from_millis(1));
                }
                Instant::now()
            });
            suite.processors.start(|| server.start_again());
            let up = first_login.join().expect("a login");
            while up.elapsed() < PATIENCE
                && callers
                    .iter()
                    .any(|callers| callers.served().len() < CALLERS)
            {
                thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
            up
        })
    });
    callers.each_ref().map(|callers| outcome(callers, up))
}

pub fn rows(suite: &mut Suite) {
    let name = "recovery/postgres";
    if suite.wants(name) {
        match servers_here::postgres() {
            Ok(()) => postgres(suite, name),
            Err(how) => suite.not_installed(name, how),
        }
    }
    let name = "recovery/mariadb";
    if suite.wants(name) {
        match servers_here::mariadb() {
            Ok(()) => mariadb(suite, name),
            Err(how) => suite.not_installed(name, how),
        }
    }
}

fn settings() -> Settings {
    Settings::default().pool_size(CONNECTIONS).max_overflow(0)
}

fn postgres(suite: &mut Suite, name: &str) {
    let mut server = suite.processors.start(Postgres::start);
    let url = server.url();
    let outcomes = (0..suite.pick(7, 1)).map(|_| {
        let manager = PostgresManager::from_url(&url).expect("the server's URL");
        let ours = Pool::builder(manager)
            .settings(settings())
            .build()
            .expect("a pool");
        let config: postgres::Config = url.parse().expect("the server's URL");
        let manager = PostgresConnectionManager::new(config.clone(), postgres::NoTls);
        let r2d2 = r2d2::Pool::builder()
            .max_size(CONNECTIONS)
            .build(manager)
            .expect("a pool");
        let ask =
            |client: &mut postgres::Client| client.simple_query("SELECT 1").map(drop).map_err(drop);
        outage(
            suite,
            &mut server,
            [&|| ask(&mut *ours.get().map_err(drop)?), &|| {
                ask(&mut *r2d2.get().map_err(drop)?)
            }],
            &|| config.connect(postgres::NoTls).is_ok(),
        )
    });
    let outcomes: Vec<[Outcome; 2]> = outcomes.collect();
    drop(server);
    add(suite, name, &outcomes);
}

fn mariadb(suite: &mut Suite, name: &str) {
    let mut server = suite.processors.start(MariaDb::start);
    let url = server.url();
    let opts = mysql::Opts::from_url(&url).expect("the server's URL");
    let outcomes = (0..suite.pick(7, 1)).map(|_| {
        let manager = MySqlManager::from_url(&url).expect("the server's URL");
        let ours = Pool::builder(manager)
            .settings(settings())
            .build()
            .expect("a pool");
        let r2d2 = r2d2::Pool::builder()
            .max_size(CONNECTIONS)
            .build(R2d2MySql(opts.clone()))
            .expect("a pool");
        let ask = |connection: &mut mysql::Conn| connection.query_drop("SELECT 1").map_err(drop);
        outage(
            suite,
            &mut server,
            [&|| ask(&mut *ours.get().map_err(drop)?), &|| {
                ask(&mut *r2d2.get().map_err(drop)?)
            }],
            &|| mysql::Conn::new(opts.clone()).is_ok(),
        )
    });
    let outcomes: Vec<[Outcome; 2]> = outcomes.collect();
    drop(server);
    add(suite, name, &outcomes);
}

fn add(suite: &mut Suite, name: &str, outcomes: &[[Outcome; 2]]) {
    let of = |pool: usize, figure: fn(&Outcome) -> f64| -> Vec<f64> {
        outcomes
            .iter()
            .map(|outcomes| figure(&outcomes[pool]))
            .collect()
    };
    let first = |one: &Outcome| one.first;
    let last = |one: &Outcome| one.last;
    let row = Row::new(format!("{name} first served"), "ms", of(0, first));
    suite.add(row.against("r2d2", &of(1, first), Bar::AtMost(1.0)));
    let row = Row::new(format!("{name} all served"), "ms", of(0, last));
    suite.add(row.against("r2d2", &of(1, last), Bar::AtMost(1.0)));
    // No bar: a pool that lets its callers wait for 30 s reports no error for as long.
    let failures = |one: &Outcome| one.failures;
    let row = Row::new(format!("{name} errors seen"), "errors", of(0, failures));
    suite.add(row.against("r2d2", &of(1, failures), None));
}
