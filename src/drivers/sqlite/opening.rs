//! Opening a connection: setting the journal mode of the file once, and keeping one connection of the manager's own.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::log::say;

use parking_lot::MutexGuard;
use rusqlite::{Connection, ErrorCode, MAIN_DB, ffi};
use tempfile::TempDir;

use super::busy::{failure, persist};
use super::kept::{Kept, file_id};
use super::manager::SqliteManager;
use super::modes::JournalMode;
use super::opener::Opener;
use super::place::Place;

impl SqliteManager {
    fn lock_kept(&self, deadline: Instant) -> rusqlite::Result<MutexGuard<'_, Kept>> {
        self.kept.try_lock_until(deadline).ok_or_else(|| {
            failure(
                ffi::SQLITE_BUSY,
                "another connect of this pool was switching the journal mode of the SQLite database all that time",
            )
        })
    }

    /// What opens the connections. The folder of a database in memory is created here.
    pub(super) fn opener(&self, deadline: Instant) -> rusqlite::Result<&Opener> {
        let folder = match &self.place {
            Place::File(path) => {
                return Ok(self.opener.get_or_init(|| Opener::new(self, path.clone())));
            }
            Place::Memory { folder } => folder,
        };
        let mut kept = self.lock_kept(deadline)?;
        if kept.shut {
            let text = "the pool is closed, and its SQLite database in memory has been deleted";
            return Err(failure(ffi::SQLITE_CANTOPEN, text));
        }
        let made = match kept.folder.take() {
            Some(made) => made,
            None => folder_of_memory(folder.as_deref())?,
        };
        let made = kept.folder.insert(made);
        let opener = || Opener::new(self, made.path().join("memory.db"));
        Ok(self.opener.get_or_init(opener))
    }

    /// How long a connect keeps trying while the file is busy. At least a second (but at most connect_timeout), because the
    /// connects of one pool block each other for some milliseconds while the first of them switches a new file to WAL. This must
    /// not make a connect fail just because its busy_timeout says that statements should not wait.
    pub(super) fn connect_limit(&self) -> Duration {
        let least = Duration::from_secs(1);
        self.pragmas
            .busy_limit()
            .max(least)
            .min(self.connect_timeout)
    }

    /// Switches the file to the wanted journal mode if it can be written to, and keeps a connection of our own if it is in WAL
    /// mode.
    ///
    /// The file remembers its mode, so it is asked, for 0.8 µs, and told only if it is in another. It is asked at every
    /// connect although nobody can take it out of WAL mode while the kept connection is open: another file may stand in its place,
    /// and all locks of this process on it are gone as soon as other code of the process closes it
    /// (<https://sqlite.org/howtocorrupt.html>).
    pub(super) fn settle_journal(
        &self,
        conn: &Connection,
        opener: &Opener,
        deadline: Instant,
    ) -> rusqlite::Result<()> {
        // This reads the header of the file, so a file that is not a database is found out here.
        let found = persist(deadline, || journal_mode(conn))?;
        let settled = match self.pragmas.journal_mode {
            Some(wanted) if wanted.as_str() != found && !conn.is_readonly(MAIN_DB)? => {
                self.switch_journal(conn, wanted, deadline)?
            }
            _ => found,
        };
        if settled == JournalMode::Wal.as_str() && !conn.is_readonly(MAIN_DB)? {
            self.keep_one(opener, deadline)?;
        }
        Ok(())
    }

    /// busy_timeout does not cover the switch to WAL: when 8 threads switched 60 new files at the same time, 7 to 19 of the 480
    /// switches failed in spite of a busy_timeout of 5 s (`cargo bench -p queuepool-benches -- sqlite`). So only one thread at a
    /// time switches, and it retries while the file is busy.
    fn switch_journal(
        &self,
        conn: &Connection,
        wanted: JournalMode,
        deadline: Instant,
    ) -> rusqlite::Result<String> {
        let mut kept = self.lock_kept(deadline)?;
        // Checked again, since another thread may have switched it while this one waited for the lock.
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
            // The file can be written to, but its directory cannot.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => found,
            Err(error) => return Err(error),
        };
        if settled != wanted.as_str() {
            say!(
                Warn,
                &self.log_target,
                "the SQLite database {} stays in journal mode {settled}: the mode {} is not possible there",
                self.place,
                wanted.as_str()
            );
            kept.refused = Some(wanted);
        }
        // A file cannot leave WAL while the kept connection is open on it. So that one is open on a file that has since been
        // deleted or replaced.
        kept.connection = None;
        Ok(settled)
    }

    fn keep_one(&self, opener: &Opener, deadline: Instant) -> rusqlite::Result<()> {
        let file = file_id(&opener.path);
        let mut kept = self.lock_kept(deadline)?;
        // The kept connection may be open on another file: one that has taken its place may already have been in WAL mode, so that
        // nothing was switched.
        if kept.shut || (kept.connection.is_some() && kept.file == file) {
            return Ok(());
        }
        // SQLite counts a connection as a user of the log only once it has read.
        let opened = opener
            .open()
            .and_then(|conn| journal_mode(&conn).map(|_| conn));
        match opened {
            Ok(conn) => {
                let of_another_file = kept.connection.replace(conn);
                kept.file = file;
                drop(kept);
                drop(of_another_file);
            }
            // It is there for speed only, and the next connect tries again.
            Err(error) => say!(
                Debug,
                &self.log_target,
                "the pool cannot keep a connection of its own open on {}: {error}",
                self.place
            ),
        }
        Ok(())
    }
}

fn journal_mode(conn: &Connection) -> rusqlite::Result<String> {
    conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))
}

fn folder_of_memory(parent: Option<&Path>) -> rusqlite::Result<TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    // It is created with mode 0700, so nobody else can read what is supposed to be in memory.
    tempfile::Builder::new()
        .prefix("queuepool-")
        .tempdir_in(&parent)
        .map_err(|error| {
            let text = format!(
                "an SQLite database in memory needs a temporary folder, but none can be created in {} ({error}): set TMPDIR, or \
                 use SqliteManager::memory_in",
                parent.display()
            );
            failure(ffi::SQLITE_CANTOPEN, &text)
        })
}
