//! What the tests of SQLite's manager and driver share.

use std::path::{Path, PathBuf};

use queuepool::Driver;
use queuepool::Settings;
use queuepool::sqlite::{self, SqliteDriver, SqliteManager};
use r2d2::ManageConnection;
use rusqlite::Connection;

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

pub fn pragma(conn: &Connection, name: &str) -> String {
    conn.query_row(&format!("PRAGMA {name}"), [], |row| {
        row.get_ref(0).map(|value| match value {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            value => value.as_str().unwrap().to_owned(),
        })
    })
    .unwrap()
}

pub fn count(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

pub fn with_table(manager: &SqliteManager) -> Connection {
    let conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (v)").unwrap();
    conn
}

pub fn prepared(mut manager: SqliteManager, settings: &Settings) -> (SqliteManager, SqliteDriver) {
    let mut driver = SqliteDriver::default();
    driver.prepare(&mut manager, "test", settings).unwrap();
    (manager, driver)
}

/// Eight threads, `rounds` times each: open, write one row in a transaction, close.
pub fn eight_threads_write(manager: &SqliteManager, rounds: usize) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let mut conn = manager.connect().unwrap();
                    let transaction = sqlite::immediate(&mut conn).unwrap();
                    transaction.execute("INSERT INTO t VALUES (1)", []).unwrap();
                    transaction.commit().unwrap();
                }
            });
        }
    });
}
