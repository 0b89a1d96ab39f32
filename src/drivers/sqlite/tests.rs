//! The small common interface of `AnyConnection`.

use rusqlite::{Connection, Error};

use crate::drivers::FirstValue::{Integer, NoRow, NotAnInteger, Null};

use super::statements::{execute, query_i64};

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    execute(&conn, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)").unwrap();
    conn
}

#[test]
fn execute_counts_the_rows_of_all_its_statements() {
    let conn = database();
    let changed = execute(
        &conn,
        "INSERT INTO t (v) VALUES (1), (2), (3); UPDATE t SET v = 0 WHERE id > 1; SELECT * FROM t; -- done",
    );
    assert_eq!(changed.unwrap(), 5);
}

#[test]
fn execute_counts_nothing_for_statements_that_change_no_row() {
    let conn = database();
    execute(&conn, "INSERT INTO t (v) VALUES (1), (2)").unwrap();
    for sql in [
        "",
        ";;",
        "-- nothing",
        "SELECT * FROM t",
        "CREATE TABLE u (id)",
        "BEGIN; COMMIT",
        "DROP TABLE u",
        "UPDATE t SET v = 1 WHERE id = 9",
        "PRAGMA user_version = 3",
    ] {
        assert_eq!(execute(&conn, sql).unwrap(), 0, "{sql}");
    }
}

#[test]
fn execute_runs_statements_that_return_rows_to_their_end() {
    let conn = database();
    let changed = execute(
        &conn,
        "INSERT INTO t (v) VALUES (1), (2), (3) RETURNING id; DELETE FROM t WHERE id < 3 RETURNING v",
    );
    assert_eq!(changed.unwrap(), 5);
    assert_eq!(
        query_i64(&conn, "SELECT count(*) FROM t").unwrap(),
        Integer(1)
    );
}

#[test]
fn execute_does_not_count_what_triggers_do() {
    let conn = database();
    execute(
        &conn,
        "CREATE TABLE log (id); CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1), (2); END",
    )
    .unwrap();
    assert_eq!(execute(&conn, "INSERT INTO t (v) VALUES (1)").unwrap(), 1);
    assert_eq!(
        query_i64(&conn, "SELECT count(*) FROM log").unwrap(),
        Integer(2)
    );
}

#[test]
fn execute_stops_at_the_first_error_and_refuses_parameters() {
    let conn = database();
    let sql = "INSERT INTO t (v) VALUES (1); INSERT INTO nowhere VALUES (1); INSERT INTO t (v) VALUES (2)";
    let error = execute(&conn, sql).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!(
        query_i64(&conn, "SELECT count(*) FROM t").unwrap(),
        Integer(1)
    );
    let error = execute(&conn, "INSERT INTO t (v) VALUES (?1)").unwrap_err();
    assert!(
        matches!(error, Error::InvalidParameterCount(0, 1)),
        "{error}"
    );
}

#[test]
fn query_i64_takes_the_first_column_of_the_first_row_and_converts_nothing() {
    let conn = database();
    let text = |text: &str| NotAnInteger(text.to_owned());
    for (sql, value) in [
        ("VALUES (7, 8), (9, 10)", Integer(7)),
        ("SELECT id FROM t", NoRow),
        ("SELECT NULL", Null),
        ("SELECT '7'", text("7")),
        ("SELECT 7.5", text("7.5")),
        ("SELECT x'07'", text("a blob of 1 bytes")),
    ] {
        assert_eq!(query_i64(&conn, sql).unwrap(), value, "{sql}");
    }
}
