//! What a query for one whole number found.

use std::fmt;

/// The first column of a result's first row, for [`AnyConnection::query_i64`](crate::AnyConnection::query_i64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FirstValue {
    /// It is a whole number that fits.
    Integer(i64),
    /// It is something else; its text, cut to a readable length.
    NotAnInteger(String),
    /// It is NULL.
    Null,
    /// The statement returned no row, or rows without columns.
    NoRow,
}

impl FirstValue {
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    /// Both servers' text protocols write integers of every width, and whole decimals such as `sum(bigint)`, this way.
    pub(crate) fn from_text(text: &str) -> Self {
        match text.parse() {
            Ok(integer) => FirstValue::Integer(integer),
            Err(_) => FirstValue::NotAnInteger(text.chars().take(40).collect()),
        }
    }
}

impl fmt::Display for FirstValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FirstValue::Integer(integer) => integer.fmt(f),
            FirstValue::NotAnInteger(text) => write!(f, "{text:?}"),
            FirstValue::Null => f.write_str("NULL"),
            FirstValue::NoRow => f.write_str("no row"),
        }
    }
}

#[cfg(all(test, any(feature = "mysql", feature = "postgres")))]
#[path = "../../tests/support/servers.rs"]
mod servers;

#[cfg(all(test, any(feature = "mysql", feature = "postgres")))]
mod tests {
    use super::FirstValue::{self, Integer, NoRow, NotAnInteger, Null};
    use super::servers;

    fn expected() -> Vec<(&'static str, FirstValue)> {
        vec![
            ("SELECT 7", Integer(7)),
            ("SELECT CAST(-7 AS DECIMAL(20,0)), 'x'", Integer(-7)),
            ("SELECT count(*) FROM t", Integer(2)),
            ("SELECT sum(i) FROM t", Integer(3)),
            ("SELECT 9223372036854775807", Integer(i64::MAX)),
            (
                "SELECT 9223372036854775808",
                NotAnInteger("9223372036854775808".to_owned()),
            ),
            ("SELECT 1.5", NotAnInteger("1.5".to_owned())),
            ("SELECT 'seven'", NotAnInteger("seven".to_owned())),
            ("SELECT NULL", Null),
            ("SELECT i FROM t WHERE i > 2", NoRow),
            ("DELETE FROM t WHERE i > 2", NoRow),
        ]
    }

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

    #[cfg(feature = "postgres")]
    #[test]
    fn postgres_statements_return_their_rows_and_first_value() {
        use crate::drivers::postgres::{execute, query_i64};
        let server = servers::Postgres::start();
        let mut client =
            ::postgres::Client::connect(&server.url(), ::postgres::NoTls).expect("a connection");
        for (sql, rows) in STATEMENTS {
            assert_eq!(execute(&mut client, sql).expect(sql), rows, "{sql}");
        }
        for (sql, value) in expected() {
            assert_eq!(query_i64(&mut client, sql).expect(sql), value, "{sql}");
        }
        let big = "SELECT big FROM t WHERE small = 5";
        assert_eq!(query_i64(&mut client, big).expect(big), Integer(1));
        execute(&mut client, "SELEC").expect_err("a refusal");
        query_i64(&mut client, "SELEC").expect_err("a refusal");
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_statements_return_their_rows_and_first_value() {
        use crate::drivers::mysql::{execute, query_i64};
        let server = servers::MariaDb::start();
        let mut connection = ::mysql::Conn::new(server.url().as_str()).expect("a connection");
        for (sql, rows) in STATEMENTS {
            assert_eq!(execute(&mut connection, sql).expect(sql), rows, "{sql}");
        }
        for (sql, value) in expected() {
            assert_eq!(query_i64(&mut connection, sql).expect(sql), value, "{sql}");
        }
        let big = "SELECT big FROM t WHERE small = 5";
        assert_eq!(query_i64(&mut connection, big).expect(big), Integer(1));
        execute(&mut connection, "SELEC").expect_err("a refusal");
        query_i64(&mut connection, "SELEC").expect_err("a refusal");
    }
}
