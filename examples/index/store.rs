//! The table of files. The three databases differ in a clause for the character set and in the upsert.

use queuepool::{Database, Error, Value};

use crate::{Entry, Failure};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS files (
    key_hash CHAR(64) PRIMARY KEY, path TEXT NOT NULL, size BIGINT NOT NULL, modified BIGINT NOT NULL,
    line_count BIGINT, hash CHAR(64), seen BIGINT NOT NULL)";

/// PostgreSQL's, which SQLite understands too, its placeholders included.
const UPSERT: &str =
    "INSERT INTO files VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key_hash) DO UPDATE SET
    size = $3, modified = $4, line_count = $5, hash = $6, seen = $7";

const MYSQL_UPSERT: &str = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE size = VALUES(size),
    modified = VALUES(modified), line_count = VALUES(line_count), hash = VALUES(hash), seen = VALUES(seen)";

pub fn create_table(database: &Database) -> Result<(), Error> {
    let charset = match database.mysql() {
        Some(_) => " DEFAULT CHARSET utf8mb4",
        None => "",
    };
    database
        .get()?
        .execute(&format!("{TABLE}{charset}"))
        .map(drop)
}

/// Stores a batch in one transaction: new files are inserted, known ones updated. Transactions of several threads may
/// deadlock on a server, which then ends one of them; that one is tried again.
pub fn save(database: &Database, run: i64, mut batch: Vec<Entry>) -> Result<(), Failure> {
    batch.sort_by(|a, b| a.key.cmp(&b.key));
    let upsert = match database.mysql() {
        Some(_) => MYSQL_UPSERT,
        None => UPSERT,
    };
    loop {
        let saved: Result<(), Error> = database.get()?.transaction(|connection| {
            for entry in &batch {
                connection.execute_with(upsert, &values(entry, run))?;
            }
            Ok(())
        });
        match saved {
            Err(error) if error.is_conflict() => {}
            saved => return Ok(saved?),
        }
    }
}

fn values(entry: &Entry, run: i64) -> [Value; 7] {
    [
        (&entry.key).into(),
        (&entry.path).into(),
        entry.size.into(),
        entry.modified.into(),
        entry.lines.into(),
        entry.hash.as_ref().into(),
        run.into(),
    ]
}
