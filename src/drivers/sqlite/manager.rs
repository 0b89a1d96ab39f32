//! The manager: where the database is, and how its connections are to be opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2d2::ManageConnection;
use rusqlite::{Connection, OpenFlags};

use super::busy::persist;
use super::kept::Kept;
use super::place::{Place, explain};
use super::pragmas::Pragmas;
use super::url;
use crate::base::log::say;
use crate::error::Error;

/// Opens SQLite connections with their [`Pragmas`], on a file or in memory.
///
/// # One connection of its own
/// When the last connection to a file in WAL mode closes, SQLite copies the log into the file, syncs, and deletes the log. In
/// null mode that is at every return: opening, writing a row and closing took 67 to 104 µs with a connection kept open on the
/// file and 0.9 to 10.6 ms without on ext4, 67 to 78 against 190 µs on tmpfs (`cargo bench --bench sqlite_figures`, 2
/// cores). So the manager keeps one idle connection of its own from the first connect on, until the pool has closed; it is in
/// no counter. While it is open, no program can take the file out of WAL mode.
///
/// # Memory
/// A database in memory is one per manager, shared by all its connections, and lives until the pool is closed or the
/// manager dropped. See [`memory`](SqliteManager::memory) for what it is made of.
pub struct SqliteManager {
    pub(super) place: Place,
    pub(super) flags: OpenFlags,
    pub(super) passed_on: Vec<(&'static str, String)>,
    pub(super) pragmas: Pragmas,
    pub(super) connect_timeout: Duration,
    pub(super) log_target: String,
    echo: bool,
    /// Held while the journal mode is switched, and for the instant in which a connect looks whether the kept connection
    /// is there. Never held while a caller's connection is in use. Waited for no longer than a connect may take.
    pub(super) kept: Mutex<Kept>,
}

impl SqliteManager {
    /// A database file, made at the first connect if it is not there. The path is taken relative to the
    /// working directory of this moment. `:memory:` is [`memory`](SqliteManager::memory).
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::at(Place::file(path.as_ref()))
    }

    /// A database of its own, gone when the pool is closed; two managers never share one.
    ///
    /// It is a file in WAL mode in a private folder of [`std::env::temp_dir`], never synced, deleted at the end: readers
    /// and writers go on side by side, as on any file. (A process that is killed, or that keeps the pool in a `static`
    /// and never closes it, leaves the folder `queuepool-…` behind.) SQLite's own memory databases do not do that. With a
    /// shared cache, 38 to 618 of 2,400 write transactions of 8 threads failed at once with "table is locked", whatever
    /// busy_timeout said. With the memdb VFS none failed, but a reader and a writer shut each other out for as long as
    /// the other's transaction lasts. The price: to open, write a row and close takes 67 to 73 µs, with memdb 22 to 34; an
    /// insert on an open connection 9 µs against 2, a select 3.3 against 1.7; and space for temporary files
    /// (`cargo bench --bench sqlite_figures`).
    ///
    /// Where the temporary directory cannot be written or must not hold the data, name another:
    /// [`memory_in`](SqliteManager::memory_in).
    #[must_use]
    pub fn memory() -> Self {
        Self::at(Place::Memory { folder: None })
    }

    /// As [`memory`](SqliteManager::memory), with its private folder in this one. `/dev/shm` is memory on Linux; containers
    /// limit it, Docker to 64 MiB.
    #[must_use]
    pub fn memory_in(folder: impl Into<PathBuf>) -> Self {
        let folder = Some(folder.into());
        Self::at(Place::Memory { folder })
    }

