//! Files that cannot be opened, and files that may only be read.

use queuepool::Settings;
use queuepool::sqlite::{JournalMode, Pragmas, SqliteDriver, SqliteManager};
use queuepool::{Driver, ErrorClass};
use r2d2::ManageConnection;
use rusqlite::{Connection, ErrorCode};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::sqlite::{count, folder, pragma, prepared, wal_of, with_table};

#[test]
fn a_reader_of_a_read_only_manager_reads_and_a_writer_gets_sqlites_own_error() {
    for mode in [JournalMode::Delete, JournalMode::Wal] {
        let folder = folder();
        let file = folder.path().join("app.db");
        let writing = SqliteManager::file(&file).pragmas(Pragmas::default().journal_mode(mode));
        drop(with_table(&writing));
        drop(writing);
        let manager = SqliteManager::file(&file).read_only();
        let conn = manager.connect().unwrap();
        assert_eq!(count(&conn), 0);
        assert_eq!(
            pragma(&conn, "journal_mode"),
            format!("{mode:?}").to_lowercase(),
            "the file keeps its journal mode"
        );
        let error = conn.execute("INSERT INTO t VALUES (1)", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly));
        let url = format!("sqlite:///{}?mode=ro", file.display());
        let conn = SqliteManager::from_url(&url).unwrap().connect().unwrap();
        assert_eq!(count(&conn), 0);
    }
}

#[test]
fn immutable_opens_a_file_whose_name_needs_encoding() {
    let folder = folder();
    let file = folder.path().join("a b?c#d%41é.db");
    let manager = SqliteManager::file(&file);
    drop(with_table(&manager));
    drop(manager);
    assert!(file.exists());
    let url = format!(
        "sqlite:///{}/a%20b%3Fc%23d%2541%C3%A9.db?immutable=1",
        folder.path().display()
    );
    let conn = SqliteManager::from_url(&url).unwrap().connect().unwrap();
    assert_eq!(count(&conn), 0);
    assert!(
        conn.is_readonly("main").unwrap() || conn.execute("INSERT INTO t VALUES (1)", []).is_err()
    );
    assert!(!wal_of(&file).exists());
}

#[test]
fn a_missing_directory_is_found_when_the_pool_is_built_and_at_connect() {
    let folder = folder();
    let file = folder.path().join("missing/app.db");
    let mut manager = SqliteManager::file(&file);
    let early = SqliteDriver::default()
        .prepare(&mut manager, "test", &Settings::default())
        .unwrap_err();
    assert_eq!(early.kind(), queuepool::ErrorKind::Settings);
    let late = manager.connect().unwrap_err();
    assert_eq!(late.sqlite_error_code(), Some(ErrorCode::CannotOpen));
    assert_eq!(
        SqliteDriver::default().classify(&late),
        ErrorClass::Permanent
    );
    for text in [early.to_string(), late.to_string()] {
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(text.contains("does not exist"), "{text}");
        assert!(text.contains("sqlite:////var/lib/app.db"), "{text}");
    }
}

#[test]
fn a_directory_an_empty_path_and_a_file_as_a_directory_are_refused_when_the_pool_is_built() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, says) in [
        (folder.path().to_owned(), "is a directory"),
        (PathBuf::new(), "is empty"),
        (file.join("app.db"), "is not a directory"),
    ] {
        let mut manager = SqliteManager::file(&path);
        let early = SqliteDriver::default()
            .prepare(&mut manager, "test", &Settings::default())
            .unwrap_err();
        assert!(early.to_string().contains(says), "{early}");
        if !path.as_os_str().is_empty() {
            let late = manager.connect().unwrap_err();
            assert!(late.to_string().contains(says), "{late}");
        }
    }
}

#[test]
fn a_missing_file_that_must_exist_is_named() {
    let folder = folder();
    let file = folder.path().join("app.db");
    for mode in ["ro", "rw"] {
        let url = format!("sqlite:///{}?mode={mode}", file.display());
        let error = SqliteManager::from_url(&url)
            .unwrap()
            .connect()
            .unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen));
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert!(!file.exists());
    }
}

#[test]
fn a_file_that_is_not_a_database_fails_at_connect() {
    let folder = folder();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "this is not a database. ".repeat(100)).unwrap();
    let before = std::fs::read(&file).unwrap();
    for pragmas in [Pragmas::default(), Pragmas::none()] {
        let manager = SqliteManager::file(&file).pragmas(pragmas);
        let error = manager.connect().unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase));
        assert!(
            error
                .to_string()
                .contains("notes.txt is not an SQLite database"),
            "{error}"
        );
        assert_eq!(
            SqliteDriver::default().classify(&error),
            ErrorClass::Permanent
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_locked_by_another_program_is_a_transient_error_within_connect_timeout() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE t (v); BEGIN EXCLUSIVE")
        .unwrap();
    let mut settings = Settings::default();
    settings.connect_timeout = Duration::from_millis(300);
    let (manager, driver) = prepared(SqliteManager::file(&file), &settings);
    let start = Instant::now();
    let error = manager.connect().unwrap_err();
    let took = start.elapsed();
    assert_eq!(driver.classify(&error), ErrorClass::Transient, "{error}");
    assert!(
        took > Duration::from_millis(200) && took < Duration::from_millis(600),
        "{took:?}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(pragma(&manager.connect().unwrap(), "journal_mode"), "wal");
}

#[test]
fn a_checkout_keeps_to_its_deadline_while_another_program_has_locked_the_file() {
    let folder = folder();
    let path = folder.path().join("locked.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE t (i); PRAGMA locking_mode=exclusive; BEGIN EXCLUSIVE")
        .unwrap();
    let pool = queuepool::sqlite::SqlitePool::builder(path.as_path())
        .unwrap()
        .build()
        .unwrap();
    let start = std::time::Instant::now();
    let error = pool
        .get_timeout(std::time::Duration::from_millis(300))
        .unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.kind(), queuepool::ErrorKind::Connect, "{error}");
    assert!(
        took < std::time::Duration::from_millis(900),
        "it must not wait for busy_timeout's 5 s: {took:?}"
    );
}
