//! SQLite's driver without a pool: its ping, its reset, and what it says about itself.

use queuepool::sqlite;
use queuepool::sqlite::{JournalMode, Pragmas, SqliteDriver, SqliteManager, SqlitePool, TempStore};
use queuepool::{Call, CloseReason, Driver, ErrorClass};
use queuepool::{Mode, ResetOnReturn, Settings};
use r2d2::ManageConnection;
use rusqlite::ErrorCode;
use std::time::{Duration, Instant};

use support::sqlite::{count, folder, pragma, prepared, wal_of, with_table};

#[test]
fn reset_rolls_back_a_transaction_left_open_and_nothing_else() {
    let folder = folder();
    let (manager, driver) = prepared(
        SqliteManager::file(folder.path().join("app.db")),
        &Settings::default(),
    );
    let mut conn = with_table(&manager);
    conn.execute_batch("CREATE TEMP TABLE scratch (v); BEGIN; INSERT INTO t VALUES (1)")
        .unwrap();
    driver
        .reset(&manager, &mut conn, ResetOnReturn::Rollback)
        .unwrap();
    assert!(conn.is_autocommit());
    assert_eq!(count(&conn), 0);
    conn.execute("INSERT INTO scratch VALUES (1)", []).unwrap();
    driver
        .reset(&manager, &mut conn, ResetOnReturn::Rollback)
        .unwrap();
}

#[test]
fn a_full_reset_restores_the_pragmas_and_drops_temporary_tables() {
    let folder = folder();
    let pragmas = Pragmas::default().busy_timeout(Duration::from_millis(1500));
    let (manager, driver) = prepared(
        SqliteManager::file(folder.path().join("app.db")).pragmas(pragmas),
        &Settings::default(),
    );
    let mut conn = with_table(&manager);
    conn.execute_batch(
        "PRAGMA foreign_keys=off; PRAGMA synchronous=off; PRAGMA busy_timeout=1; PRAGMA cache_size=10;
         CREATE TEMP TABLE scratch (v); BEGIN; INSERT INTO t VALUES (1)",
    )
    .unwrap();
    driver
        .reset(&manager, &mut conn, ResetOnReturn::Full)
        .unwrap();
    assert_eq!(count(&conn), 0);
    for (name, value) in [
        ("foreign_keys", "1"),
        ("synchronous", "1"),
        ("busy_timeout", "1500"),
        ("cache_size", "-16000"),
        ("temp_store", "2"),
    ] {
        assert_eq!(pragma(&conn, name), value, "{name}");
    }
    assert!(conn.execute("INSERT INTO scratch VALUES (1)", []).is_err());

    // Temporary tables are dropped whatever temp_store is.
    for store in [None, Some(TempStore::File)] {
        let manager = SqliteManager::memory().pragmas(Pragmas::default().temp_store(store));
        let mut conn = manager.connect().unwrap();
        conn.execute_batch("CREATE TEMP TABLE scratch (v)").unwrap();
        driver
            .reset(&manager, &mut conn, ResetOnReturn::Full)
            .unwrap();
        assert!(conn.execute("INSERT INTO scratch VALUES (1)", []).is_err());
    }
}

#[test]
fn a_ping_succeeds_although_the_file_was_deleted() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let (manager, driver) = prepared(SqliteManager::file(&file), &Settings::default());
    let mut conn = with_table(&manager);
    std::fs::remove_file(&file).unwrap();
    driver
        .ping(&manager, &mut conn, Duration::from_secs(1))
        .unwrap();
    drop(conn);
    let fresh = manager.connect().unwrap();
    assert!(file.exists());
    assert_eq!(
        pragma(&fresh, "journal_mode"),
        "wal",
        "the file created in its place is switched to WAL too"
    );
    drop(fresh);
    assert!(wal_of(&file).exists(), "a connection is kept open on it");
}

#[test]
fn a_validation_query_replaces_the_ping() {
    let mut settings = Settings::default();
    settings.validation_query = Some("SELECT v FROM t".to_owned());
    let (manager, driver) = prepared(SqliteManager::memory(), &settings);
    let limit = Duration::from_secs(1);
    let mut conn = manager.connect().unwrap();
    let error = driver.ping(&manager, &mut conn, limit).unwrap_err();
    assert_eq!(driver.classify(&error), ErrorClass::Statement);
    conn.execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)")
        .unwrap();
    driver.ping(&manager, &mut conn, limit).unwrap();
    assert!(!driver.is_bounded(Call::Ping) && driver.is_bounded(Call::Connect));
}

