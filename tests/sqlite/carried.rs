//! What a connection to SQLite, in queue mode, carries over to its next user: the table of `ResetOnReturn`, cell by cell,
//! and random rounds.

use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{Mode, ResetOnReturn, Settings};
use rusqlite::Connection;

use support::rounds::{Deed, Property, Row, Undone, hold, play};

#[test]
fn never_hands_on_no_answer() {
    carried(ResetOnReturn::Never);
}

#[test]
fn rollback_leaves_what_the_table_says() {
    carried(ResetOnReturn::Rollback);
}

#[test]
fn full_leaves_what_the_table_says() {
    carried(ResetOnReturn::Full);
}

#[test]
fn every_cell_of_the_table_is_true() {
    let folder = tempfile::tempdir().unwrap();
    hold(TABLE, |how| pool(&folder, how));
}

fn carried(how: ResetOnReturn) {
    let folder = tempfile::tempdir().unwrap();
    play(&pool(&folder, how), how, DEEDS, PROPERTIES);
}

fn pool(folder: &tempfile::TempDir, how: ResetOnReturn) -> SqlitePool {
    let settings = Settings::default()
        .mode(Mode::Queue)
        .pool_size(1)
        .max_overflow(0)
        .reset_on_return(how);
    // Whoever meets a lock is to fail soon.
    let file = folder.path().join("app.db");
    let pool = SqlitePool::builder(format!("sqlite:///{}?busy_timeout=20ms", file.display()))
        .unwrap()
        .settings(settings)
        .build()
        .unwrap();
    let tables = "CREATE TABLE IF NOT EXISTS kept (a INTEGER PRIMARY KEY); \
                  CREATE TABLE IF NOT EXISTS child (a REFERENCES kept)";
    pool.get().unwrap().execute_batch(tables).unwrap();
    pool
}

/// The first value, or the error.
fn ask(connection: &Connection, sql: &str) -> String {
    let value = connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
    match value {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error {error}"),
    }
}

const fn row(
    what: &'static str,
    undone: Undone,
    leave: fn(&mut Connection),
    is_left: fn(&mut Connection) -> bool,
) -> Row<SqliteManager> {
    Row {
        what,
        leave,
        is_left,
        undone,
    }
}

fn run(connection: &Connection, sql: &str) {
    connection.execute_batch(sql).unwrap();
}

const TABLE: &[Row<SqliteManager>] = &[
    row(
        "a transaction",
        Undone::ByRollback,
        |connection| run(connection, "BEGIN; INSERT INTO kept VALUES (1)"),
        |connection| !connection.is_autocommit(),
    ),
    row(
        "query_only",
        Undone::ByFull,
        |connection| run(connection, "PRAGMA query_only = on"),
        |connection| ask(connection, "PRAGMA query_only") == "Integer(1)",
    ),
    row(
        "locking_mode",
        Undone::ByFull,
        |connection| {
            run(
                connection,
                "PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM kept",
            )
        },
        |connection| ask(connection, "PRAGMA locking_mode") == "Text(\"exclusive\")",
    ),
    row(
        "a pragma that the pool sets",
        Undone::ByFull,
        |connection| run(connection, "PRAGMA foreign_keys = off"),
        |connection| ask(connection, "PRAGMA foreign_keys") == "Integer(0)",
    ),
    row(
        "a pragma that cannot be read",
        Undone::ByFull,
        |connection| run(connection, "PRAGMA case_sensitive_like = on"),
        |connection| ask(connection, "SELECT 'A' LIKE 'a'") == "Integer(0)",
    ),
    row(
        "an attached database",
        Undone::ByFull,
        |connection| run(connection, "ATTACH ':memory:' AS other"),
        |connection| ask(connection, "SELECT count(*) FROM other.sqlite_master") == "Integer(0)",
    ),
    row(
        "a temporary table",
        Undone::ByFull,
        |connection| run(connection, "CREATE TEMP TABLE mine (a)"),
        |connection| ask(connection, "SELECT count(*) FROM mine") == "Integer(0)",
    ),
    row(
        "the busy timeout",
        Undone::ByFull,
        |connection| {
            connection
                .busy_timeout(std::time::Duration::from_millis(7))
                .unwrap()
        },
        |connection| ask(connection, "PRAGMA busy_timeout") == "Integer(7)",
    ),
];