    /// The database a URL names, in SQLAlchemy's forms.
    ///
    /// | URL | database |
    /// |---|---|
    /// | `sqlite:///app.db`, `sqlite://app.db`, `sqlite:app.db` | relative to the working directory |
    /// | `sqlite:////var/lib/app.db`, `sqlite:/var/lib/app.db` | absolute |
    /// | `sqlite://`, `sqlite:///:memory:`, `sqlite::memory:` and the like | memory |
    ///
    /// The path is percent-decoded. Parameters: each of [`Pragmas`] by its name, and SQLite's own `mode` (ro, rw, rwc,
    /// memory), `immutable`, `nolock` and `vfs`.
    ///
    /// # Errors
    /// Of kind Settings for another scheme, an unknown parameter, or a value that is out of range.
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
            // Settings::connect_timeout's default, until `prepare` brings the one in force.
            connect_timeout: Duration::from_secs(10),
            log_target: String::from("queuepool"),
            echo: false,
            kept: Mutex::default(),
        }
    }

    /// Replaces all pragmas, those of the URL too.
    #[must_use]
    pub fn pragmas(mut self, pragmas: Pragmas) -> Self {
        self.pragmas = pragmas;
        self
    }

    /// Replaces the flags of sqlite3_open_v2; the default is [`OpenFlags::default`]: read and write, create, URI, no mutex.
    #[must_use]
    pub fn flags(mut self, flags: OpenFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Opens the file for reading only; a write is SQLite's "attempt to write a readonly database". The journal mode
    /// stays the file's. (A file that the process may not write is opened so by itself.) A file in WAL mode can be read only
    /// where its directory can be written or its -wal and -shm files are there; else open it with `immutable=1` in the
    /// URL, if it was closed properly and nobody changes it.
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

    /// Whether the path means what the operating system means by it; another VFS may have its own idea.
    pub(super) fn is_on_the_file_system(&self) -> bool {
        !self.passed_on.iter().any(|(name, _)| *name == "vfs")
    }

    pub(super) fn configure(&mut self, connect_timeout: Duration, log_target: String, echo: bool) {
        self.connect_timeout = connect_timeout;
        self.log_target = log_target;
        self.echo = echo;
    }

    /// Runs SQL of the pool's own, logged with `echo`.
    pub(super) fn run(&self, conn: &Connection, sql: &str) -> rusqlite::Result<()> {
        self.log_sql(sql);
        conn.execute_batch(sql)
    }

    pub(super) fn log_sql(&self, sql: &str) {
        if self.echo {
            say!(Debug, &self.log_target, "{sql}");
        }
    }

    /// Sets everything that is set per connection; must not be called inside a transaction.
    pub(super) fn set_pragmas(&self, conn: &Connection) -> rusqlite::Result<()> {
        let never_sync = matches!(self.place, Place::Memory { .. });
        let sql = self.pragmas.per_connection(never_sync);
        if !sql.is_empty() {
            self.run(conn, &sql)?;
        }
        conn.busy_timeout(self.pragmas.busy_limit())
    }

    /// As `connect`, and within `limit`.
    pub(super) fn connect_within(&self, limit: Duration) -> Result<Connection, rusqlite::Error> {
        let deadline = Instant::now() + limit.min(self.connect_limit());
        let path = self.path_to_open(deadline)?;
        let ready = || {
            let conn = self.open(&path)?;
            self.settle_journal(&conn, &path, deadline)?;
            persist(deadline, || self.set_pragmas(&conn))?;
            Ok(conn)
        };
        let creates = self.flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
        ready().map_err(|error| explain(error, &path, creates))
    }

    /// Puts a new connection in the place of this one, which is closed after the new one is open: a database that lives in its
    /// last connection (`vfs=memdb`) stays.
    pub(super) fn open_anew(&self, conn: &mut Connection) -> Result<(), rusqlite::Error> {
        let locking: String = conn.query_row("PRAGMA main.locking_mode", [], |row| row.get(0))?;
        if locking == "exclusive" {
            // The lock is kept until the file is read again, and would keep the new connection out.
            self.run(
                conn,
                "PRAGMA locking_mode=normal; SELECT count(*) FROM main.sqlite_master",
            )?;
        }
        *conn = self.connect_within(self.connect_limit())?;
        Ok(())
    }

    /// Lets go of the kept connection, and of a database in memory, for good.
    pub(super) fn shut(&self) {
        let (connection, folder) = {
            let mut kept = self.kept.lock();
            kept.shut = true;
            (kept.connection.take(), kept.folder.take())
        };
        // Outside the lock: closing may write the whole log back into the file.
        drop(connection);
        drop(folder);
    }
}

impl ManageConnection for SqliteManager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    /// Takes no longer than the greater of busy_timeout and one second, and no longer than about connect_timeout, even if
    /// another program has locked the file.
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
