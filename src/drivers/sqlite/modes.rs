//! The values of some pragmas.

/// Where SQLite keeps what it needs to undo or replay a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalMode {
    /// A rollback journal that is deleted after each transaction. Readers and a writer exclude each other.
    Delete,
    /// As `Delete`, but the journal is truncated to zero length instead of being deleted.
    Truncate,
    /// As `Delete`, but the journal's header is overwritten instead.
    Persist,
    /// The rollback journal is in memory, so a crash during a transaction can corrupt the file.
    Memory,
    /// A write-ahead log: readers can go on while one writer writes. The file remembers this mode for every program that opens
    /// it.
    Wal,
    /// No journal: ROLLBACK does not work, and a crash during a transaction corrupts the file.
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
    /// Never: a power cut can corrupt the file, but a crash of the program cannot.
    Off,
    /// In WAL mode only at checkpoints: a power cut can lose the last transactions, but never corrupts the file.
    Normal,
    /// At every commit.
    Full,
    /// As `Full`, and also syncs the directory after a rollback journal was deleted.
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

/// Where temporary tables and indexes are kept.
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