const PROPERTIES: &[Property<SqliteManager>] = &[
    ("its own answers", Undone::Always, |connection| {
        let token = fastrand::i64(..);
        (ask(connection, &format!("SELECT {token}")) == format!("Integer({token})")).to_string()
    }),
    ("transaction", Undone::ByRollback, |connection| {
        connection.is_autocommit().to_string()
    }),
    (
        "rows that were not committed",
        Undone::ByRollback,
        |connection| ask(connection, "SELECT count(*) FROM kept"),
    ),
    ("query_only", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA query_only")
    }),
    ("locking_mode", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA locking_mode")
    }),
    ("attached databases", Undone::ByFull, |connection| {
        ask(
            connection,
            "SELECT group_concat(name) FROM pragma_database_list WHERE name <> 'temp'",
        )
    }),
    ("temporary tables", Undone::ByFull, |connection| {
        ask(connection, "SELECT count(*) FROM sqlite_temp_master")
    }),
    ("foreign_keys", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA foreign_keys")
    }),
    ("synchronous", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA synchronous")
    }),
    ("cache_size", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA cache_size")
    }),
    ("busy_timeout", Undone::ByFull, |connection| {
        ask(connection, "PRAGMA busy_timeout")
    }),
    ("other pragmas", Undone::ByFull, |connection| {
        [
            "recursive_triggers",
            "reverse_unordered_selects",
            "cell_size_check",
            "defer_foreign_keys",
            "ignore_check_constraints",
            "read_uncommitted",
            "automatic_index",
            "wal_autocheckpoint",
        ]
        .map(|pragma| format!("{pragma}={}", ask(connection, &format!("PRAGMA {pragma}"))))
        .join(", ")
    }),
];

macro_rules! run {
    ($($sql:literal),+ $(,)?) => {
        &[$(($sql, |connection| { let _ = connection.execute_batch($sql); }),)+]
    };
}

const DEEDS: &[Deed<SqliteManager>] = run![
    "BEGIN",
    "BEGIN; INSERT INTO kept VALUES (1)",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "BEGIN; SELECT * FROM kept",
    "SAVEPOINT one; INSERT INTO kept VALUES (2)",
    "BEGIN; SAVEPOINT one; INSERT INTO kept VALUES (3); ROLLBACK TO one",
    "BEGIN; INSERT INTO kept VALUES (4); SELECT nonsense",
    "BEGIN; CREATE TABLE more (a)",
    "BEGIN; PRAGMA defer_foreign_keys = on; INSERT INTO child VALUES (77)",
    "PRAGMA defer_foreign_keys = on",
    "PRAGMA query_only = on",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM kept",
    "ATTACH ':memory:' AS other",
    "ATTACH ':memory:' AS other; CREATE TABLE other.mine (a)",
    "BEGIN; INSERT INTO kept VALUES (5); ATTACH ':memory:' AS third",
    "PRAGMA foreign_keys = off",
    "PRAGMA synchronous = off",
    "PRAGMA synchronous = extra",
    "PRAGMA cache_size = 7",
    "PRAGMA busy_timeout = 1",
    "PRAGMA temp_store = file",
    "PRAGMA mmap_size = 0",
    "PRAGMA journal_size_limit = 1000",
    "PRAGMA recursive_triggers = on",
    "PRAGMA reverse_unordered_selects = on",
    "PRAGMA cell_size_check = on",
    "PRAGMA ignore_check_constraints = on",
    "PRAGMA read_uncommitted = on",
    "PRAGMA automatic_index = off",
    "PRAGMA wal_autocheckpoint = 5",
    "PRAGMA case_sensitive_like = on",
    "CREATE TEMP TABLE mine (a)",
    "CREATE TEMP TABLE mine (a); INSERT INTO mine VALUES (1)",
    "CREATE TEMP VIEW seen AS SELECT * FROM kept",
    "CREATE TEMP TRIGGER watches AFTER INSERT ON kept BEGIN SELECT 1; END",
    "SELECT nonsense",
    "SELECT 1; SELECT 2",
    "PRAGMA optimize",
    "ANALYZE",
];
