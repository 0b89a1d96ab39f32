//! SQLite on a file: null mode and queue mode against opening the file by hand, and what the documentation of `queuepool::sqlite`
//! says of it. The figures depend on the disk under the temporary folder: set TMPDIR to measure another one.

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use queuepool::sqlite::{SqliteDriver, SqliteManager, SqlitePool};
use queuepool::{Driver, Mode, Pool, Settings};
use r2d2::ManageConnection;
use rusqlite::Connection;

use crate::Suite;
use crate::measure::{Operations, operations_take_turns};
use crate::row::{Bar, Row};

/// The pragmas of a pool's connection, without the journal mode, which the file remembers.
const PRAGMAS: &str = "PRAGMA synchronous=normal; PRAGMA temp_store=memory; PRAGMA cache_size=-16000; PRAGMA mmap_size=134217728; \
                       PRAGMA foreign_keys=on; PRAGMA journal_size_limit=67108864";

pub fn rows(suite: &mut Suite) {
    if suite.wants("sqlite/read") || suite.wants("sqlite/write") {
        modes(suite);
    }
    if suite.wants("sqlite/work") {
        works(suite);
    }
    if suite.wants("sqlite/kept-connection") {
        kept_connection(suite);
    }
    if suite.wants("sqlite/switching-to-wal") {
        switching_to_wal(suite);
    }
}

pub fn read(connection: &Connection, id: u32) -> rusqlite::Result<u32> {
    connection.query_row("SELECT v FROM t WHERE id = ?1", [id], |row| row.get(0))
}

fn write(connection: &Connection) {
    let rows = connection.execute("UPDATE t SET v = v + 1 WHERE id = 1", []);
    assert_eq!(rows.expect("a write"), 1);
}

fn pool(path: &Path, mode: Mode) -> SqlitePool {
    let settings = Settings::default().mode(mode);
    let pool = Pool::builder(SqliteManager::file(path))
        .settings(settings)
        .build();
    pool.expect("a pool")
}

fn open(path: &Path, pragmas: &str) -> Connection {
    let connection = Connection::open(path).expect("the file");
    connection.execute_batch(pragmas).expect("the pragmas");
    connection
}

/// One read or write with its checkout, against r2d2 and against opening the file by hand, beside a connection that stays open,
/// with and without the pragmas that the pool sets.
fn modes(suite: &mut Suite) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("modes.db");
    let beside = open(&path, PRAGMAS);
    beside
        .execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)")
        .expect("a table");
    let (null, queue) = (pool(&path, Mode::Null), pool(&path, Mode::Queue));
    let manager = r2d2_sqlite::SqliteConnectionManager::file(&path)
        .with_init(|connection| connection.execute_batch(PRAGMAS));
    let r2d2 = r2d2::Pool::builder()
        .max_size(10)
        .build(manager)
        .expect("a pool");
    let reads = |connection: &Connection| {
        black_box(read(connection, 1).expect("a row"));
    };
    let (window, rounds) = (suite.window(150), suite.pick(12, 2));
    for (name, run) in [
        ("sqlite/read", &reads as &dyn Fn(&Connection)),
        ("sqlite/write", &write),
    ] {
        if !suite.wants(name) {
            continue;
        }
        let mut operations: Operations = vec![
            ("null mode", Box::new(|| run(&null.get().unwrap()))),
            ("queue mode", Box::new(|| run(&queue.get().unwrap()))),
            ("r2d2", Box::new(|| run(&r2d2.get().unwrap()))),
            ("open", Box::new(|| run(&open(&path, PRAGMAS)))),
            (
                "bare open",
                Box::new(|| run(&Connection::open(&path).unwrap())),
            ),
            ("held", Box::new(|| run(&beside))),
        ];
        let series = operations_take_turns(&mut operations, window, rounds);
        drop(operations);
        let of = |wanted: &str| -> Vec<f64> {
            let found = series.iter().find(|(name, _)| *name == wanted);
            let (_, costs) = found.expect("bug: measured above");
            costs.iter().map(|cost| cost / 1e3).collect()
        };
        let row = Row::new(format!("{name} null mode"), "us", of("null mode"))
            .against("open, pragmas", &of("open"), None)
            .against("bare open", &of("bare open"), None);
        suite.add(row);
        let row = Row::new(format!("{name} queue mode"), "us", of("queue mode"))
            .against("r2d2", &of("r2d2"), Bar::AtMost(1.0))
            .against("held", &of("held"), None)
            .against("null mode", &of("null mode"), None);
        suite.add(row);
    }
}

/// What a checkout costs in both modes, by what is done with the connection and by how many tables the file has: each open reads
/// the whole schema. Against opening the file by hand, with the same pragmas.
fn works(suite: &mut Suite) {
    let one_row = |connection: &Connection| {
        black_box(read(connection, 1).expect("a row"));
    };
    work(suite, "one row, 1 table", 1, one_row);
    work(suite, "one row, 20 tables", 20, one_row);
    work(suite, "one row, 200 tables", 200, one_row);
    work(suite, "insert one row", 1, |connection| {
        let rows = connection.execute("INSERT INTO t (v) VALUES (1)", []);
        assert_eq!(rows.expect("a write"), 1);
    });
    work(suite, "50 rows, one by one", 1, |connection| {
        (1..=50).for_each(|id| {
            black_box(read(connection, id).expect("a row"));
        });
    });
    work(suite, "scan 20,000 rows", 1, |connection| {
        let sum = connection.query_row("SELECT sum(v) FROM t", [], |row| row.get::<_, i64>(0));
        black_box(sum.expect("a sum"));
    });
}

