//! What [`AnyConnection`](crate::AnyConnection) runs.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, Error as SqliteError, Statement, ToSql};

use crate::contract::row::{Cell, Names, Row};
use crate::contract::value::Value;
use crate::drivers::{FirstValue, Words};

/// Runs SQL, one statement or several separated by semicolons, and returns how many rows they inserted, updated or
/// deleted in all. Triggers and foreign key actions do not count, nor do the rows that a statement returns, which are read and
/// discarded. The statements before a failed one remain in force, unless the text has its own BEGIN and COMMIT.
pub(crate) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let mut changed = 0;
    let mut batch = Batch::new(conn, sql);
    while let Some(mut statement) = batch.next()? {
        let parameters = statement.parameter_count();
        if parameters > 0 {
            return Err(rusqlite::Error::InvalidParameterCount(0, parameters));
        }
        // `changes` is the count of the last statement that changed anything, which may be an earlier one.
        let before = conn.total_changes();
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        if conn.total_changes() != before {
            changed += conn.changes();
        }
    }
    Ok(changed)
}

/// The first column of the first row, as it is stored. A text that looks like a number is not a number.
pub(crate) fn query_i64(conn: &Connection, sql: &str) -> rusqlite::Result<FirstValue> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(FirstValue::NoRow);
    };
    Ok(match row.get_ref(0)? {
        ValueRef::Null => FirstValue::Null,
        ValueRef::Integer(integer) => FirstValue::Integer(integer),
        ValueRef::Real(real) => FirstValue::NotAnInteger(real.to_string()),
        ValueRef::Text(text) => {
            FirstValue::NotAnInteger(String::from_utf8_lossy(text).chars().take(40).collect())
        }
        ValueRef::Blob(blob) => FirstValue::NotAnInteger(format!("a blob of {} bytes", blob.len())),
    })
}

/// Runs one statement with parameters, and returns how many rows it inserted, updated or deleted.
pub(crate) fn execute_with(
    conn: &Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<u64> {
    let mut statement = bound(conn, sql, values)?;
    let before = conn.total_changes();
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    let has_changed = conn.total_changes() != before;
    Ok(if has_changed { conn.changes() } else { 0 })
}

/// Runs one statement with parameters, and returns its rows.
pub(crate) fn query(conn: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = bound(conn, sql, values)?;
    let names: Names = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut rows = statement.raw_query();
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..names.len()).map(|index| Ok(cell(row.get_ref(index)?)));
        read.push(Row::new(
            names.clone(),
            cells.collect::<rusqlite::Result<_>>()?,
        ));
    }
    Ok(read)
}

fn bound<'c>(conn: &'c Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Statement<'c>> {
    let mut statement = conn.prepare(sql)?;
    let expected = statement.parameter_count();
    if expected != values.len() {
        return Err(SqliteError::InvalidParameterCount(values.len(), expected));
    }
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Parameter(value))?;
    }
    Ok(statement)
}

struct Parameter<'v>(&'v Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Integer((*value).into()),
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Float(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    Cell::Value(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Float(value),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                let what = "a text that is not UTF-8: cast it to BLOB";
                return Cell::Unreadable(what.to_owned());
            }
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
    })
}

/// A plain BEGIN would take no lock, and a transaction that reads first and writes later would then fail at once if another
/// connection had written in between.
pub(crate) const TRANSACTION: Words = Words {
    begin: "BEGIN IMMEDIATE",
    commit: "COMMIT",
};
