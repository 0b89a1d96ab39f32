//! The switch to WAL, and how long the log file exists.

use queuepool::Driver;
use queuepool::sqlite;
use queuepool::sqlite::{Pragmas, SqliteDriver, SqliteManager};
use r2d2::ManageConnection;
use std::time::Duration;

use support::sqlite::{count, eight_threads_write, folder, pragma, wal_of, with_table};

#[test]
fn the_log_outlives_the_last_pooled_connection_and_goes_at_shutdown() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let manager = SqliteManager::file(&file);
    let conn = with_table(&manager);
    conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
    drop(conn);
    assert!(std::fs::metadata(wal_of(&file)).unwrap().len() > 0);

    SqliteDriver::default().shutdown(&manager);
    assert!(!wal_of(&file).exists());

    let late = manager.connect().unwrap();
    assert_eq!(count(&late), 1);
    assert!(wal_of(&file).exists());
    drop(late);
    assert!(
        !wal_of(&file).exists(),
        "a connect after shutdown keeps no connection open"
    );
}

#[test]
fn a_dropped_manager_lets_go_of_the_log_too() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let manager = SqliteManager::file(&file);
    drop(with_table(&manager));
    assert!(wal_of(&file).exists());
    drop(manager);
    assert!(!wal_of(&file).exists());
}

#[test]
fn the_log_outlives_the_last_pooled_connection_of_a_file_that_replaced_another_too() {
    let folder = folder();
    let (file, backup) = (
        folder.path().join("app.db"),
        folder.path().join("backup.db"),
    );
    drop(with_table(&SqliteManager::file(&backup)));
    let manager = SqliteManager::file(&file);
    drop(with_table(&manager));
    assert!(wal_of(&file).exists());
    std::fs::remove_file(wal_of(&file)).unwrap();
    std::fs::remove_file(folder.path().join("app.db-shm")).unwrap();
    std::fs::rename(&backup, &file).unwrap();

    let conn = manager.connect().unwrap();
    conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
    drop(conn);
    assert!(
        wal_of(&file).exists(),
        "no connection is kept open on the new file"
    );
    assert_eq!(count(&manager.connect().unwrap()), 1);
    drop(manager);
    assert!(!wal_of(&file).exists());
    assert_eq!(count(&rusqlite::Connection::open(&file).unwrap()), 1);
}

#[test]
fn eight_threads_open_and_write_a_new_file_at_once_without_an_error() {
    for _ in 0..60 {
        let folder = folder();
        let manager = SqliteManager::file(folder.path().join("app.db"));
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let mut conn = manager.connect().unwrap();
                    let transaction = sqlite::immediate(&mut conn).unwrap();
                    transaction
                        .execute_batch("CREATE TABLE IF NOT EXISTS t (v); INSERT INTO t VALUES (1)")
                        .unwrap();
                    transaction.commit().unwrap();
                });
            }
        });
        let conn = manager.connect().unwrap();
        assert_eq!(count(&conn), 8);
        assert_eq!(pragma(&conn, "journal_mode"), "wal");
    }
}

#[test]
fn connects_that_do_not_want_to_wait_survive_the_switch_too() {
    for _ in 0..20 {
        let folder = folder();
        let manager = SqliteManager::file(folder.path().join("app.db"))
            .pragmas(Pragmas::default().busy_timeout(Duration::ZERO));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope
                    .spawn(|| assert_eq!(pragma(&manager.connect().unwrap(), "busy_timeout"), "0"));
            }
        });
    }
}

#[test]
fn eight_threads_write_to_a_file() {
    let folder = folder();
    let manager = SqliteManager::file(folder.path().join("app.db"));
    let conn = with_table(&manager);
    eight_threads_write(&manager, 50);
    assert_eq!(count(&conn), 400);
}
