//! The figures in the documentation of `queuepool::sqlite`: `cargo bench --bench sqlite_figures`. Those of the first two parts
//! depend on the disk under the temporary folder: set TMPDIR to measure another one.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use queuepool::sqlite::{self, SqliteDriver, SqliteManager, SqlitePool};
use queuepool::{Driver, Mode, Settings};
use r2d2::ManageConnection;
use rusqlite::Connection;

fn main() {
    null_and_queue();
    println!();
    kept_connection();
    switching_to_wal();
    println!();
    memory();
}

fn each(times: u32, mut run: impl FnMut(u32)) -> Duration {
    let start = Instant::now();
    for turn in 0..times {
        run(turn);
    }
    start.elapsed() / times
}

/// The pragmas of a pool's connection, without the journal mode, which the file remembers.
const PRAGMAS: &str = "PRAGMA synchronous=normal; PRAGMA temp_store=memory; PRAGMA cache_size=-16000; PRAGMA mmap_size=134217728; \
                       PRAGMA foreign_keys=on; PRAGMA journal_size_limit=67108864";

/// What both modes cost, and what a bare open with the same pragmas costs: medians over all turns. The rounds of all three
/// alternate, so that a change in the load on the machine affects them alike.
fn null_and_queue() {
    println!(
        "open, pragmas, work, close without a pool (bare), and checkout, work, return in both modes"
    );
    println!(
        "  work                       |     bare |     null |    queue | null/bare | null/queue"
    );
    let one_row = |conn: &Connection| {
        black_box(read(conn, 1).unwrap());
    };
    compare("SELECT one row, 1 table", 1, 100, one_row);
    compare("SELECT one row, 20 tables", 20, 100, one_row);
    compare("SELECT one row, 200 tables", 200, 20, one_row);
    compare("INSERT one row", 1, 100, |conn| {
        conn.execute("INSERT INTO t (v) VALUES (1)", []).unwrap();
    });
    compare("SELECT 50 rows, one by one", 1, 20, |conn| {
        (1..=50).for_each(|id| {
            black_box(read(conn, id).unwrap());
        });
    });
    compare("scan 20,000 rows", 1, 5, |conn| {
        let sum = conn.query_row("SELECT sum(v) FROM t", [], |row| row.get::<_, i64>(0));
        black_box(sum.unwrap());
    });
}

fn compare(work: &str, tables: u32, times: u32, run: impl Fn(&Connection)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figures.db");
    let pool = |mode| {
        let builder = SqlitePool::builder(&*path).unwrap();
        builder
            .settings(Settings::default().mode(mode))
            .build()
            .unwrap()
    };
    let (null, queue) = (pool(Mode::Null), pool(Mode::Queue));
    let filling = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                   WHERE i < 20000) INSERT INTO t SELECT i, i FROM n";
    null.get().unwrap().execute_batch(filling).unwrap();
    for table in 1..tables {
        let sql = format!(
            "CREATE TABLE t{table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, at TEXT, v INTEGER)"
        );
        null.get().unwrap().execute_batch(&sql).unwrap();
    }
    // In both pools one connection stays open on the file, so the bare one is never the last to close either.
    run(&queue.get().unwrap());
    let mut all = [const { Vec::new() }; 3];
    for _ in 0..41 {
        for _ in 0..times {
            let start = Instant::now();
            let conn = Connection::open(&path).unwrap();
            conn.execute_batch(PRAGMAS).unwrap();
            run(&conn);
            drop(conn);
            all[0].push(start.elapsed());
        }
        for (pool, times_of_pool) in [&null, &queue].into_iter().zip(&mut all[1..]) {
            for _ in 0..times {
                let start = Instant::now();
                run(&pool.get().unwrap());
                times_of_pool.push(start.elapsed());
            }
        }
    }
    let [bare, null, queue] = all.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!(
        "  {work:26} | {:>8} | {:>8} | {:>8} | {:>9.2} | {:>10.1}",
        format!("{bare:.1?}"),
        format!("{null:.1?}"),
        format!("{queue:.1?}"),
        ratio(null, bare),
        ratio(null, queue)
    );
}

