//! The pools that go through the same faults with the same code: queuepool's pool, and bare `r2d2::Pool` over the same
//! manager.

use std::ops::DerefMut;
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use queuepool::{CloseReason, Driver, Manager, Pool, Settings};

use support::scripted::assert_laws;

/// What the load does with a driver's connection.
pub trait Session: Send + 'static {
    /// Runs one statement to its end.
    fn run(&mut self, sql: &str) -> Result<(), String>;
}

impl Session for ::postgres::Client {
    fn run(&mut self, sql: &str) -> Result<(), String> {
        self.batch_execute(sql).map_err(|error| error.to_string())
    }
}

impl Session for ::mysql::Conn {
    fn run(&mut self, sql: &str) -> Result<(), String> {
        // Not query_drop, which loses an error that comes instead of a row.
        let rows: Result<Vec<::mysql::Row>, _> = self.query(sql);
        rows.map(drop).map_err(|error| error.to_string())
    }
}

/// A pool under test.
pub trait Subject: Send + Sync {
    type Session: Session;

    /// Its name in the table.
    const POOL: &str;

    /// A connection, or a few words on why there is none.
    fn get(&self, timeout: Duration) -> Result<impl DerefMut<Target = Self::Session> + '_, String>;

    /// The most connections that may be out at once.
    fn capacity(&self) -> u32;

    /// How many connections can be checked out at once, all of them within `limit`.
    fn at_once(&self, limit: Duration) -> u32 {
        let deadline = Instant::now() + limit;
        let out: Vec<_> = (0..self.capacity())
            .map_while(|_| {
                self.get(deadline.saturating_duration_since(Instant::now()))
                    .ok()
            })
            .collect();
        out.len() as u32
    }

    /// Commits a numbered row in a transaction that also runs `sql`, if that is not empty.
    fn insert(&self, number: u64, sql: &str, timeout: Duration) -> Round {
        let asked = Instant::now();
        let connection = self.get(timeout);
        let waited = asked.elapsed();
        let end = match connection {
            Ok(mut session) => insert(&mut *session, number, sql),
            Err(error) => End::Refused(error),
        };
        Round {
            number,
            waited,
            end,
        }
    }

    /// Connects that hang and that the pool has given up.
    fn hung(&self) -> u64;

    /// Connections that the pool itself has found to be lost.
    fn found_lost(&self) -> u64;

    /// Checks what must hold for its counters.
    fn check(&self);

    fn close(self);
}

/// One round of the load.
pub struct Round {
    pub number: u64,
    /// The wait for the connection.
    pub waited: Duration,
    pub end: End,
}

pub enum End {
    /// The commit was acknowledged.
    Committed,
    /// A statement before the commit failed.
    RolledBack(String),
    /// The commit failed, but may have been carried out.
    InDoubt(String),
    /// There was no connection.
    Refused(String),
}

fn insert(session: &mut impl Session, number: u64, sql: &str) -> End {
    let insert = format!("INSERT INTO ledger VALUES ({number})");
    for statement in ["BEGIN", &insert, sql] {
        if statement.is_empty() {
            continue;
        }
        if let Err(error) = session.run(statement) {
            return End::RolledBack(error);
        }
    }
    match session.run("COMMIT") {
        Ok(()) => End::Committed,
        Err(error) => End::InDoubt(error),
    }
}

impl<M: Manager<Connection: Session>> Subject for Pool<M> {
    type Session = M::Connection;

    const POOL: &str = "queuepool";

    fn get(&self, timeout: Duration) -> Result<impl DerefMut<Target = M::Connection> + '_, String> {
        self.get_timeout(timeout)
            .map_err(|error| format!("{:?}", error.kind()))
    }

    fn capacity(&self) -> u32 {
        self.settings().pool_size + self.settings().max_overflow
    }

    fn hung(&self) -> u64 {
        self.status().abandoned
    }

    fn found_lost(&self) -> u64 {
        let closed = self.status().closed_by_reason;
        closed.get(&CloseReason::Lost).copied().unwrap_or(0)
    }

    fn check(&self) {
        assert_laws(&self.status());
    }

    fn close(self) {
        Pool::close(&self, Duration::from_secs(10)).unwrap();
    }
}

impl<M: Manager<Connection: Session>> Subject for r2d2::Pool<M> {
    type Session = M::Connection;

    const POOL: &str = "r2d2";

    fn get(&self, timeout: Duration) -> Result<impl DerefMut<Target = M::Connection> + '_, String> {
        self.get_timeout(timeout).map_err(|_| "Timeout".to_owned())
    }

    fn capacity(&self) -> u32 {
        self.max_size()
    }

    fn hung(&self) -> u64 {
        0
    }

    /// r2d2 does not say.
    fn found_lost(&self) -> u64 {
        0
    }

    /// r2d2 has no counters.
    fn check(&self) {}

    /// r2d2 offers nothing but being dropped.
    fn close(self) {}
}

/// A queuepool over a manager and its driver.
pub fn queuepool<M: Manager<Connection: Session>>(
    manager: M,
    driver: impl Driver<M>,
    settings: Settings,
) -> Pool<M> {
    Pool::builder(manager)
        .driver(driver)
        .settings(settings)
        .build()
        .unwrap()
}

/// An r2d2 pool over a manager, as large as queuepool's is with these settings.
pub fn bare_r2d2<M: Manager<Connection: Session>>(
    manager: M,
    settings: &Settings,
) -> r2d2::Pool<M> {
    r2d2::Pool::builder()
        .max_size(settings.pool_size + settings.max_overflow)
        .connection_timeout(settings.timeout)
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build_unchecked(manager)
}
