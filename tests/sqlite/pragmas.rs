//! The pragmas that are set on every connection.

use queuepool::Driver;
use queuepool::Settings;
use queuepool::sqlite::{Pragmas, SqliteDriver, SqliteManager, Synchronous};
use r2d2::ManageConnection;
use rusqlite::Connection;
use std::time::Duration;

use support::sqlite::{folder, pragma};

#[test]
fn every_connection_has_the_default_pragmas() {
    let folder = folder();
    let manager = SqliteManager::file(folder.path().join("app.db"));
    for _ in 0..3 {
        let conn = manager.connect().unwrap();
        for (name, value) in [
            ("journal_mode", "wal"),
            ("synchronous", "1"),
            ("temp_store", "2"),
            ("cache_size", "-16000"),
            ("mmap_size", "134217728"),
            ("foreign_keys", "1"),
            ("busy_timeout", "5000"),
            ("journal_size_limit", "67108864"),
        ] {
            assert_eq!(pragma(&conn, name), value, "{name}");
        }
    }
}

#[test]
fn every_pragma_can_be_set_in_the_url() {
    let folder = folder();
    let url = format!(
        "sqlite:///{}?journal_mode=TRUNCATE&synchronous=full&temp_store=file&cache_size=-64000&mmap_size=0\
         &foreign_keys=off&busy_timeout=250ms&journal_size_limit=-1",
        folder.path().join("app.db").display()
    );
    let manager = SqliteManager::from_url(&url).unwrap();
    for _ in 0..2 {
        let conn = manager.connect().unwrap();
        for (name, value) in [
            ("journal_mode", "truncate"),
            ("synchronous", "2"),
            ("temp_store", "1"),
            ("cache_size", "-64000"),
            ("mmap_size", "0"),
            ("foreign_keys", "0"),
            ("busy_timeout", "250"),
            ("journal_size_limit", "-1"),
        ] {
            assert_eq!(pragma(&conn, name), value, "{name}");
        }
    }
}

#[test]
fn pragmas_left_out_keep_sqlites_own_values() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let plain = Connection::open(&file).unwrap();
    plain.execute_batch("CREATE TABLE t (v)").unwrap();
    let conn = SqliteManager::file(&file)
        .pragmas(Pragmas::none())
        .connect()
        .unwrap();
    for name in [
        "journal_mode",
        "synchronous",
        "temp_store",
        "cache_size",
        "mmap_size",
        "foreign_keys",
        "busy_timeout",
        "journal_size_limit",
    ] {
        assert_eq!(pragma(&conn, name), pragma(&plain, name), "{name}");
    }
    let url = "sqlite:app.db?journal_mode=default&cache_size=default";
    assert!(format!("{:?}", SqliteManager::from_url(url).unwrap()).contains("journal_mode: None"));
}

#[test]
fn a_pragma_out_of_range_is_a_settings_error_that_names_it() {
    let day = Duration::from_secs(86_400);
    for (name, pragmas) in [
        ("busy_timeout", Pragmas::default().busy_timeout(day * 25)),
        ("mmap_size", Pragmas::default().mmap_size(u64::MAX)),
        (
            "journal_size_limit",
            Pragmas::default().journal_size_limit(-2),
        ),
    ] {
        let mut manager = SqliteManager::memory().pragmas(pragmas.clone());
        let error = SqliteDriver::default()
            .prepare(&mut manager, "test", &Settings::default())
            .unwrap_err();
        let beginning = format!("invalid {name} ");
        assert!(error.to_string().starts_with(&beginning), "{error}");
        assert!(error.to_string().contains(": expected "), "{error}");
    }
    let pragmas = Pragmas::default()
        .synchronous(Synchronous::Extra)
        .busy_timeout(day * 25);
    let conn = SqliteManager::memory().pragmas(pragmas).connect().unwrap();
    assert_eq!(pragma(&conn, "busy_timeout"), i32::MAX.to_string());
}
