//! What some pragmas are set to.

/// Where SQLite keeps what it needs to undo or to replay a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalMode {
    /// A rollback journal, deleted after each transaction; readers and a writer exclude each other.
    Delete,
    /// As `Delete`, but the journal is cut to nothing instead of deleted.
    Truncate,
    /// As `Delete`, but the journal's header is overwritten instead.
    Persist,
    /// The rollback journal in memory: a crash in a transaction can ruin the file.
    Memory,
    /// A write-ahead log: readers go on while one writer writes. Kept in the file for every program that opens it.
    Wal,
    /// No journal: ROLLBACK does not work, and a crash in a transaction ruins the file.
    Off,
}

impl JournalMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            JournalMode::Delete => "delete",
            JournalMode::Truncate => "truncate",
            JournalMode::Persist => "persist",
            JournalMode::Memory => "memory",
            JournalMode::Wal => "wal",
            JournalMode::Off => "off",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        use JournalMode::{Delete, Memory, Off, Persist, Truncate, Wal};
        [Delete, Truncate, Persist, Memory, Wal, Off]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// How often SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Synchronous {
    /// Never: a power cut can ruin the file; a crash of the program cannot.
    Off,
    /// In WAL mode only at checkpoints: a power cut can cost the last transactions, never the file.
    Normal,
    /// At every commit.
    Full,
    /// As `Full`, and the directory too once a rollback journal is deleted.
    Extra,
}

impl Synchronous {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Synchronous::Off => "off",
            Synchronous::Normal => "normal",
            Synchronous::Full => "full",
            Synchronous::Extra => "extra",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        use Synchronous::{Extra, Full, Normal, Off};
        [Off, Normal, Full, Extra]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

/// Where temporary tables and indexes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TempStore {
    /// In a file of their own.
    File,
    /// In memory.
    Memory,
}

impl TempStore {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            TempStore::File => "file",
            TempStore::Memory => "memory",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [TempStore::File, TempStore::Memory]
            .into_iter()
            .find(|store| store.as_str() == text)
    }
}
