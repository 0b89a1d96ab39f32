//! The pragmas that are set on every connection, as plain data.

use std::time::Duration;

use super::modes::{JournalMode, Synchronous, TempStore};
use crate::error::{Error, URL};
use crate::settings::{parse_duration, print_duration};

/// The pragmas that are set on every connection before anybody gets it. `None` leaves SQLite's own value.
///
/// ```
/// use queuepool::sqlite::Pragmas;
///
/// let pragmas = Pragmas::default()
///     .cache_size(-64_000)  // 64 MB for each connection
///     .mmap_size(0)         // a network file system: no memory mapping
///     .journal_mode(None);  // whatever the file has
/// assert_eq!(pragmas.cache_size, Some(-64_000));
/// ```
///
/// Each is also a parameter of the URL under the same name, where `default` stands for `None`:
/// `sqlite:///app.db?cache_size=-64000&journal_mode=delete&foreign_keys=off&busy_timeout=250ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pragmas {
    /// Default WAL. The file is switched once, by whichever connect comes first. If the switch is not possible (a
    /// read-only file, a file system without shared memory), the file is used as it is.
    pub journal_mode: Option<JournalMode>,
    /// Default NORMAL, with which a power cut cannot corrupt a file in WAL mode. A `:memory:` database is never synced.
    pub synchronous: Option<Synchronous>,
    /// Default MEMORY.
    pub temp_store: Option<TempStore>,
    /// Default -16000. A positive number counts pages, a negative one KiB: -16000 is 16,000 KiB, about 16 MiB. This is a
    /// limit **per connection**: 30 connections may use 30 times as much.
    pub cache_size: Option<i32>,
    /// Default 128 MiB, in bytes; 0 turns it off. That much of the file is read through a memory map. Each connection has its
    /// own map, but all of them share the same memory. SQLite allows at most 2 GiB unless it is compiled otherwise.
    ///
    /// The risk: if anything truncates the file, or the disk fails under the map, the process gets a SIGBUS instead of an
    /// error. Set 0 on a network file system and on media that can be removed.
    pub mmap_size: Option<u64>,
    /// Default on.
    pub foreign_keys: Option<bool>,
    /// How long a statement waits for a lock that another connection holds. Default 5 s; counted in milliseconds, at most 24
    /// days; with zero it fails at once. `None` leaves rusqlite's own value, which is 5 s too. It does not help a transaction
    /// that began as a reader and now wants to write: see [`immediate`](super::immediate).
    pub busy_timeout: Option<Duration>,
    /// Default 64 MiB, in bytes: the size to which a WAL or journal file is cut back when it is reset; -1 means no limit.
    pub journal_size_limit: Option<i64>,
}

impl Default for Pragmas {
    fn default() -> Self {
        Pragmas {
            journal_mode: Some(JournalMode::Wal),
            synchronous: Some(Synchronous::Normal),
            temp_store: Some(TempStore::Memory),
            cache_size: Some(-16_000),
            mmap_size: Some(128 * 1024 * 1024),
            foreign_keys: Some(true),
            busy_timeout: Some(Duration::from_secs(5)),
            journal_size_limit: Some(64 * 1024 * 1024),
        }
    }
}

/// The pragmas that a URL may name, in the order in which errors list them.
pub(super) const NAMES: &str = "journal_mode, synchronous, temp_store, cache_size, mmap_size, \
                                foreign_keys, busy_timeout, journal_size_limit";

/// sqlite3_busy_timeout takes a C int of milliseconds.
const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

impl Pragmas {
    /// Sets nothing, which leaves SQLite's own values and the journal mode of the file.
    #[must_use]
    pub fn none() -> Self {
        Pragmas {
            journal_mode: None,
            synchronous: None,
            temp_store: None,
            cache_size: None,
            mmap_size: None,
            foreign_keys: None,
            busy_timeout: None,
            journal_size_limit: None,
        }
    }

    /// Sets [`journal_mode`](Pragmas::journal_mode).
    #[must_use]
    pub fn journal_mode(mut self, mode: impl Into<Option<JournalMode>>) -> Self {
        self.journal_mode = mode.into();
        self
    }

    /// Sets [`synchronous`](Pragmas::synchronous).
    #[must_use]
    pub fn synchronous(mut self, level: impl Into<Option<Synchronous>>) -> Self {
        self.synchronous = level.into();
        self
    }

    /// Sets [`temp_store`](Pragmas::temp_store).
    #[must_use]
    pub fn temp_store(mut self, store: impl Into<Option<TempStore>>) -> Self {
        self.temp_store = store.into();
        self
    }

    /// Sets [`cache_size`](Pragmas::cache_size), per connection: pages, or KiB if negative.
    #[must_use]
    pub fn cache_size(mut self, pages_or_minus_kib: impl Into<Option<i32>>) -> Self {
        self.cache_size = pages_or_minus_kib.into();
        self
    }