fn work(suite: &mut Suite, name: &str, tables: u32, run: impl Fn(&Connection)) {
    const FILLING: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                           FROM n WHERE i < 20000) INSERT INTO t SELECT i, i FROM n";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("works.db");
    // In both pools one connection stays open on the file, so the one by hand is never the last to close either.
    let (null, queue) = (pool(&path, Mode::Null), pool(&path, Mode::Queue));
    let filled = queue.get().expect("a connection");
    filled.execute_batch(FILLING).expect("a table");
    for table in 1..tables {
        let sql = format!(
            "CREATE TABLE t{table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, at TEXT, v INTEGER)"
        );
        filled.execute_batch(&sql).expect("a table");
    }
    drop(filled);
    let mut operations: Operations = vec![
        ("null", Box::new(|| run(&null.get().unwrap()))),
        ("open", Box::new(|| run(&open(&path, PRAGMAS)))),
        ("queue", Box::new(|| run(&queue.get().unwrap()))),
    ];
    let (window, rounds) = (suite.window(150), suite.pick(12, 2));
    let series = operations_take_turns(&mut operations, window, rounds);
    drop(operations);
    let of = |wanted: &str| -> Vec<f64> {
        let found = series.iter().find(|(name, _)| *name == wanted);
        let (_, costs) = found.expect("bug: measured above");
        costs.iter().map(|cost| cost / 1e3).collect()
    };
    let row = Row::new(format!("sqlite/work {name}, null mode"), "us", of("null"))
        .against("open, pragmas", &of("open"), Bar::AtMost(1.15))
        .against("queue mode", &of("queue"), None);
    suite.add(row);
}

/// Null mode's open, write a row, close, with and without the connection that the pool keeps open on the file.
fn kept_connection(suite: &mut Suite) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let turns = suite.pick(200, 50);
    let managers = ["kept.db", "not-kept.db"].map(|name| {
        let manager = SqliteManager::file(folder.path().join(name));
        let connection = manager.connect().expect("the file");
        connection
            .execute_batch(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)",
            )
            .expect("a table");
        manager
    });
    // After a shutdown the manager keeps no connection open.
    SqliteDriver::default().shutdown(&managers[1]);
    let rounds = suite.pick(7, 2);
    let [mut writes, mut reads, mut longest] = [const { [Vec::new(), Vec::new()] }; 3];
    for _ in 0..rounds {
        for (at, manager) in managers.iter().enumerate() {
            let mut times: Vec<f64> = (0..turns)
                .map(|turn| {
                    crate::measure::time(|| {
                        let connection = manager.connect().expect("the file");
                        let row = connection.execute("INSERT INTO t (v) VALUES (?1)", [turn]);
                        row.expect("a row");
                    })
                })
                .collect();
            times.sort_by(f64::total_cmp);
            writes[at].push(times.iter().sum::<f64>() / f64::from(turns) / 1e3);
            longest[at].push(times.last().expect("a turn") / 1e3);
            let all = crate::measure::time(|| {
                for _ in 0..turns {
                    black_box(read(&manager.connect().expect("the file"), 1).expect("a row"));
                }
            });
            reads[at].push(all / f64::from(turns) / 1e3);
        }
    }
    for (what, [kept, not_kept]) in [
        ("write", writes),
        ("longest write", longest),
        ("read", reads),
    ] {
        let row = Row::new(format!("sqlite/kept-connection {what}"), "us", kept);
        suite.add(row.against("none kept", &not_kept, None));
    }
}

/// Why only one thread of a pool at a time switches a file to WAL, and with a retry: SQLite's own switch fails beside others,
/// whatever its busy_timeout.
fn switching_to_wal(suite: &mut Suite) {
    let files = suite.pick(60, 10);
    let failures = AtomicU32::new(0);
    for _ in 0..files {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("figures.db");
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let connection = Connection::open(&path).expect("the file");
                    let wait = connection.busy_timeout(Duration::from_secs(5));
                    wait.expect("a time-out");
                    if connection.execute_batch("PRAGMA journal_mode=wal").is_err() {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
    }
    let mut of_pools = 0.0;
    for _ in 0..files {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pool = pool(&folder.path().join("figures.db"), Mode::Null);
        let barrier = Barrier::new(8);
        let failed = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    failed.fetch_add(u32::from(pool.get().is_err()), Ordering::Relaxed);
                });
            }
        });
        of_pools += f64::from(failed.into_inner());
    }
    let row = Row::new(
        "sqlite/switching-to-wal failures",
        "failures",
        vec![of_pools],
    );
    let row = row.bar(Bar::AtMost(0.0));
    let row = row.against("by hand", &[f64::from(failures.into_inner())], None);
    suite.add(row.note(format!(
        "of {}: 8 threads on each of {files} new files",
        files * 8
    )));
}
