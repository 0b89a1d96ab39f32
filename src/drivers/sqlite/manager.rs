//! The manager: where the database is, and how its connections are opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2d2::ManageConnection;
use rusqlite::{Connection, OpenFlags};

use super::busy::persist;
use super::kept::Kept;
use super::opener::Opener;
use super::place::{Place, explain};
use super::pragmas::Pragmas;
use super::url;
use crate::base::log::say;
use crate::error::Error;

/// Opens SQLite connections with their [`Pragmas`], on a file or in memory.
///
/// # One connection of its own
/// When the last connection to a file in WAL mode closes, SQLite copies the log into the file, syncs, and deletes the log. In null
/// mode this would happen at every return: opening, writing a row and closing took 67 to 104 µs with another connection kept open
/// on the file and 0.9 to 10.6 ms without it on ext4, and 67 to 78 µs against 190 µs on tmpfs (`cargo bench -p queuepool-benches --
/// sqlite`, 2 cores). So the manager keeps one idle connection of its own, from the first connect until the pool has closed. No
/// counter includes it. While it is open, no program can take the file out of WAL mode.
///
/// # Memory
/// A manager has one database in memory. All its connections share it, and it lives until the pool is closed or the manager is
/// dropped. See [`memory`](SqliteManager::memory) for how it is built.
pub struct SqliteManager {
    pub(super) place: Place,
    pub(super) flags: OpenFlags,
    pub(super) passed_on: Vec<(&'static str, String)>,
    pub(super) pragmas: Pragmas,
    pub(super) connect_timeout: Duration,
    pub(super) log_target: String,
    echo: bool,
    /// Built at the first connect, from the fields above.
    pub(super) opener: OnceLock<Opener>,
    /// Locked while the journal mode is switched, and for the moment in which a connect checks for the kept connection. It is
    /// never locked while a caller's connection is in use, and a connect waits for it no longer than the connect may take.
    pub(super) kept: Mutex<Kept>,
}

impl SqliteManager {
    /// A database file, which is created at the first connect if it does not exist. A relative path is resolved now, against the
    /// current working directory. `:memory:` means [`memory`](SqliteManager::memory).
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::at(Place::file(path.as_ref()))
    }

    /// A temporary database, which is gone when the pool is closed. Two managers never share one.
    ///
    /// It is a file in WAL mode in a private folder of [`std::env::temp_dir`], never synced and deleted at the end, so that
    /// readers and a writer can work at the same time, as on any file. (A process that is killed, or that keeps the pool in a
    /// `static` and never closes it, leaves the folder `queuepool-…` behind.)
    ///
    /// SQLite's own memory databases do not allow that. With a shared cache, 38 to 618 of 2,400 write transactions of 8 threads
    /// failed immediately with "table is locked", whatever busy_timeout said. With the memdb VFS none failed, but a reader and a
    /// writer lock each other out for as long as the other's transaction lasts. The price of the file: opening, writing a row and
    /// closing takes 67 to 73 µs, compared with 22 to 34 µs for memdb; an insert on an open connection takes 9 µs instead of 2, and
    /// a select 3.3 µs instead of 1.7 (`cargo bench -p queuepool-benches -- sqlite-in-memory`); and it needs space for temporary
    /// files.
    ///
    /// If the temporary directory cannot be written to or must not hold the data, name another one with
    /// [`memory_in`](SqliteManager::memory_in).
    #[must_use]
    pub fn memory() -> Self {
        Self::at(Place::Memory { folder: None })
    }

    /// As [`memory`](SqliteManager::memory), but with its private folder inside this one. On Linux, `/dev/shm` is real memory;
    /// containers limit its size, Docker to 64 MiB.
    #[must_use]
    pub fn memory_in(folder: impl Into<PathBuf>) -> Self {
        let folder = Some(folder.into());
        Self::at(Place::Memory { folder })
    }