    /// Sets [`mmap_size`](Pragmas::mmap_size), in bytes.
    #[must_use]
    pub fn mmap_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.mmap_size = bytes.into();
        self
    }

    /// Sets [`foreign_keys`](Pragmas::foreign_keys).
    #[must_use]
    pub fn foreign_keys(mut self, on: impl Into<Option<bool>>) -> Self {
        self.foreign_keys = on.into();
        self
    }

    /// Sets [`busy_timeout`](Pragmas::busy_timeout).
    #[must_use]
    pub fn busy_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.busy_timeout = limit.into();
        self
    }

    /// Sets [`journal_size_limit`](Pragmas::journal_size_limit), in bytes; -1 is no limit.
    #[must_use]
    pub fn journal_size_limit(mut self, bytes: impl Into<Option<i64>>) -> Self {
        self.journal_size_limit = bytes.into();
        self
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        if let Some(limit) = self.busy_timeout
            && limit > LONGEST_BUSY_TIMEOUT
        {
            let value = print_duration(limit);
            return Err(Error::setting("busy_timeout", value, "at most 24 days"));
        }
        if let Some(bytes) = self.mmap_size
            && i64::try_from(bytes).is_err()
        {
            let expected = format!("at most {} bytes", i64::MAX);
            return Err(Error::setting("mmap_size", bytes, expected));
        }
        if let Some(bytes) = self.journal_size_limit
            && bytes < -1
        {
            return Err(Error::setting(
                "journal_size_limit",
                bytes,
                "a number of bytes, or -1 for no limit",
            ));
        }
        Ok(())
    }

    /// The busy timeout in force. A value that [`validate`](Self::validate) would refuse is cut, since rusqlite would panic.
    pub(super) fn busy_limit(&self) -> Duration {
        // What rusqlite 0.40 sets on every connection it opens (inner_connection.rs).
        let rusqlite_default = Duration::from_secs(5);
        self.busy_timeout
            .unwrap_or(rusqlite_default)
            .min(LONGEST_BUSY_TIMEOUT)
    }

    /// The SQL that sets the pragmas on each connection. It does not contain the journal mode, which is a property of the file, nor
    /// the busy timeout and foreign_keys, for which SQLite has calls.
    pub(super) fn per_connection(&self, never_sync: bool) -> String {
        let Pragmas {
            journal_mode: _,
            synchronous,
            temp_store,
            cache_size,
            mmap_size,
            foreign_keys: _,
            busy_timeout: _,
            journal_size_limit,
        } = self;
        let synchronous = if never_sync {
            Some(Synchronous::Off)
        } else {
            *synchronous
        };
        [
            synchronous.map(|level| format!("synchronous={}", level.as_str())),
            temp_store.map(|store| format!("temp_store={}", store.as_str())),
            cache_size.map(|size| format!("cache_size={size}")),
            mmap_size.map(|bytes| format!("mmap_size={bytes}")),
            journal_size_limit.map(|bytes| format!("journal_size_limit={bytes}")),
        ]
        .into_iter()
        .flatten()
        .map(|pragma| format!("PRAGMA {pragma};"))
        .collect()
    }

    /// Takes one URL parameter. Returns false if it is not a pragma.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        match name {
            "journal_mode" => {
                let expected = "one of delete, truncate, persist, memory, wal, off";
                self.journal_mode = parse(name, value, JournalMode::parse, expected)?;
            }
            "synchronous" => {
                let expected = "one of off, normal, full, extra";
                self.synchronous = parse(name, value, Synchronous::parse, expected)?;
            }
            "temp_store" => {
                self.temp_store = parse(name, value, TempStore::parse, "one of file, memory")?;
            }
            "cache_size" => {
                let expected = "a number of pages, or of KiB if negative, such as -16000";
                self.cache_size = parse(name, value, |text| text.parse().ok(), expected)?;
            }
            "mmap_size" => {
                let expected = "a number of bytes, such as 134217728, or 0 for no memory map";
                self.mmap_size = parse(name, value, |text| text.parse().ok(), expected)?;
            }
            "foreign_keys" => {
                self.foreign_keys = parse(name, value, parse_bool, "on or off")?;
            }
            "busy_timeout" => {
                // PRAGMA busy_timeout counts milliseconds and this crate's own settings count seconds, so half of those who
                // write a bare number would be misunderstood.
                let expected = "a time with its unit, such as 5s or 250ms";
                self.busy_timeout = parse(name, value, parse_time, expected)?;
            }
            "journal_size_limit" => {
                let expected = "a number of bytes, such as 67108864, or -1 for no limit";
                self.journal_size_limit = parse(name, value, |text| text.parse().ok(), expected)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse<T>(
    name: &str,
    value: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    expected: &str,
) -> Result<Option<T>, Error> {
    let text = value.to_ascii_lowercase();
    if text == "default" {
        return Ok(None);
    }
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::setting_in(
            URL,
            name,
            format_args!("{value:?}"),
            format_args!("{expected}, or default for SQLite's own"),
        )),
    }
}

fn parse_time(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    parse_duration(text).filter(|_| text.contains(|character: char| character.is_alphabetic()))
}

pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}
