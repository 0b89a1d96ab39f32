//! What all connects of one manager have in common. It is built once, because a connect takes some 35 µs and is all that null mode
//! does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use r2d2::ManageConnection;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::manager::SqliteManager;
use super::place::Place;

/// While connecting, `persist` does the waiting, because it knows the deadline. SQLite's own wait of this length comes first,
/// because it retries in finer steps.
const BUSY_WHILE_CONNECTING: Duration = Duration::from_millis(20);

/// What all connects of one manager have in common.
pub(super) struct Opener {
    pub(super) path: PathBuf,
    source: SqliteConnectionManager,
    /// The pragmas of each connection, as one text; it may be empty.
    sql: String,
    /// Not in the text, since SQLite has a call for it, which needs no statement. The bundled build has it on by default, but a
    /// build of the system's may not.
    foreign_keys: Option<bool>,
    busy_limit: Duration,
}

impl Opener {
    pub(super) fn new(manager: &SqliteManager, path: PathBuf) -> Self {
        let mut flags = manager.flags;
        let file = if manager.passed_on.is_empty() {
            path.clone()
        } else {
            flags |= OpenFlags::SQLITE_OPEN_URI;
            PathBuf::from(uri(&path, &manager.passed_on))
        };
        let never_sync = matches!(manager.place, Place::Memory { .. });
        Opener {
            path,
            source: SqliteConnectionManager::file(file).with_flags(flags),
            sql: manager.pragmas.per_connection(never_sync),
            foreign_keys: manager.pragmas.foreign_keys,
            busy_limit: manager.pragmas.busy_limit(),
        }
    }

    /// A connection without its pragmas.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        let conn = self.source.connect()?;
        conn.busy_timeout(BUSY_WHILE_CONNECTING)?;
        Ok(conn)
    }

    /// Sets everything that is set per connection. It must not be called inside a transaction.
    pub(super) fn set_pragmas(
        &self,
        manager: &SqliteManager,
        conn: &Connection,
    ) -> rusqlite::Result<()> {
        if !self.sql.is_empty() {
            manager.run(conn, &self.sql)?;
        }
        if let Some(on) = self.foreign_keys {
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on)?;
        }
        conn.busy_timeout(self.busy_limit)
    }
}

/// SQLite's URI for a path. It is the only way to pass SQLite its own parameters.
fn uri(path: &Path, parameters: &[(&'static str, String)]) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_');
    let mut uri = String::from("file://");
    if !path.has_root() {
        uri.push('/');
    }
    let encode = |bytes: &[u8]| percent_encode(bytes, ENCODED).to_string();
    uri.push_str(&encode(path.as_os_str().as_encoded_bytes()));
    for (index, (name, value)) in parameters.iter().enumerate() {
        uri.push(if index == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.push_str(&encode(value.as_bytes()));
    }
    uri
}
