//! Null mode: what is promised of a connection holds for each one that a checkout opens, whatever has become of the file since the
//! last one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;

use queuepool::sqlite::{SqliteDriver, SqliteManager, SqlitePool};
use queuepool::{ResetOnReturn, Settings};
use rusqlite::Connection;

use support::sqlite::{count, folder, pragma, wal_of};

/// All but the journal mode, which is the file's.
const OF_EACH_CONNECTION: [(&str, &str); 7] = [
    ("synchronous", "1"),
    ("temp_store", "2"),
    ("cache_size", "-16000"),
    ("mmap_size", "134217728"),
    ("foreign_keys", "1"),
    ("busy_timeout", "5000"),
    ("journal_size_limit", "67108864"),
];

fn keeps_its_promises(conn: &Connection, journal_mode: &str) {
    assert_eq!(pragma(conn, "journal_mode"), journal_mode);
    for (name, value) in OF_EACH_CONNECTION {
        assert_eq!(pragma(conn, name), value, "{name}");
    }
}

fn pool(file: &Path) -> SqlitePool {
    SqlitePool::builder(file).unwrap().build().unwrap()
}

/// A file that no pool has seen, in SQLite's default journal mode.
fn plain(file: &Path, rows: usize) {
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("CREATE TABLE t (v)").unwrap();
    for _ in 0..rows {
        conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
    }
}

fn beside(file: &Path) -> [PathBuf; 2] {
    [wal_of(file), file.with_extension("db-shm")]
}

#[test]
fn each_checkout_has_all_pragmas() {
    let folder = folder();
    let file = folder.path().join("app.db");
    plain(&file, 1);
    let pool = pool(&file);
    for _ in 0..3 {
        let conn = pool.get().unwrap();
        keeps_its_promises(&conn, "wal");
        assert_eq!(count(&conn), 1);
    }
    assert_eq!(pool.status().total_connections_created, 3);
}

#[test]
fn each_checkout_of_a_database_in_memory_has_all_pragmas() {
    let pool = SqlitePool::builder("sqlite::memory:")
        .unwrap()
        .build()
        .unwrap();
    for _ in 0..3 {
        let conn = pool.get().unwrap();
        assert_eq!(pragma(&conn, "journal_mode"), "wal");
        for (name, value) in OF_EACH_CONNECTION {
            let value = if name == "synchronous" { "0" } else { value };
            assert_eq!(pragma(&conn, name), value, "{name}");
        }
    }
}

#[test]
fn a_file_that_was_deleted_is_created_in_wal_mode_again() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let pool = pool(&file);
    for _ in 0..3 {
        let conn = pool.get().unwrap();
        keeps_its_promises(&conn, "wal");
        conn.execute_batch("CREATE TABLE t (v)").unwrap();
        drop(conn);
        std::fs::remove_file(&file).unwrap();
        // The kept connection may have deleted them.
        let _ = beside(&file).map(std::fs::remove_file);
    }
}

#[test]
fn a_file_that_was_replaced_by_one_in_another_mode_is_switched() {
    let folder = folder();
    let file = folder.path().join("app.db");
    let pool = pool(&file);
    for rows in 1..4 {
        drop(pool.get().unwrap());
        let next = folder.path().join("next.db");
        plain(&next, rows);
        let _ = beside(&file).map(std::fs::remove_file);
        std::fs::rename(&next, &file).unwrap();

        let conn = pool.get().unwrap();
        keeps_its_promises(&conn, "wal");
        assert_eq!(count(&conn), rows as i64);
        conn.execute("DELETE FROM t", []).unwrap();
        drop(conn);
        assert!(wal_of(&file).exists(), "the pool keeps the new file open");
    }
}

