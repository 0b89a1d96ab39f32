//! What [`AnyConnection`](crate::AnyConnection) runs.

use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use crate::drivers::FirstValue;

/// Runs one or several statements, and returns the number of rows that all of them together affected or returned.
pub(crate) fn execute(client: &mut Client, sql: &str) -> Result<u64, PgError> {
    let rows = client
        .simple_query(sql)?
        .into_iter()
        .map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => rows,
            _ => 0,
        });
    Ok(rows.sum())
}

/// Runs one statement, and returns the first column of its first row.
pub(crate) fn query_i64(client: &mut Client, sql: &str) -> Result<FirstValue, PgError> {
    let messages = client.simple_query(sql)?;
    let first = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(match first {
        Some(row) if !row.is_empty() => row.get(0).map_or(FirstValue::Null, FirstValue::from_text),
        _ => FirstValue::NoRow,
    })
}
