//! Opening a connection: the file's journal mode once and for all, and a connection of the manager's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::log::say;

use parking_lot::MutexGuard;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use r2d2::ManageConnection;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::busy::{failure, persist};
use super::kept::{Kept, file_id};
use super::manager::SqliteManager;
use super::modes::JournalMode;
use super::place::Place;

/// While connecting, `persist` does the waiting: it knows the deadline. SQLite's own wait comes first for its finer steps.
const BUSY_WHILE_CONNECTING: Duration = Duration::from_millis(20);

impl SqliteManager {
    fn lock_kept(&self, deadline: Instant) -> rusqlite::Result<MutexGuard<'_, Kept>> {
        self.kept.try_lock_until(deadline).ok_or_else(|| {
            failure(
                ffi::SQLITE_BUSY,
                "another connect of this pool waited for the journal mode of the SQLite database all the while",
            )
        })
    }

    /// The file to open; a database in memory gets its folder here.
    pub(super) fn path_to_open(&self, deadline: Instant) -> rusqlite::Result<PathBuf> {
        let folder = match &self.place {
            Place::File(path) => return Ok(path.clone()),
            Place::Memory { folder } => folder,
        };
        let mut kept = self.lock_kept(deadline)?;
        if kept.shut {
            let text = "the pool is closed, and its SQLite database in memory is gone";
            return Err(failure(ffi::SQLITE_CANTOPEN, text));
        }
        let made = match kept.folder.take() {
            Some(made) => made,
            None => {
                let folder = folder.clone().unwrap_or_else(std::env::temp_dir);
                // Its mode is 0700: nobody else reads what is in "memory".
                tempfile::Builder::new()
                    .prefix("queuepool-")
                    .tempdir_in(&folder)
                    .map_err(|error| {
                        let text = format!(
                            "an SQLite database in memory needs a temporary folder, and {} takes none ({error}): set \
                             TMPDIR, or use SqliteManager::memory_in",
                            folder.display()
                        );
                        failure(ffi::SQLITE_CANTOPEN, &text)
                    })?
            }
        };
        let path = made.path().join("memory.db");
        kept.folder = Some(made);
        Ok(path)
    }

    pub(super) fn open(&self, path: &Path) -> rusqlite::Result<Connection> {
        let mut flags = self.flags;
        let file = if self.passed_on.is_empty() {
            path.to_owned()
        } else {
            flags |= OpenFlags::SQLITE_OPEN_URI;
            PathBuf::from(uri(path, &self.passed_on))
        };
        let conn = SqliteConnectionManager::file(file)
            .with_flags(flags)
            .connect()?;
        conn.busy_timeout(BUSY_WHILE_CONNECTING)?;
        Ok(conn)
    }

    /// How long a connect goes on when it finds the file busy. At least a second (or connect_timeout): the connects of one
    /// pool get into each other's way for some milliseconds while the first of them switches a new file, which must
    /// not fail one whose statements do not want to wait.
    pub(super) fn connect_limit(&self) -> Duration {
        let least = Duration::from_secs(1);
        self.pragmas
            .busy_limit()
            .max(least)
            .min(self.connect_timeout)
    }

    /// Brings the file into the wanted journal mode, if it can be written, and keeps a connection of our own if it is WAL.
    pub(super) fn settle_journal(
        &self,
        conn: &Connection,
        path: &Path,
        deadline: Instant,
    ) -> rusqlite::Result<()> {
        // Reads the file's header: one that is no database is found out here.
        let found = persist(deadline, || journal_mode(conn))?;
        let settled = match self.pragmas.journal_mode {
            Some(wanted) if wanted.as_str() != found && !conn.is_readonly("main")? => {
                self.switch_journal(conn, wanted, deadline)?
            }
            _ => found,
        };
        if settled == JournalMode::Wal.as_str() && !conn.is_readonly("main")? {
            self.keep_one(path, deadline)?;
        }
        Ok(())
    }

    /// busy_timeout does not cover the switch to WAL: of 8 threads that switched 60 new files at once, 7 to 19 of 480 failed
    /// with 5 s (`cargo bench --bench sqlite_figures`). So one at a time, and again while the file is busy.
    fn switch_journal(
        &self,
        conn: &Connection,
        wanted: JournalMode,
        deadline: Instant,
    ) -> rusqlite::Result<String> {
        let mut kept = self.lock_kept(deadline)?;
        // Looked at again: another thread may have switched it while this one waited for the lock.
        let found = persist(deadline, || journal_mode(conn))?;
        if found == wanted.as_str() || kept.refused == Some(wanted) {
            return Ok(found);
        }
        let sql = format!("PRAGMA journal_mode={}", wanted.as_str());
        self.log_sql(&sql);
        let switched = persist(deadline, || {
            conn.query_row(&sql, [], |row| row.get::<_, String>(0))
        });
        let settled = match switched {
            Ok(settled) => settled,
            // A file that can be written in a directory that cannot.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => found,
            Err(error) => return Err(error),
        };
        if settled != wanted.as_str() {
            say!(
                Warn,
                &self.log_target,
                "the SQLite database {} stays in journal mode {settled}: {} is not possible there",
                self.place,
                wanted.as_str()
            );
            kept.refused = Some(wanted);
        }
        // While it was open on this file the file could not have left WAL: it is open on one since deleted or replaced.
        kept.connection = None;
        Ok(settled)
    }

    fn keep_one(&self, path: &Path, deadline: Instant) -> rusqlite::Result<()> {
        let file = file_id(path);
        let mut kept = self.lock_kept(deadline)?;
        // A file that took the place of another may be in WAL mode already: then nothing was switched.
        if kept.shut || (kept.connection.is_some() && kept.file == file) {
            return Ok(());
        }
        // It counts as open on the log only once it has read.
        let opened = self
            .open(path)
            .and_then(|conn| journal_mode(&conn).map(|_| conn));
        match opened {
            Ok(conn) => {
                let of_another_file = kept.connection.replace(conn);
                kept.file = file;
                drop(kept);
                drop(of_another_file);
            }
            // It makes things faster, nothing else: the next connect tries again.
            Err(error) => say!(
                Debug,
                &self.log_target,
                "no connection of its own on {}: {error}",
                self.place
            ),
        }
        Ok(())
    }
}

fn journal_mode(conn: &Connection) -> rusqlite::Result<String> {
    conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))
}

/// SQLite's URI for a path, which is how its own parameters are given.
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
