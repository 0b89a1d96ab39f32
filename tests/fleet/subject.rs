//! The pools that go through the same trials with the same code: queuepool, and `r2d2::Pool` over managers that know nothing of
//! queuepool: `r2d2_postgres`, and one for MariaDB that does what `r2d2_mysql` does.

use std::fmt;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use queuepool::Database;
use r2d2_postgres::PostgresConnectionManager;

use crate::session::{Session, by_tcp};

/// Why a statement was not carried out.
#[derive(Clone, Debug)]
pub enum Failed {
    /// There was no connection for it.
    Refused(String),
    /// It was sent.
    Sent(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(words) => write!(f, "no connection: {words}"),
            Failed::Sent(words) => write!(f, "statement: {words}"),
        }
    }
}

/// How a pool runs one statement, waiting for a connection for at most that long.
type Write = dyn Fn(&str, Duration) -> Result<(), Failed> + Send + Sync;

/// A pool under test.
pub struct Subject {
    write: Box<Write>,
    /// What the pool recommends; r2d2 says nothing.
    advise: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl Subject {
    pub fn queuepool(database: &Database) -> Subject {
        let (database, advisor) = (database.clone(), database.clone());
        let write = move |sql: &str, patience| {
            let connection = database.get_timeout(patience);
            let mut connection = connection.map_err(|error| Failed::Refused(error.to_string()))?;
            let ran = connection.execute(sql);
            ran.map(drop)
                .map_err(|error| Failed::Sent(error.to_string()))
        };
        Subject {
            write: Box::new(write),
            advise: Box::new(move || advisor.status().recommendations),
        }
    }

    pub fn r2d2(url: &str, max_size: u32) -> Subject {
        if url.starts_with("postgresql:") {
            let config = url.parse().expect("a URL of PostgreSQL");
            let manager = PostgresConnectionManager::new(config, ::postgres::NoTls);
            Self::bare(manager, max_size)
        } else {
            let opts = ::mysql::Opts::from_url(url).expect("a URL of MySQL");
            Self::bare(BareMySql(by_tcp(opts).into()), max_size)
        }
    }

    fn bare<M: r2d2::ManageConnection<Connection: Session>>(manager: M, max_size: u32) -> Subject {
        let pool = r2d2::Pool::builder()
            .max_size(max_size)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(manager);
        let write = move |sql: &str, patience| {
            let connection = pool.get_timeout(patience);
            let mut connection = connection.map_err(|error| Failed::Refused(error.to_string()))?;
            connection.run(sql).map_err(Failed::Sent)
        };
        Subject {
            write: Box::new(write),
            advise: Box::new(Vec::new),
        }
    }

    pub fn write(&self, sql: &str, patience: Duration) -> Result<(), Failed> {
        (self.write)(sql, patience)
    }
    pub fn advice(&self) -> Vec<String> {
        (self.advise)()
    }
}

struct BareMySql(::mysql::Opts);

impl r2d2::ManageConnection for BareMySql {
    type Connection = ::mysql::Conn;
    type Error = ::mysql::Error;

    fn connect(&self) -> Result<::mysql::Conn, ::mysql::Error> {
        ::mysql::Conn::new(self.0.clone())
    }

    fn is_valid(&self, connection: &mut ::mysql::Conn) -> Result<(), ::mysql::Error> {
        connection.query_drop("SELECT version()")
    }

    fn has_broken(&self, connection: &mut ::mysql::Conn) -> bool {
        self.is_valid(connection).is_err()
    }
}
