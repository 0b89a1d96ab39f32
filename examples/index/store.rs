//! The table of files, stored through each of the three drivers.

use queuepool::{Database, Error};

use crate::{Entry, Failure};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS files (
    key_hash CHAR(64) PRIMARY KEY, path TEXT NOT NULL, size BIGINT NOT NULL, modified BIGINT NOT NULL,
    line_count BIGINT, hash CHAR(64), seen BIGINT NOT NULL)";

pub fn create_table(database: &Database) -> Result<(), Error> {
    let charset = if database.mysql().is_some() {
        " DEFAULT CHARSET utf8mb4"
    } else {
        ""
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
    loop {
        match save_once(database, run, &batch) {
            Err(error) if is_deadlock(&*error) => {}
            saved => return saved,
        }
    }
}

/// Whether the server ended this transaction to resolve a deadlock.
fn is_deadlock(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<postgres::Error>() {
        return error.code() == Some(&postgres::error::SqlState::T_R_DEADLOCK_DETECTED);
    }
    matches!(error.downcast_ref(), Some(mysql::Error::MySqlError(error)) if error.code == 1213)
}

fn save_once(database: &Database, run: i64, batch: &[Entry]) -> Result<(), Failure> {
    if let Some(pool) = database.postgres() {
        save_postgres(&mut *pool.get()?, run, batch)?;
    } else if let Some(pool) = database.mysql() {
        save_mysql(&mut *pool.get()?, run, batch)?;
    } else if let Some(pool) = database.sqlite() {
        save_sqlite(&mut *pool.get()?, run, batch)?;
    }
    Ok(())
}

fn save_sqlite(
    connection: &mut rusqlite::Connection,
    run: i64,
    batch: &[Entry],
) -> rusqlite::Result<()> {
    let transaction = queuepool::sqlite::immediate(connection)?;
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (key_hash) DO UPDATE SET
         size = ?3, modified = ?4, line_count = ?5, hash = ?6, seen = ?7",
    )?;
    for entry in batch {
        let Entry {
            key,
            path,
            size,
            modified,
            lines,
            hash,
        } = entry;
        upsert.execute(rusqlite::params![
            key, path, size, modified, lines, hash, run
        ])?;
    }
    drop(upsert);
    transaction.commit()
}

fn save_postgres(
    client: &mut postgres::Client,
    run: i64,
    batch: &[Entry],
) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    let upsert = transaction.prepare(
        "INSERT INTO files VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key_hash) DO UPDATE SET
         size = $3, modified = $4, line_count = $5, hash = $6, seen = $7",
    )?;
    for entry in batch {
        let Entry {
            key,
            path,
            size,
            modified,
            lines,
            hash,
        } = entry;
        transaction.execute(&upsert, &[key, path, size, modified, lines, hash, &run])?;
    }
    transaction.commit()
}

fn save_mysql(connection: &mut mysql::Conn, run: i64, batch: &[Entry]) -> mysql::Result<()> {
    use mysql::prelude::Queryable;
    let mut transaction = connection.start_transaction(mysql::TxOpts::default())?;
    transaction.exec_batch(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE size = VALUES(size),
         modified = VALUES(modified), line_count = VALUES(line_count), hash = VALUES(hash), seen = VALUES(seen)",
        batch.iter().map(|entry| {
            let Entry { key, path, size, modified, lines, hash } = entry;
            (key, path, size, modified, lines, hash, run)
        }),
    )?;
    transaction.commit()
}

/// Rows made of a text and a number.
pub fn rows(database: &Database, sql: &str) -> Result<Vec<(String, i64)>, Failure> {
    if let Some(pool) = database.postgres() {
        let rows = pool.get()?.query(sql, &[])?;
        return Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect());
    }
    if let Some(pool) = database.mysql() {
        use mysql::prelude::Queryable;
        return Ok(pool.get()?.query(sql)?);
    }
    let pool = database.sqlite().expect("queuepool has three drivers");
    let connection = pool.get()?;
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
