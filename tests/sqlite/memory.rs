//! Databases in memory: one for each manager, and as concurrent as a file.

use queuepool::Driver;
use queuepool::Settings;
use queuepool::sqlite;
use queuepool::sqlite::{Pragmas, SqliteDriver, SqliteManager};
use r2d2::ManageConnection;
use std::time::Duration;

use support::sqlite::{count, eight_threads_write, folder, pragma, with_table};

#[test]
fn memory_is_one_database_for_each_manager() {
    let one = SqliteManager::memory();
    let other = SqliteManager::from_url("sqlite://").unwrap();
    drop(with_table(&one));
    let conn = one.connect().unwrap();
    assert_eq!(
        count(&conn),
        0,
        "the database outlives the connection that created it"
    );
    assert_eq!(pragma(&conn, "synchronous"), "0");
    let error = other
        .connect()
        .unwrap()
        .execute("INSERT INTO t VALUES (1)", [])
        .unwrap_err();
    assert!(error.to_string().contains("no such table"), "{error}");
}

#[test]
fn eight_threads_write_to_memory() {
    let manager = SqliteManager::memory();
    let conn = with_table(&manager);
    eight_threads_write(&manager, 50);
    assert_eq!(count(&conn), 400);
}

#[test]
fn in_memory_a_reader_and_a_writer_do_not_wait_for_each_other() {
    let manager = SqliteManager::memory().pragmas(Pragmas::default().busy_timeout(Duration::ZERO));
    let mut writer = with_table(&manager);
    let mut reader = manager.connect().unwrap();
    let reading = reader.transaction().unwrap();
    assert_eq!(count(&reading), 0);
    let writing = sqlite::immediate(&mut writer).unwrap();
    writing.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(count(&reading), 0);
    writing.commit().unwrap();
    assert_eq!(count(&reading), 0, "a reader keeps its view");
    reading.commit().unwrap();
    assert_eq!(count(&reader), 1);
}

#[test]
fn memory_leaves_nothing_behind_after_shutdown() {
    let folder = folder();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let manager = SqliteManager::memory_in(folder.path());
    drop(with_table(&manager));
    assert_eq!(files(), 1);
    SqliteDriver::default().shutdown(&manager);
    assert_eq!(files(), 0);
    let error = manager.connect().unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");

    let manager = SqliteManager::memory_in(folder.path());
    drop(with_table(&manager));
    drop(manager);
    assert_eq!(files(), 0);
}

#[test]
fn a_missing_temporary_folder_is_named() {
    let manager = SqliteManager::memory_in("/nowhere/at/all");
    let error = manager.connect().unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    let mut manager = manager;
    let error = SqliteDriver::default()
        .prepare(&mut manager, "test", &Settings::default())
        .unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}
