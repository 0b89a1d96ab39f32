//! The pragmas that every connection is given, as plain data.

use std::time::Duration;

use super::modes::{JournalMode, Synchronous, TempStore};
use crate::error::Error;
use crate::settings::parse_duration;

/// The pragmas set on every connection before anyone gets it; `None` leaves SQLite's own value.
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
    /// Default WAL. The file is switched once, by whichever connect comes first. Where the switch is not possible (a
    /// read-only file, a file system without shared memory) the file is used as it is.
    pub journal_mode: Option<JournalMode>,
    /// Default NORMAL, which in WAL mode cannot ruin the file. A `:memory:` database is never synced.
    pub synchronous: Option<Synchronous>,
    /// Default MEMORY.
    pub temp_store: Option<TempStore>,
    /// Default -16000. A positive number counts pages, a negative one KiB: -16000 is 16,000 KiB, about 16 MiB. It is
    /// a limit **per connection**: 30 connections may use 30 times as much.
    pub cache_size: Option<i32>,
    /// Default 128 MiB, in bytes; 0 turns it off. That much of the file is read through a memory map, one for each
    /// connection but of the same memory. SQLite allows at most 2 GiB unless it is compiled otherwise.
    ///
    /// The risk: if anything truncates the file or the disk fails under the map, the process gets a SIGBUS instead of an
    /// error. Set 0 on a network file system and on media that can vanish.
    pub mmap_size: Option<u64>,
    /// Default on.
    pub foreign_keys: Option<bool>,
    /// Default 5 s, to the millisecond, at most 24 days: how long a statement waits for a lock that another connection
    /// holds; zero fails at once. `None` leaves rusqlite's own, which is 5 s too. It does not help a transaction that
    /// began as a reader and wants to write: see [`immediate`](super::immediate).
    pub busy_timeout: Option<Duration>,
    /// Default 64 MiB, in bytes: what a WAL or journal file is cut back to after it was reset; -1 is no limit.
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

/// What the URL may name, in the order in which messages list it.
pub(super) const NAMES: &str = "journal_mode, synchronous, temp_store, cache_size, mmap_size, \
                                foreign_keys, busy_timeout, journal_size_limit";

/// sqlite3_busy_timeout takes an int of milliseconds.
const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

impl Pragmas {
    /// Nothing set: SQLite's own values, and the journal mode that the file has.
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
            let value = format!("{limit:?}");
            return Err(Error::setting("busy_timeout", value, "at most 24 days"));
        }
        if let Some(bytes) = self.mmap_size
            && i64::try_from(bytes).is_err()
        {
            let accepted = format!("at most {} bytes", i64::MAX);
            return Err(Error::setting("mmap_size", bytes, accepted));
        }
        if let Some(bytes) = self.journal_size_limit
            && bytes < -1
        {
            return Err(Error::setting(
                "journal_size_limit",
                bytes,
                "bytes, or -1 for no limit",
            ));
        }
        Ok(())
    }

    /// The busy timeout in force; a value that [`validate`](Self::validate) refuses is cut, since rusqlite would panic.
    pub(super) fn busy_limit(&self) -> Duration {
        // What rusqlite 0.40 sets on every connection it opens (inner_connection.rs).
        let rusqlite_default = Duration::from_secs(5);
        self.busy_timeout
            .unwrap_or(rusqlite_default)
            .min(LONGEST_BUSY_TIMEOUT)
    }

    /// What is set on each connection by SQL. The journal mode and the busy timeout are not in it: the first is per
    /// file, the second must be in force before anything else touches the file.
    pub(super) fn per_connection(&self, never_sync: bool) -> String {
        let Pragmas {
            journal_mode: _,
            synchronous,
            temp_store,
            cache_size,
            mmap_size,
            foreign_keys,
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
            foreign_keys.map(|on| format!("foreign_keys={}", if on { "on" } else { "off" })),
            journal_size_limit.map(|bytes| format!("journal_size_limit={bytes}")),
        ]
        .into_iter()
        .flatten()
        .map(|pragma| format!("PRAGMA {pragma};"))
        .collect()
    }

    /// Takes one URL parameter; false if it is none of ours.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        match name {
            "journal_mode" => {
                let accepted = "one of delete, truncate, persist, memory, wal, off";
                self.journal_mode = parse(name, value, JournalMode::parse, accepted)?;
            }
            "synchronous" => {
                let accepted = "one of off, normal, full, extra";
                self.synchronous = parse(name, value, Synchronous::parse, accepted)?;
            }
            "temp_store" => {
                self.temp_store = parse(name, value, TempStore::parse, "one of file, memory")?;
            }
            "cache_size" => {
                let accepted = "a number of pages, or of KiB if negative (-16000)";
                self.cache_size = parse(name, value, |text| text.parse().ok(), accepted)?;
            }
            "mmap_size" => {
                let accepted = "a number of bytes (134217728), 0 for no memory map";
                self.mmap_size = parse(name, value, |text| text.parse().ok(), accepted)?;
            }
            "foreign_keys" => {
                self.foreign_keys = parse(name, value, parse_bool, "on or off")?;
            }
            "busy_timeout" => {
                // PRAGMA busy_timeout counts milliseconds and this crate's own settings seconds: a bare number would
                // be misread by one half of its writers.
                let accepted = "a time with its unit (5s, 250ms)";
                self.busy_timeout = parse(name, value, parse_time, accepted)?;
            }
            "journal_size_limit" => {
                let accepted = "a number of bytes (67108864), -1 for no limit";
                self.journal_size_limit = parse(name, value, |text| text.parse().ok(), accepted)?;
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
    accepted: &str,
) -> Result<Option<T>, Error> {
    let text = value.to_ascii_lowercase();
    if text == "default" {
        return Ok(None);
    }
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::setting(
            name,
            value,
            format!("{accepted}, or default to leave SQLite's own"),
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
