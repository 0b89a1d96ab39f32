//! The small interface common to all databases: the number of rows changed or returned, and one integer, the same on all
//! servers.

use queuepool::{Database, ErrorKind};

use support::servers::{MariaDb, MySql, NewestPostgres, Postgres};

const STATEMENTS: [(&str, u64); 5] = [
    ("CREATE TABLE t (i int, small smallint, big bigint)", 0),
    ("INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)", 2),
    ("UPDATE t SET small = 5 WHERE i = 1", 1),
    ("SELECT * FROM t", 2),
    (
        "INSERT INTO t VALUES (3, 3, 3); DELETE FROM t WHERE i = 3",
        2,
    ),
];

/// The number, or what the error says instead.
const NUMBERS: [(&str, Result<i64, &str>); 12] = [
    ("SELECT 7", Ok(7)),
    ("SELECT CAST(-7 AS DECIMAL(20,0)), 'x'", Ok(-7)),
    ("SELECT count(*) FROM t", Ok(2)),
    ("SELECT sum(i) FROM t", Ok(3)),
    ("SELECT big FROM t WHERE small = 5", Ok(1)),
    ("SELECT 9223372036854775807", Ok(i64::MAX)),
    ("SELECT 9223372036854775808", Err("9223372036854775808")),
    ("SELECT 1.5", Err("1.5")),
    ("SELECT 'seven'", Err("seven")),
    ("SELECT NULL", Err("NULL")),
    ("SELECT i FROM t WHERE i > 2", Err("no row")),
    ("DELETE FROM t WHERE i > 2", Err("no row")),
];

fn statements_return_their_rows_and_first_value(url: &str) {
    let database = Database::open(url).unwrap();
    let mut connection = database.get().unwrap();
    for (sql, rows) in STATEMENTS {
        assert_eq!(connection.execute(sql).unwrap(), rows, "{sql}");
    }
    for (sql, expected) in NUMBERS {
        match (connection.query_i64(sql), expected) {
            (Ok(number), Ok(expected)) => assert_eq!(number, expected, "{sql}"),
            (Err(error), Err(words)) => {
                assert_eq!(error.kind(), ErrorKind::Statement, "{sql}");
                assert!(error.to_string().contains(words), "{sql}: {error}");
            }
            (found, expected) => panic!("{sql}: {found:?} instead of {expected:?}"),
        }
    }
    assert_eq!(
        connection.execute("SELEC").unwrap_err().kind(),
        ErrorKind::Statement
    );
    assert_eq!(
        connection.query_i64("SELEC").unwrap_err().kind(),
        ErrorKind::Statement
    );
}

#[test]
fn postgres_statements_return_their_rows_and_first_value() {
    statements_return_their_rows_and_first_value(&Postgres::start().url());
    if NewestPostgres::is_here() {
        statements_return_their_rows_and_first_value(&NewestPostgres::start().url());
    }
}

#[test]
fn mysql_statements_return_their_rows_and_first_value() {
    statements_return_their_rows_and_first_value(&MariaDb::start().url());
    if MySql::is_here() {
        statements_return_their_rows_and_first_value(&MySql::start().url());
    }
}