fn kept_connection() {
    println!("a file, null mode: open, write a row, close");
    // Interleaved, so that a change in the load on the machine affects both.
    for round in 1..=3 {
        for kept in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let manager = SqliteManager::file(folder.path().join("figures.db"));
            let conn = manager.connect().unwrap();
            conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
                .unwrap();
            drop(conn);
            if !kept {
                // After a shutdown the manager keeps no connection open.
                SqliteDriver::default().shutdown(&manager);
            }
            let mut longest = Duration::ZERO;
            let mean = each(500, |turn| {
                let start = Instant::now();
                let conn = manager.connect().unwrap();
                conn.execute("INSERT INTO t (v) VALUES (?1)", [turn])
                    .unwrap();
                drop(conn);
                longest = longest.max(start.elapsed());
            });
            let reading = each(500, |_| {
                let conn = manager.connect().unwrap();
                black_box(read(&conn, 1).unwrap());
            });
            println!(
                "  round {round}, kept connection {kept:5}: {mean:>10.1?} each, longest {longest:>10.1?}; reading {reading:>10.1?}"
            );
        }
    }
}

fn read(conn: &Connection, id: u32) -> rusqlite::Result<u32> {
    conn.query_row("SELECT v FROM t WHERE id = ?1", [id], |row| row.get(0))
}

fn switching_to_wal() {
    let failures = AtomicU32::new(0);
    for _ in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.db");
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let conn = Connection::open(&path).unwrap();
                    conn.busy_timeout(Duration::from_secs(5)).unwrap();
                    if conn.execute_batch("PRAGMA journal_mode=wal").is_err() {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
    }
    let failures = failures.into_inner();
    println!(
        "8 threads x 60 new files, each runs PRAGMA journal_mode=wal, busy_timeout 5 s: {failures} of 480 failed"
    );
}

fn memory() {
    println!("a database in memory");
    let manager = SqliteManager::memory();
    arrangement("this crate's", || manager.connect().unwrap());
    if Path::new("/dev/shm").is_dir() {
        let manager = SqliteManager::memory_in("/dev/shm");
        arrangement("this crate's, /dev/shm", || manager.connect().unwrap());
    }
    // Each is given the pragmas that cost time, so that like is compared with like.
    let uri = |uri: &'static str| {
        move || {
            let conn = Connection::open(uri).unwrap();
            conn.execute_batch(
                "PRAGMA synchronous=off; PRAGMA temp_store=memory; PRAGMA cache_size=-16000; PRAGMA foreign_keys=on",
            )
            .unwrap();
            conn
        }
    };
    arrangement("memdb", uri("file:/figures?vfs=memdb"));
    arrangement("shared cache", uri("file:figures?mode=memory&cache=shared"));
}

fn arrangement(name: &str, open: impl Fn() -> Connection + Sync) {
    println!("  {name}");
    let conn = open();
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)")
        .unwrap();
    // While a writer's transaction is open, can another connection read? And can one write while a reader's transaction is
    // open?
    let (mut writer, reader) = (open(), open());
    writer.busy_timeout(Duration::from_millis(200)).unwrap();
    reader.busy_timeout(Duration::from_millis(200)).unwrap();
    let transaction = sqlite::immediate(&mut writer).unwrap();
    transaction.execute("UPDATE t SET v = v + 1", []).unwrap();
    println!("    read beside a writer: {}", said(&read(&reader, 1)));
    transaction.commit().unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    let written = writer.execute("UPDATE t SET v = v + 1", []);
    println!("    write beside a reader: {}", said(&written));
    drop((writer, reader));

    let cycle = each(2_000, |turn| {
        let conn = open();
        conn.execute("INSERT INTO t (v) VALUES (?1)", [turn])
            .unwrap();
    });
    let insert = each(20_000, |turn| {
        conn.execute("INSERT INTO t (v) VALUES (?1)", [turn])
            .unwrap();
    });
    let select = each(20_000, |turn| {
        black_box(read(&conn, turn + 1).unwrap());
    });
    println!("    open, insert, close {cycle:.1?}; insert {insert:.1?}; select {select:.1?}");

    let (failed, longest) = (AtomicU32::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for turn in 0..300 {
                    let mut conn = open();
                    let start = Instant::now();
                    let written = sqlite::immediate(&mut conn).and_then(|transaction| {
                        transaction.execute("INSERT INTO t (v) VALUES (?1)", [turn])?;
                        transaction.execute("UPDATE t SET v = v + 1 WHERE id = 1", [])?;
                        transaction.commit()
                    });
                    failed.fetch_add(u32::from(written.is_err()), Ordering::Relaxed);
                    let took = start.elapsed().as_micros() as u64;
                    longest.fetch_max(took, Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "    8 threads x 300 write transactions: {} failed, {:.1?} each, longest {:.1?}",
        failed.into_inner(),
        start.elapsed() / 2_400,
        Duration::from_micros(longest.into_inner())
    );
}

fn said<T>(result: &rusqlite::Result<T>) -> String {
    match result {
        Ok(_) => "yes".to_owned(),
        Err(error) => error.to_string(),
    }
}
