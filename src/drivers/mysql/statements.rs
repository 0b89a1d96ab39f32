//! Running statements: the pool's own and those of an [`AnyConnection`](crate::AnyConnection).

mod values;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, Params, Value};

use super::MySqlManager;
use super::inside;
use crate::base::log::say;
use crate::contract::row::{Names, Row};
use crate::contract::value::Value as Given;
use crate::drivers::{FirstValue, Words};
use values::{cell, parameter};

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

/// Runs one statement with parameters, and returns the number of rows that it affected or returned.
pub(crate) fn execute_with(
    connection: &mut Conn,
    sql: &str,
    values: &[Given],
) -> Result<u64, MyError> {
    let mut result = connection.exec_iter(sql, parameters(values))?;
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

/// Runs one statement with parameters, and returns the rows of its first answer that has columns.
pub(crate) fn query(
    connection: &mut Conn,
    sql: &str,
    values: &[Given],
) -> Result<Vec<Row>, MyError> {
    let mut result = connection.exec_iter(sql, parameters(values))?;
    let mut rows = Vec::new();
    let mut names: Option<Names> = None;
    while let Some(set) = result.iter() {
        let is_first = names.is_none() && !set.columns().as_ref().is_empty();
        if is_first {
            let columns = set.columns();
            let columns = columns.as_ref().iter();
            names = Some(
                columns
                    .map(|column| column.name_str().into_owned())
                    .collect(),
            );
        }
        for row in set {
            // What is not wanted is read too: the error that may come in place of a row must not be lost.
            let row = row?;
            if let (true, Some(names)) = (is_first, &names) {
                let columns = row.columns();
                let cells = columns.iter().zip(row.unwrap());
                let cells = cells.map(|(column, value)| cell(column, value));
                rows.push(Row::new(names.clone(), cells.collect()));
            }
        }
    }
    Ok(rows)
}

fn parameters(values: &[Given]) -> Params {
    match values {
        [] => Params::Empty,
        values => Params::Positional(values.iter().map(parameter).collect()),
    }
}

pub(crate) const TRANSACTION: Words = Words {
    begin: "START TRANSACTION",
    commit: "COMMIT",
};

/// Whether a transaction is open, as the server said last; it is asked if that was an error, which does not say so.
pub(crate) fn is_in_transaction(connection: &mut Conn) -> Result<Option<bool>, MyError> {
    if let Some(known) = inside::is_in_transaction(connection) {
        return Ok(Some(known));
    }
    execute(connection, "DO 0")?;
    Ok(inside::is_in_transaction(connection))
}