#[test]
fn another_process_cannot_take_the_file_out_of_wal_mode_until_the_pool_is_closed() {
    const CHILD: &str = "QUEUEPOOL_TEST_SWITCHES";
    if let Some(file) = std::env::var_os(CHILD) {
        let conn = Connection::open(file).unwrap();
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        let switched = conn.query_row("PRAGMA journal_mode=delete", [], |row| {
            row.get::<_, String>(0)
        });
        println!("switched: {switched:?}");
        return;
    }
    let switched_by_another = |file: &Path| {
        let name =
            "null::another_process_cannot_take_the_file_out_of_wal_mode_until_the_pool_is_closed";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(CHILD, file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("switched: "), "{text}");
        text.contains("switched: Ok(\"delete\")")
    };
    let folder = folder();
    let file = folder.path().join("app.db");
    plain(&file, 1);
    let first = pool(&file);
    for _ in 0..2 {
        keeps_its_promises(&first.get().unwrap(), "wal");
        assert!(!switched_by_another(&file));
    }
    drop(first);
    let second = pool(&file);
    assert!(switched_by_another(&file), "nobody has it open");
    keeps_its_promises(&second.get().unwrap(), "wal");
}

#[test]
fn a_file_opened_for_reading_only_keeps_its_journal_mode_and_has_all_other_pragmas() {
    let folder = folder();
    for mode in ["delete", "wal"] {
        let file = folder.path().join(format!("{mode}.db"));
        plain(&file, 1);
        let conn = Connection::open(&file).unwrap();
        conn.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(()))
            .unwrap();
        drop(conn);
        let url = format!("sqlite:///{}?mode=ro", file.display());
        let pools = [
            SqlitePool::builder(&*url).unwrap(),
            SqlitePool::builder(SqliteManager::file(&file).read_only())
                .driver(SqliteDriver::default()),
        ];
        for pool in pools.map(|builder| builder.build().unwrap()) {
            for _ in 0..2 {
                let conn = pool.get().unwrap();
                keeps_its_promises(&conn, mode);
                assert_eq!(count(&conn), 1);
                conn.execute("INSERT INTO t VALUES (2)", []).unwrap_err();
            }
        }
    }
}

#[test]
fn eight_threads_that_check_out_a_new_file_at_once_have_all_pragmas() {
    for _ in 0..20 {
        let folder = folder();
        let pool = pool(&folder.path().join("app.db"));
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    keeps_its_promises(&pool.get().unwrap(), "wal");
                });
            }
        });
        assert_eq!(pool.status().connection_errors, 0);
    }
}

#[test]
fn foreign_keys_are_enforced_unless_they_are_turned_off() {
    for (url, enforced) in [
        ("sqlite::memory:", true),
        ("sqlite::memory:?foreign_keys=on", true),
        ("sqlite::memory:?foreign_keys=off", false),
    ] {
        let pool = SqlitePool::builder(url).unwrap().build().unwrap();
        let sql = "CREATE TABLE t (v PRIMARY KEY); CREATE TABLE u (v REFERENCES t)";
        pool.get().unwrap().execute_batch(sql).unwrap();
        for _ in 0..2 {
            let conn = pool.get().unwrap();
            let inserted = conn.execute("INSERT INTO u VALUES (1)", []);
            assert_eq!(inserted.is_err(), enforced, "{url}");
        }
    }
}

#[test]
fn a_writer_is_rolled_back_at_its_return_although_a_statement_of_it_was_leaked() {
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let pool = SqlitePool::builder("sqlite::memory:?busy_timeout=20ms")
            .unwrap()
            .settings(Settings::default().reset_on_return(how))
            .build()
            .unwrap();
        let sql = "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)";
        pool.get().unwrap().execute_batch(sql).unwrap();
        let writer = pool.get().unwrap();
        writer.execute_batch("BEGIN; DELETE FROM t").unwrap();
        // SQLite cannot close a connection that has statements, so this one and its locks stay.
        std::mem::forget(writer.prepare("SELECT v FROM t").unwrap());
        drop(writer);
        let next = pool.get().unwrap();
        assert_eq!(next.execute("INSERT INTO t VALUES (3)", []).unwrap(), 1);
        assert_eq!(count(&next), 3);
    }
}
