//! Files and directories that may not be written. Root may write everything, so in that case the tests run again as nobody.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use queuepool::sqlite::{JournalMode, Pragmas, SqliteDriver, SqliteManager};
use queuepool::{Driver, ErrorClass};
use r2d2::ManageConnection;
use rusqlite::{Connection, ErrorCode};

const NOBODY: u32 = 65534;

/// Runs the test's body where permissions apply: in this process, or as nobody in a copy of this program that runs only
/// this test.
fn where_permissions_count(test: &str, body: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let probe = folder.path().join("probe");
    fs::write(&probe, "").unwrap();
    allow(&probe, 0o444);
    if fs::File::options().write(true).open(&probe).is_err() {
        return body(folder.path());
    }
    allow(folder.path(), 0o777);
    // One at a time: if another test forks while a program is being copied, the copy cannot be started ("text file busy").
    static COPYING: Mutex<()> = Mutex::new(());
    let copying = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    allow(&program, 0o755);
    let output = Command::new(&program)
        .args(["--exact", &format!("permissions::{test}"), "--nocapture"])
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    drop(copying);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A closed database with a table, in a directory of its own.
fn database(folder: &Path, mode: JournalMode) -> PathBuf {
    let own = folder.join(format!("{mode:?}"));
    fs::create_dir(&own).unwrap();
    let file = own.join("app.db");
    let manager = SqliteManager::file(&file).pragmas(Pragmas::default().journal_mode(mode));
    let conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (1)")
        .unwrap();
    file
}

fn reads_and_does_not_write(manager: &SqliteManager) {
    for _ in 0..2 {
        let conn = manager.connect().unwrap();
        assert_eq!(count(&conn), 1);
        let error = conn.execute("INSERT INTO t VALUES (2)", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly));
    }
}

fn count(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_read_only_file_can_be_read_with_the_default_flags() {
    where_permissions_count(
        "a_read_only_file_can_be_read_with_the_default_flags",
        |folder| {
            for mode in [JournalMode::Delete, JournalMode::Wal] {
                let file = database(folder, mode);
                allow(&file, 0o444);
                reads_and_does_not_write(&SqliteManager::file(&file));
            }
        },
    );
}

#[test]
fn a_rollback_journal_file_can_be_read_in_a_read_only_directory() {
    where_permissions_count(
        "a_rollback_journal_file_can_be_read_in_a_read_only_directory",
        |folder| {
            let file = database(folder, JournalMode::Delete);
            let directory = file.parent().unwrap();
            allow(&file, 0o444);
            allow(directory, 0o555);
            reads_and_does_not_write(&SqliteManager::file(&file));
            reads_and_does_not_write(&SqliteManager::file(&file).read_only());
            allow(directory, 0o755);
        },
    );
}

#[test]
fn a_writable_file_in_a_read_only_directory_can_be_read() {
    where_permissions_count(
        "a_writable_file_in_a_read_only_directory_can_be_read",
        |folder| {
            let file = database(folder, JournalMode::Delete);
            let directory = file.parent().unwrap();
            allow(directory, 0o555);
            let conn = SqliteManager::file(&file).connect();
            allow(directory, 0o755);
            assert_eq!(count(&conn.unwrap()), 1);
        },
    );
}

#[test]
fn a_wal_file_in_a_read_only_directory_needs_immutable_and_the_error_says_so() {
    where_permissions_count(
        "a_wal_file_in_a_read_only_directory_needs_immutable_and_the_error_says_so",
        |folder| {
            let file = database(folder, JournalMode::Wal);
            let directory = file.parent().unwrap();
            allow(&file, 0o444);
            allow(directory, 0o555);
            let error = SqliteManager::file(&file).connect().unwrap_err();
            let url = format!("sqlite:///{}?immutable=1", file.display());
            let conn = SqliteManager::from_url(&url).unwrap().connect();
            allow(directory, 0o755);
            assert_eq!(
                SqliteDriver::default().classify(&error),
                ErrorClass::Permanent
            );
            assert!(error.to_string().contains("immutable=1"), "{error}");
            assert_eq!(count(&conn.unwrap()), 1);
        },
    );
}

#[test]
fn an_unreadable_file_is_a_permanent_error_that_says_what_to_check() {
    where_permissions_count(
        "an_unreadable_file_is_a_permanent_error_that_says_what_to_check",
        |folder| {
            let file = database(folder, JournalMode::Delete);
            allow(&file, 0o000);
            let error = SqliteManager::file(&file).connect().unwrap_err();
            assert_eq!(
                SqliteDriver::default().classify(&error),
                ErrorClass::Permanent
            );
            assert!(error.to_string().contains("permissions"), "{error}");
        },
    );
}
