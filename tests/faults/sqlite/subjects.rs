//! The pools that go through the faults.

use std::error::Error as StdError;
use std::path::Path;

use queuepool::sqlite::SqliteManager;
use queuepool::{AnyConnection, Database, ErrorKind, Mode, Settings};

use support::scripted::{assert_laws, secs};

pub const CAPACITY: u32 = 3;

/// The error a caller was told.
#[derive(Debug)]
pub struct Told {
    pub words: String,
    /// COMMIT was sent, so it is not known whether the row is there.
    pub in_doubt: bool,
}

/// A pool that is put through a fault.
pub trait Subject: Sync {
    /// Runs these statements one after the other on one connection. An error in the last one leaves the outcome in doubt.
    fn run(&self, statements: &[&str]) -> Result<(), Told>;
    /// How many connections can be checked out at once without waiting.
    fn capacity(&self) -> u64;
    /// From now on only new connections are used.
    fn start_afresh(&self);
    /// Closes the pool. Returns what is left in users' hands afterwards.
    fn close(self) -> Option<Database>;
}

pub struct Ours(pub Database);

impl Ours {
    /// An error must be of one of two kinds, with the driver's own error as its source, or a timeout.
    fn told(error: &queuepool::Error, in_doubt: bool) -> Told {
        let beneath = error
            .source()
            .and_then(|source| source.downcast_ref::<rusqlite::Error>());
        let code = beneath.and_then(rusqlite::Error::sqlite_error_code);
        let kind = error.kind();
        let clear = match kind {
            ErrorKind::Statement | ErrorKind::Connect => code.is_some(),
            // Four workers share three places.
            ErrorKind::Timeout => true,
            _ => false,
        };
        assert!(clear, "not clear: {error:?}");
        let words = match code {
            Some(code) => format!("{kind:?} ({code:?})"),
            None => format!("{kind:?}"),
        };
        Told { words, in_doubt }
    }
}

impl Subject for Ours {
    fn run(&self, statements: &[&str]) -> Result<(), Told> {
        let mut connection = self.0.get().map_err(|error| Ours::told(&error, false))?;
        for (index, sql) in statements.iter().enumerate() {
            connection
                .execute(sql)
                .map_err(|error| Ours::told(&error, index + 1 == statements.len()))?;
        }
        Ok(())
    }

    fn capacity(&self) -> u64 {
        let status = self.0.status();
        assert_laws(&status);
        assert_eq!(status.checked_out, 0, "{status:#?}");
        let all: Vec<AnyConnection> = std::iter::from_fn(|| self.0.get_timeout(secs(5)).ok())
            .take(CAPACITY as usize)
            .collect();
        all.len() as u64
    }

    fn start_afresh(&self) {
        self.0.invalidate_all();
    }

    fn close(self) -> Option<Database> {
        self.0.close(secs(10)).unwrap();
        let status = self.0.status();
        assert_laws(&status);
        assert_eq!(status.total, 0, "{status:#?}");
        Some(self.0)
    }
}

/// Bare r2d2 over the same manager.
pub struct R2d2(pub r2d2::Pool<SqliteManager>);

impl Subject for R2d2 {
    fn run(&self, statements: &[&str]) -> Result<(), Told> {
        let told = |words: String, in_doubt| Told { words, in_doubt };
        let connection = self
            .0
            .get()
            .map_err(|_| told("r2d2: timed out".to_owned(), false))?;
        for (index, sql) in statements.iter().enumerate() {
            connection.execute_batch(sql).map_err(|error| {
                let code = error.sqlite_error_code();
                // What is not rolled back here stays open in the pool.
                let _may_fail_too = connection.execute_batch("ROLLBACK");
                let words = code.map_or_else(|| error.to_string(), |code| format!("{code:?}"));
                told(words, index + 1 == statements.len())
            })?;
        }
        Ok(())
    }

    fn capacity(&self) -> u64 {
        let all: Vec<_> = std::iter::from_fn(|| self.0.get_timeout(secs(1)).ok())
            .take(CAPACITY as usize)
            .collect();
        all.len() as u64
    }

    /// r2d2 has no such call.
    fn start_afresh(&self) {}

    /// r2d2 offers nothing but being dropped.
    fn close(self) -> Option<Database> {
        None
    }
}

/// queuepool's settings in these tests. Callers give up soon, so that a fault is noticed soon.
pub fn settings(mode: Mode) -> Settings {
    Settings::default()
        .mode(mode)
        .pool_size(CAPACITY)
        .max_overflow(0)
        .timeout(secs(2))
}

pub fn ours(path: &Path, mode: Mode, parameters: &str) -> Ours {
    let url = format!("sqlite:///{}?{parameters}", path.display());
    let database = Database::open_with(&url, settings(mode)).unwrap();
    Ours(database)
}

pub fn r2d2(path: &Path, parameters: &str) -> R2d2 {
    let url = format!("sqlite:///{}?{parameters}", path.display());
    let pool = r2d2::Pool::builder()
        .max_size(CAPACITY)
        .connection_timeout(secs(2))
        .build_unchecked(SqliteManager::from_url(&url).unwrap());
    R2d2(pool)
}
