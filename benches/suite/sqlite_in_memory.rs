//! A database in memory: this crate's arrangement against SQLite's own two, for the documentation of `queuepool::sqlite`.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use queuepool::sqlite::{self, SqliteManager};
use r2d2::ManageConnection;
use rusqlite::Connection;

use crate::Suite;
use crate::measure::time;
use crate::row::Row;
use crate::sqlite::read;

/// What one arrangement showed, in microseconds.
struct Figures {
    cycle: f64,
    insert: f64,
    select: f64,
    transaction: f64,
    failed: f64,
    beside: String,
}

/// One of them.
type Figure = fn(&Figures) -> f64;
type Arrangement = (&'static str, Box<dyn Fn(u32) -> Figures>);

pub fn rows(suite: &mut Suite) {
    // A new database in each round.
    let ours = |manager: fn() -> SqliteManager| {
        move |less| {
            let manager = manager();
            figures(less, || manager.connect().expect("a database"))
        }
    };
    // Each is given the pragmas that cost time, so that like is compared with like.
    let uri = |uri: &'static str| {
        let open = move || {
            let connection = Connection::open(uri).expect("a database");
            let pragmas = "PRAGMA synchronous=off; PRAGMA temp_store=memory; PRAGMA cache_size=-16000; PRAGMA foreign_keys=on";
            connection.execute_batch(pragmas).expect("the pragmas");
            connection
        };
        move |less| figures(less, open)
    };
    let mut arrangements: Vec<Arrangement> = vec![
        ("ours", Box::new(ours(SqliteManager::memory))),
        ("memdb", Box::new(uri("file:/figures?vfs=memdb"))),
        (
            "shared cache",
            Box::new(uri("file:figures?mode=memory&cache=shared")),
        ),
    ];
    if Path::new("/dev/shm").is_dir() {
        let in_shm = || SqliteManager::memory_in("/dev/shm");
        arrangements.push(("ours, shm", Box::new(ours(in_shm))));
    }
    let (rounds, less) = (suite.pick(7, 2), suite.pick(1, 10));
    let mut series: Vec<Vec<Figures>> = arrangements.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, arrangement), figures) in arrangements.iter().zip(&mut series) {
            figures.push(arrangement(less));
        }
    }
    let whats: [(&str, &'static str, Figure); 5] = [
        ("open-insert-close", "us", |figures| figures.cycle),
        ("insert", "us", |figures| figures.insert),
        ("select", "us", |figures| figures.select),
        ("8-threads-writing", "us", |figures| figures.transaction),
        ("failed-of-2400", "failures", |figures| figures.failed),
    ];
    for (what, unit, figure) in whats {
        let of = |figures: &[Figures]| figures.iter().map(figure).collect::<Vec<f64>>();
        let mut row = Row::new(format!("sqlite-in-memory/{what}"), unit, of(&series[0]));
        for ((name, _), figures) in arrangements.iter().zip(&series).skip(1) {
            row = row.against(name, &of(figures), None);
        }
        suite.add(row);
    }
    for ((name, _), figures) in arrangements.iter().zip(&series) {
        println!("{:<46} {name}: {}", "", figures[0].beside);
    }
}

fn each(turns: u32, mut run: impl FnMut(u32)) -> f64 {
    time(|| (0..turns).for_each(&mut run)) / f64::from(turns) / 1e3
}

fn figures(less: u32, open: impl Fn() -> Connection + Sync) -> Figures {
    let connection = open();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)")
        .expect("a table");
    let beside = beside(&open);
    let cycle = each(2_000 / less, |turn| {
        let insert = open().execute("INSERT INTO t (v) VALUES (?1)", [turn]);
        insert.expect("a row");
    });
    let insert = each(20_000 / less, |turn| {
        let insert = connection.execute("INSERT INTO t (v) VALUES (?1)", [turn]);
        insert.expect("a row");
    });
    let select = each(20_000 / less, |turn| {
        black_box(read(&connection, turn + 1).expect("a row"));
    });
    let failed = AtomicU32::new(0);
    let turns = 300 / less;
    let all = time(|| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for turn in 0..turns {
                        let written = sqlite::immediate(&mut open()).and_then(|transaction| {
                            transaction.execute("INSERT INTO t (v) VALUES (?1)", [turn])?;
                            transaction.execute("UPDATE t SET v = v + 1 WHERE id = 1", [])?;
                            transaction.commit()
                        });
                        failed.fetch_add(u32::from(written.is_err()), Ordering::Relaxed);
                    }
                });
            }
        });
    });
    Figures {
        cycle,
        insert,
        select,
        transaction: all / f64::from(8 * turns) / 1e3,
        failed: f64::from(failed.into_inner()) * f64::from(less),
        beside,
    }
}

/// Whether one connection can read while a writer's transaction is open, and write while a reader's is.
fn beside(open: &dyn Fn() -> Connection) -> String {
    let said =
        |error: Option<rusqlite::Error>| error.map_or("yes".to_owned(), |error| error.to_string());
    let (mut writer, reader) = (open(), open());
    for connection in [&writer, &reader] {
        connection
            .busy_timeout(Duration::from_millis(200))
            .expect("a time-out");
    }
    let transaction = sqlite::immediate(&mut writer).expect("a transaction");
    transaction
        .execute("UPDATE t SET v = v + 1", [])
        .expect("a row");
    let read = said(read(&reader, 1).err());
    transaction.commit().expect("a commit");
    reader
        .execute_batch("BEGIN; SELECT * FROM t")
        .expect("rows");
    let written = said(writer.execute("UPDATE t SET v = v + 1", []).err());
    format!("read beside a writer: {read}; write beside a reader: {written}")
}
