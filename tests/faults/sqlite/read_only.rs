//! The file, or its directory, may not be written.

use std::path::{Path, PathBuf};

use queuepool::Mode;

use super::load::Load;
use super::process::{again, allow, outside, where_permissions_count};
use super::seen::Seen;
use super::subjects::Subject;
use super::{Fault, beside, database, in_wal_mode, note_helped, put_through, remove};

/// A restored backup that may not be written at first, and later may. (Taking the permission away from a file that is open
/// has no effect: SQLite reuses its open files as long as one connection is open.)
struct ReadOnly {
    backup: PathBuf,
    /// If false, only the file may not be written.
    with_directory: bool,
}

impl Fault for ReadOnly {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        let directory = path.parent().unwrap();
        load.between_transactions(|| {
            remove(path);
            outside("cp", [self.backup.as_os_str(), path.as_os_str()]);
            allow(path, 0o444);
            if self.with_directory {
                allow(directory, 0o555);
            }
            load.subject.start_afresh();
            load.forget_rows();
        });
        load.rounds(20);
        load.between_transactions(|| {
            allow(directory, 0o755);
            allow(path, 0o644);
            // When SQLite creates these files, it gives them the permissions of the database file.
            for ending in ["-wal", "-shm"] {
                let made = beside(path, ending);
                if made.exists() {
                    allow(&made, 0o644);
                }
            }
            // A connection that could only be opened for reading stays that way.
            load.subject.start_afresh();
        });
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        if self.with_directory {
            &["Connect (ReadOnly)"]
        } else {
            &["Statement (ReadOnly)"]
        }
    }
}

#[test]
fn a_file_that_may_not_be_written_fails_writes_until_it_may() {
    let test = "read_only::a_file_that_may_not_be_written_fails_writes_until_it_may";
    let seen = again(test, where_permissions_count, |folder| {
        let fault = ReadOnly {
            backup: in_wal_mode(database(folder, "backup")),
            with_directory: false,
        };
        Seen::write_down(&put_through(folder, "", &fault))
    });
    if let Some(seen) = seen {
        note_helped("SQLite: read-only file", &Seen::read(&seen));
    }
}

#[test]
fn a_wal_file_in_a_directory_that_may_not_be_written_fails_connects_until_it_may() {
    let test =
        "read_only::a_wal_file_in_a_directory_that_may_not_be_written_fails_connects_until_it_may";
    let seen = again(test, where_permissions_count, |folder| {
        let fault = ReadOnly {
            backup: in_wal_mode(database(folder, "backup")),
            with_directory: true,
        };
        Seen::write_down(&put_through(folder, "", &fault))
    });
    if let Some(seen) = seen {
        note_helped("SQLite: read-only directory", &Seen::read(&seen));
    }
}
