//! Many callers at once on a pool that has opened nothing yet.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::postgres::PostgresManager;
use queuepool::{Pool, Settings};
use r2d2_postgres::PostgresConnectionManager;

use crate::row::{Bar, Row};
use crate::servers::Postgres;
use crate::{Suite, servers_here};

const CALLERS: usize = 64;
const CONNECTIONS: u32 = 10;

/// Its connects take a while, and are counted.
struct Slow {
    connect_takes: Duration,
    connects: Arc<AtomicU32>,
}

impl r2d2::ManageConnection for Slow {
    type Connection = ();
    type Error = Infallible;

    fn connect(&self) -> Result<(), Infallible> {
        self.connects.fetch_add(1, Ordering::Relaxed);
        thread::sleep(self.connect_takes);
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

fn ours<M: queuepool::Manager>(manager: M, connections: u32) -> Pool<M> {
    let settings = Settings::default().pool_size(connections).max_overflow(0);
    let pool = Pool::builder(manager).settings(settings).build();
    pool.expect("a pool")
}

/// r2d2 opens everything when it is built, unless it is told not to.
fn cold_r2d2<M: r2d2::ManageConnection>(manager: M, connections: u32) -> r2d2::Pool<M> {
    let builder = r2d2::Pool::builder().max_size(connections);
    builder.min_idle(Some(0)).build_unchecked(manager)
}

/// Milliseconds until every caller has had a connection and used it.
fn storm(callers: usize, caller: impl Fn() + Sync) -> f64 {
    let together = Barrier::new(callers);
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..callers)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    let began = Instant::now();
                    caller();
                    (began, Instant::now())
                })
            })
            .collect();
        let times = threads.into_iter().map(|thread| thread.join());
        times
            .map(|time| time.expect("a caller"))
            .collect::<Vec<_>>()
    });
    let began = times.iter().map(|(began, _)| *began).min();
    let ended = times.iter().map(|(_, ended)| *ended).max();
    (ended.expect("a caller") - began.expect("a caller")).as_secs_f64() * 1e3
}

pub fn rows(suite: &mut Suite) {
    let name = format!("storms/{CALLERS}-on-{CONNECTIONS}-slow-connects");
    if suite.wants(&name) {
        slow_connects(suite, &name);
    }
    if suite.wants("storms/two-threads-one-slow-connect") {
        connects_of_two_threads(suite, "storms/two-threads-one-slow-connect");
    }
    let name = format!("storms/{CALLERS}-on-{CONNECTIONS}-postgres");
    if suite.wants(&name) {
        match servers_here::postgres() {
            Ok(()) => postgres(suite, &name),
            Err(how) => suite.not_installed(&name, how),
        }
    }
}

/// A connect takes 10 ms, and a connection is used for 1 ms.
fn slow_connects(suite: &mut Suite, name: &str) {
    let manager = || Slow {
        connect_takes: Duration::from_millis(10),
        connects: Arc::default(),
    };
    let use_it = || thread::sleep(Duration::from_millis(1));
    let (mut of_ours, mut of_r2d2) = (Vec::new(), Vec::new());
    for _ in 0..suite.pick(15, 3) {
        let pool = ours(manager(), CONNECTIONS);
        of_ours.push(storm(CALLERS, || {
            let _connection = pool.get().unwrap();
            use_it();
        }));
        let pool = cold_r2d2(manager(), CONNECTIONS);
        of_r2d2.push(storm(CALLERS, || {
            let _connection = pool.get().unwrap();
            use_it();
        }));
    }
    let row = Row::new(format!("{name} all served"), "ms", of_ours);
    suite.add(row.against("r2d2", &of_r2d2, Bar::AtMost(1.0)));
}

/// Two threads get and drop on a pool of 30 while its connects take 50 ms. They need two connections.
fn connects_of_two_threads(suite: &mut Suite, name: &str) {
    let connects_of = |run: &dyn Fn(Slow)| {
        let connects = Arc::new(AtomicU32::new(0));
        run(Slow {
            connect_takes: Duration::from_millis(50),
            connects: connects.clone(),
        });
        f64::from(connects.load(Ordering::Relaxed))
    };
    let length = Duration::from_millis(500);
    let (mut of_ours, mut of_r2d2) = (Vec::new(), Vec::new());
    for _ in 0..suite.pick(7, 1) {
        of_ours.push(connects_of(&|manager| {
            let pool = ours(manager, 30);
            until(length, &|| drop(pool.get().unwrap()));
        }));
        of_r2d2.push(connects_of(&|manager| {
            let pool = cold_r2d2(manager, 30);
            until(length, &|| drop(pool.get().unwrap()));
        }));
    }
    let row = Row::new(format!("{name} connects"), "connects", of_ours).bar(Bar::AtMost(2.0));
    suite.add(row.against("r2d2", &of_r2d2, Bar::AtMost(1.0)));
}

fn until(length: Duration, pair: &(dyn Fn() + Sync)) {
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while began.elapsed() < length {
                    pair();
                }
            });
        }
    });
}

/// Each caller asks `SELECT 1`; a login costs 4,096 rounds of SHA-256 on both sides.
fn postgres(suite: &mut Suite, name: &str) {
    let server = suite.processors.start(Postgres::start);
    let url = server.url();
    let rounds = suite.pick(11, 2);
    let (of_ours, of_r2d2) = suite.processors.measure(|| {
        let (mut of_ours, mut of_r2d2) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let pool = ours(
                PostgresManager::from_url(&url).expect("the server's URL"),
                CONNECTIONS,
            );
            of_ours.push(storm(CALLERS, || {
                pool.get()
                    .unwrap()
                    .simple_query("SELECT 1")
                    .expect("an answer");
            }));
            drop(pool);
            let config = url.parse().expect("the server's URL");
            let pool = cold_r2d2(
                PostgresConnectionManager::new(config, postgres::NoTls),
                CONNECTIONS,
            );
            of_r2d2.push(storm(CALLERS, || {
                pool.get()
                    .unwrap()
                    .simple_query("SELECT 1")
                    .expect("an answer");
            }));
        }
        (of_ours, of_r2d2)
    });
    drop(server);
    let row = Row::new(format!("{name} all served"), "ms", of_ours);
    suite.add(row.against("r2d2", &of_r2d2, Bar::AtMost(1.0)));
}
