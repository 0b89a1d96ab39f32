//! What SQLite's driver logs: always the resolved path, its SQL with `echo`, and a refused setting once.

use std::time::Duration;

use queuepool::Driver;
use queuepool::sqlite::{SqliteDriver, SqliteManager};
use queuepool::{ResetOnReturn, Settings};
use r2d2::ManageConnection;
use rusqlite::Connection;
use support::{alone, logged};

fn lines_about(pool: &str) -> Vec<String> {
    logged::of(pool)
        .into_iter()
        .map(|line| format!("{} {} {}", line.level, line.target, line.text))
        .collect()
}

fn lines_of(pool: &str, settings: &Settings) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut manager = SqliteManager::file(folder.path().join("logged.db"));
    let mut driver = SqliteDriver::default();
    driver.prepare(&mut manager, pool, settings).unwrap();
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("BEGIN").unwrap();
    driver
        .ping(&manager, &mut conn, Duration::from_secs(1))
        .unwrap();
    driver
        .reset(&manager, &mut conn, ResetOnReturn::Rollback)
        .unwrap();
    drop(conn);
    // A file that may only be read keeps its journal mode, and that is not worth logging.
    let file = folder.path().join("read.db");
    drop(Connection::open(&file).unwrap());
    let mut reading = SqliteManager::file(&file).read_only();
    driver.prepare(&mut reading, "reading", settings).unwrap();
    drop(reading.connect().unwrap());
    lines_about(pool)
}

#[test]
fn the_path_is_logged_always_sql_with_echo_and_a_refused_journal_mode_once() {
    alone(|| {
        logged::keep(log::LevelFilter::Trace);
        let quiet = lines_of("quiet", &Settings::default());
        assert_eq!(quiet.len(), 1, "{quiet:?}");
        assert!(quiet[0].starts_with("INFO"), "{quiet:?}");
        assert!(quiet[0].contains("/logged.db"), "{quiet:?}");

        let mut settings = Settings::default();
        settings.echo = true;
        settings.command_timeout = Some(Duration::from_secs(60));
        let loud = lines_of("loud", &settings).join("\n");
        for says in [
            "INFO queuepool::loud pool loud: command_timeout 60s is not applied",
            "DEBUG queuepool::loud PRAGMA journal_mode=wal",
            "cache_size=-16000",
            "DEBUG queuepool::loud SELECT 1",
            "DEBUG queuepool::loud ROLLBACK",
        ] {
            assert!(loud.contains(says), "{says}: {loud}");
        }
        let reading = lines_about("reading").join("\n");
        assert!(!reading.contains("WARN"), "{reading}");
        assert!(!reading.contains("journal_mode="), "{reading}");

        // SQLite's memory VFS has no WAL.
        let mut refusing = SqliteManager::from_url("sqlite:////refusing?vfs=memdb").unwrap();
        SqliteDriver::default()
            .prepare(&mut refusing, "refusing", &settings)
            .unwrap();
        for _ in 0..3 {
            refusing.connect().unwrap();
        }
        let refusing = lines_about("refusing").join("\n");
        assert_eq!(refusing.matches("WARN").count(), 1, "{refusing}");
    });
}
