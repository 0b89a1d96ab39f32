//! Running statements: the pool's own and those of an [`AnyConnection`](crate::AnyConnection).

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, Value};

use super::MySqlManager;
use crate::base::log::say;
use crate::drivers::FirstValue;

impl MySqlManager {
    pub(super) fn note(&self, sql: &str) {
        if self.echo {
            say!(Debug, &self.target, "{sql}");
        }
    }

    pub(super) fn run(&self, connection: &mut Conn, sql: &str) -> Result<(), MyError> {
        self.note(sql);
        // Not query_drop, which would lose an error that comes in place of a row.
        execute(connection, sql).map(drop)
    }
}

/// Runs one or several statements, and returns the number of rows that all of them together affected or returned.
pub(crate) fn execute(connection: &mut Conn, sql: &str) -> Result<u64, MyError> {
    let mut result = connection.query_iter(sql)?;
    let mut rows = 0;
    while let Some(set) = result.iter() {
        rows += set.affected_rows();
        for row in set {
            row?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// Runs one statement, and returns the first column of its first row.
pub(crate) fn query_i64(connection: &mut Conn, sql: &str) -> Result<FirstValue, MyError> {
    let row: Option<::mysql::Row> = connection.query_first(sql)?;
    Ok(match row.as_ref().and_then(|row| row.as_ref(0)) {
        None => FirstValue::NoRow,
        Some(Value::NULL) => FirstValue::Null,
        Some(Value::Bytes(text)) => FirstValue::from_text(&String::from_utf8_lossy(text)),
        // The text protocol sends nothing but text and NULL.
        Some(Value::Int(integer)) => FirstValue::Integer(*integer),
        Some(other) => FirstValue::NotAnInteger(other.as_sql(true)),
    })
}
