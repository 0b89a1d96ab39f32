//! The file is removed, or another one takes its place, while the pool is in use.

use std::path::{Path, PathBuf};

use queuepool::Mode;

use super::load::Load;
use super::process::outside;
use super::subjects::Subject;
use super::{Fault, TABLE, database, in_wal_mode, note_helped, put_through, remove};

/// The database's files are removed while the pool is in use but no transaction is under way; then somebody creates the
/// table again.
struct Removed;

impl Fault for Removed {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        load.between_transactions(|| remove(path));
        // Connections that are open keep using the file, which no longer has a name; a ping does not notice.
        load.rounds(20);
        load.between_transactions(|| {
            make_table(path);
            load.subject.start_afresh();
            load.forget_rows();
        });
    }

    fn may_be_told(&self, mode: Mode) -> &'static [&'static str] {
        match mode {
            // "No such table".
            Mode::Null => &["Statement (Unknown)"],
            _ => &[],
        }
    }
}

fn make_table(path: &Path) {
    try_to_make_table(path).unwrap();
}

/// Creates the database in WAL mode, because switching to it later syncs the file, which takes as long as the disk needs.
fn try_to_make_table(path: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(TABLE)
}

#[test]
fn a_removed_file_is_made_again_by_the_next_connect() {
    let folder = tempfile::tempdir().unwrap();
    note_helped(
        "SQLite: file removed",
        &put_through(folder.path(), "", &Removed),
    );
}

/// The files are removed again and again in the middle of transactions, which SQLite forbids: rows may vanish with them,
/// and what is left may be malformed. The pool has to survive that.
struct RemovedMidway;

impl Fault for RemovedMidway {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        for _ in 0..20 {
            remove(path);
            load.rounds(10);
            // It may fail in the same ways as the workers' statements.
            let _may_fail = try_to_make_table(path);
            load.rounds(10);
        }
        load.between_transactions(|| {
            load.subject.start_afresh();
            remove(path);
            make_table(path);
            load.forget_rows();
        });
    }

    fn may_be_told(&self, mode: Mode) -> &'static [&'static str] {
        match mode {
            Mode::Null => &[
                "Statement (Unknown)",
                "Statement (SystemIoFailure)",
                "Statement (DatabaseCorrupt)",
                "Statement (ReadOnly)",
                "Connect (SystemIoFailure)",
                "Connect (DatabaseCorrupt)",
                "Connect (NotADatabase)",
                "Connect (CannotOpen)",
            ],
            _ => &[],
        }
    }
}

#[test]
fn a_file_removed_in_the_middle_of_transactions_costs_its_rows_and_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let seen = put_through(folder.path(), "", &RemovedMidway);
    note_helped("SQLite: file removed in the middle of transactions", &seen);
}

/// Another database takes the place of the file, as when a backup is restored.
struct Replaced {
    backup: PathBuf,
}

impl Fault for Replaced {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        load.between_transactions(|| {
            remove(path);
            outside("cp", [self.backup.as_os_str(), path.as_os_str()]);
            load.subject.start_afresh();
            load.forget_rows();
        });
        load.rounds(20);
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        &[]
    }
}

#[test]
fn a_replaced_file_is_used_from_the_next_connect_on() {
    let folder = tempfile::tempdir().unwrap();
    let backup = in_wal_mode(database(folder.path(), "backup"));
    note_helped(
        "SQLite: file replaced",
        &put_through(folder.path(), "", &Replaced { backup }),
    );
}
