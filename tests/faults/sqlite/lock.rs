//! Another process holds a lock on the file.

use std::path::Path;
use std::time::Duration;

use queuepool::Mode;

use super::load::Load;
use super::process::{Locked, be_the_locking_process};
use super::subjects::Subject;
use super::{Fault, note, put_through};
use support::scripted::millis;

struct LockedByAnother {
    test: &'static str,
    begin: &'static str,
    /// `None`: until every worker has seen a failure because of it.
    lasts: Option<Duration>,
}

impl Fault for LockedByAnother {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        let lock = Locked::by(self.test, path, self.begin);
        match self.lasts {
            Some(time) => std::thread::sleep(time),
            None => load.is_felt(),
        }
        drop(lock);
    }

    fn may_be_told(&self, mode: Mode) -> &'static [&'static str] {
        match (self.lasts, self.begin, mode) {
            (Some(_), _, _) => &[],
            (None, "BEGIN EXCLUSIVE", Mode::Null) => {
                &["Connect (DatabaseBusy)", "Statement (DatabaseBusy)"]
            }
            _ => &["Statement (DatabaseBusy)"],
        }
    }
}

#[test]
fn a_lock_of_another_process_shorter_than_busy_timeout_only_delays() {
    if be_the_locking_process() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fault = LockedByAnother {
        test: "lock::a_lock_of_another_process_shorter_than_busy_timeout_only_delays",
        begin: "BEGIN IMMEDIATE",
        lasts: Some(millis(300)),
    };
    let seen = put_through(folder.path(), "", &fault);
    note(
        "SQLite: locked by another process for less than busy_timeout",
        &seen,
    );
}

#[test]
fn a_lock_of_another_process_longer_than_busy_timeout_is_a_busy_statement() {
    if be_the_locking_process() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fault = LockedByAnother {
        test: "lock::a_lock_of_another_process_longer_than_busy_timeout_is_a_busy_statement",
        begin: "BEGIN IMMEDIATE",
        lasts: None,
    };
    let seen = put_through(folder.path(), "busy_timeout=300ms", &fault);
    note("SQLite: locked by another process for longer", &seen);
}

#[test]
fn an_exclusive_lock_of_another_process_without_wal_is_busy_at_connect_or_at_a_statement() {
    if be_the_locking_process() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fault = LockedByAnother {
        test: "lock::an_exclusive_lock_of_another_process_without_wal_is_busy_at_connect_or_at_a_statement",
        begin: "BEGIN EXCLUSIVE",
        lasts: None,
    };
    let parameters = "journal_mode=delete&synchronous=off&busy_timeout=300ms";
    let seen = put_through(folder.path(), parameters, &fault);
    note("SQLite: locked exclusively, without WAL", &seen);
}