#[test]
fn null_mode_is_the_default_and_command_timeout_is_no_error() {
    let mut settings = Settings::default();
    settings.command_timeout = Some(Duration::from_secs(60));
    let (_, driver) = prepared(SqliteManager::memory(), &settings);
    assert_eq!(driver.default_mode(), Mode::Null);
    assert!(driver.is_bounded(Call::Ping));
}

#[test]
fn a_deferred_transaction_that_comes_to_write_fails_at_once_and_an_immediate_one_waits() {
    let folder = folder();
    let manager = SqliteManager::file(folder.path().join("app.db"));
    let writer = with_table(&manager);
    let mut conn = manager.connect().unwrap();
    let deferred = conn.transaction().unwrap();
    assert_eq!(count(&deferred), 0);
    writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
    let start = Instant::now();
    let error = deferred
        .execute("INSERT INTO t VALUES (2)", [])
        .unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "busy_timeout is 5 s"
    );
    drop(deferred);
    let immediate = sqlite::immediate(&mut conn).unwrap();
    assert_eq!(count(&immediate), 1);
    immediate.execute("INSERT INTO t VALUES (2)", []).unwrap();
    immediate.commit().unwrap();
}

#[test]
fn managers_and_drivers_can_be_shared_between_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<SqliteManager>();
    assert_send_sync::<SqliteDriver>();
}

#[test]
fn every_error_has_its_class() {
    use rusqlite::ffi;
    let driver = SqliteDriver::default();
    for (code, class) in [
        (ffi::SQLITE_BUSY, ErrorClass::Transient),
        (ffi::SQLITE_BUSY_RECOVERY, ErrorClass::Transient),
        (ffi::SQLITE_LOCKED, ErrorClass::Transient),
        (ffi::SQLITE_PROTOCOL, ErrorClass::Transient),
        (ffi::SQLITE_CANTOPEN, ErrorClass::Permanent),
        (ffi::SQLITE_NOTADB, ErrorClass::Permanent),
        (ffi::SQLITE_CORRUPT, ErrorClass::Permanent),
        (ffi::SQLITE_PERM, ErrorClass::Permanent),
        (ffi::SQLITE_READONLY_DIRECTORY, ErrorClass::Permanent),
        (ffi::SQLITE_AUTH, ErrorClass::Permanent),
        (ffi::SQLITE_CONSTRAINT, ErrorClass::Statement),
        (ffi::SQLITE_ERROR, ErrorClass::Statement),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(driver.classify(&error), class, "{error}");
    }
    let error = rusqlite::Connection::open("a\0b").unwrap_err();
    assert_eq!(driver.classify(&error), ErrorClass::Permanent);
    assert_eq!(
        driver.classify(&rusqlite::Error::QueryReturnedNoRows),
        ErrorClass::Statement
    );
}

#[test]
fn a_full_reset_lets_go_of_a_file_that_was_locked_by_its_schemas_name() {
    let folder = folder();
    // In WAL mode, the manager's own connection would keep others from locking the file for good.
    let pragmas = Pragmas::default().journal_mode(JournalMode::Delete);
    let (manager, driver) = prepared(
        SqliteManager::file(folder.path().join("app.db")).pragmas(pragmas),
        &Settings::default(),
    );
    for lock in [
        "PRAGMA locking_mode=exclusive",
        "PRAGMA main.locking_mode=exclusive",
    ] {
        let mut conn = manager.connect().unwrap();
        conn.execute_batch(&format!(
            "{lock}; CREATE TABLE IF NOT EXISTS t (v); INSERT INTO t VALUES (0)"
        ))
        .unwrap();
        let begun = Instant::now();
        driver
            .reset(&manager, &mut conn, ResetOnReturn::Full)
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{lock}");
        let other = manager.connect().unwrap();
        other.execute("INSERT INTO t VALUES (1)", []).unwrap();
    }
}

#[test]
fn a_connection_whose_reader_was_leaked_is_not_handed_on() {
    let pool = SqlitePool::builder("sqlite::memory:?busy_timeout=20ms")
        .unwrap()
        .settings(Settings::default().mode(Mode::Queue).pool_size(2))
        .build()
        .unwrap();
    let sql = "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)";
    pool.get().unwrap().execute_batch(sql).unwrap();
    let reader = pool.get().unwrap();
    let mut statement = reader.prepare("SELECT v FROM t").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    std::mem::forget(rows);
    std::mem::forget(statement);
    let sql = "INSERT INTO t VALUES (3)";
    pool.get().unwrap().execute(sql, []).unwrap();
    drop(reader);
    assert_eq!(count(&pool.get().unwrap()), 3);
    let status = pool.status();
    let closed = status.closed_by_reason.get(&CloseReason::ResetFailed);
    assert_eq!(closed, Some(&1), "{status:#?}");
}