    /// The database that a URL names, in SQLAlchemy's forms.
    ///
    /// | URL | database |
    /// |---|---|
    /// | `sqlite:///app.db`, `sqlite://app.db`, `sqlite:app.db` | a path relative to the working directory |
    /// | `sqlite:////var/lib/app.db`, `sqlite:/var/lib/app.db` | an absolute path |
    /// | `sqlite://`, `sqlite:///:memory:`, `sqlite::memory:` and the like | memory |
    ///
    /// The path is percent-decoded. The parameters are the [`Pragmas`] by their names, and SQLite's own `mode` (ro, rw, rwc,
    /// memory), `immutable`, `nolock` and `vfs`; with pysqlite's `uri=true`, a path may begin with `file:`.
    ///
    /// # Errors
    /// Settings for another scheme, an unknown parameter, or a value that is malformed or out of range.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let parsed = url::parse(url)?;
        parsed.pragmas.validate()?;
        let mut manager = match parsed.path {
            Some(path) => Self::file(path),
            None => Self::memory(),
        };
        manager.pragmas = parsed.pragmas;
        manager.passed_on = parsed.passed_on;
        manager.flags = match parsed.mode {
            Some(url::Access::Read) => read_only_flags(),
            Some(url::Access::Write) => manager.flags & !OpenFlags::SQLITE_OPEN_CREATE,
            Some(url::Access::Create) | None => manager.flags,
        };
        Ok(manager)
    }

    fn at(place: Place) -> Self {
        SqliteManager {
            place,
            flags: OpenFlags::default(),
            passed_on: Vec::new(),
            pragmas: Pragmas::default(),
            // The default of Settings::connect_timeout, until `prepare` sets the one in force.
            connect_timeout: Duration::from_secs(10),
            log_target: String::from("queuepool"),
            echo: false,
            opener: OnceLock::new(),
            kept: Mutex::default(),
        }
    }

    /// Replaces all pragmas, including those from the URL.
    #[must_use]
    pub fn pragmas(mut self, pragmas: Pragmas) -> Self {
        self.pragmas = pragmas;
        self.opener = OnceLock::new();
        self
    }

    /// Replaces the flags of sqlite3_open_v2. The default is [`OpenFlags::default`]: read and write, create, URI, no mutex.
    #[must_use]
    pub fn flags(mut self, flags: OpenFlags) -> Self {
        self.flags = flags;
        self.opener = OnceLock::new();
        self
    }

    /// Opens the file for reading only; a write fails with SQLite's "attempt to write a readonly database". The journal mode
    /// stays as it is in the file. (SQLite opens a file that the process may not write in this way by itself.) A file in WAL
    /// mode can be read only if its directory can be written to or its -wal and -shm files exist; otherwise open it with
    /// `immutable=1` in the URL, provided that it was closed properly and nobody changes it.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.flags(read_only_flags())
    }

    /// The absolute path of the database; `None` if it is in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Memory { .. } => None,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn pragmas_in_force(&self) -> &Pragmas {
        &self.pragmas
    }

    /// Whether the path is a path of the operating system. To another VFS it may mean something else.
    pub(super) fn is_on_the_file_system(&self) -> bool {
        !self.passed_on.iter().any(|(name, _)| *name == "vfs")
    }

    pub(super) fn configure(&mut self, connect_timeout: Duration, log_target: String, echo: bool) {
        self.connect_timeout = connect_timeout;
        self.log_target = log_target;
        self.echo = echo;
    }

    /// Runs SQL of the pool's own. It is logged if the setting `echo` is on.
    pub(super) fn run(&self, conn: &Connection, sql: &str) -> rusqlite::Result<()> {
        self.log_sql(sql);
        conn.execute_batch(sql)
    }

    pub(super) fn log_sql(&self, sql: &str) {
        if self.echo {
            say!(Debug, &self.log_target, "{sql}");
        }
    }

    /// As `connect`, but within `limit`.
    pub(super) fn connect_within(&self, limit: Duration) -> Result<Connection, rusqlite::Error> {
        let deadline = Instant::now() + limit.min(self.connect_limit());
        let opener = self.opener(deadline)?;
        let ready = || {
            let conn = opener.open()?;
            self.settle_journal(&conn, opener, deadline)?;
            persist(deadline, || opener.set_pragmas(self, &conn))?;
            Ok(conn)
        };
        ready().map_err(|error| {
            let creates = self.flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
            explain(error, &opener.path, creates)
        })
    }

    /// Replaces this connection by a new one. The old one is closed only after the new one is open, so that a database which
    /// exists only as long as it has a connection (`vfs=memdb`) survives.
    pub(super) fn open_anew(&self, conn: &mut Connection) -> Result<(), rusqlite::Error> {
        let locking: String = conn.query_row("PRAGMA main.locking_mode", [], |row| row.get(0))?;
        if locking == "exclusive" {
            // SQLite keeps the exclusive lock until the file is read again, and it would lock the new connection out.
            self.run(
                conn,
                "PRAGMA locking_mode=normal; SELECT count(*) FROM main.sqlite_master",
            )?;
        }
        *conn = self.connect_within(self.connect_limit())?;
        Ok(())
    }

    /// Closes the kept connection and deletes a database in memory, for good.
    pub(super) fn shut(&self) {
        let (connection, folder) = {
            let mut kept = self.kept.lock();
            kept.shut = true;
            (kept.connection.take(), kept.folder.take())
        };
        // Outside the lock, because closing may write the whole log back into the file.
        drop(connection);
        drop(folder);
    }
}

impl ManageConnection for SqliteManager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    /// Takes at most as long as busy_timeout or one second, whichever is longer, and never much longer than connect_timeout, even
    /// if another program has locked the file.
    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        self.connect_within(self.connect_limit())
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), rusqlite::Error> {
        self.run(conn, "SELECT 1")
    }

    fn has_broken(&self, _conn: &mut Connection) -> bool {
        false
    }
}

impl fmt::Debug for SqliteManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteManager")
            .field("place", &self.place)
            .field("flags", &self.flags)
            .field("passed_on", &self.passed_on)
            .field("pragmas", &self.pragmas)
            .finish_non_exhaustive()
    }
}

fn read_only_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
