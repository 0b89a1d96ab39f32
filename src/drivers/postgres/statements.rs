//! What [`AnyConnection`](crate::AnyConnection) runs.

mod numeric;
mod values;

use ::postgres::error::SqlState;
use ::postgres::types::{ToSql, Type};
use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use crate::contract::row::{Names, Row};
use crate::contract::value::Value;
use crate::drivers::{FirstValue, Words};
use values::{Parameter, Received, parameter};

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

/// Runs one statement with parameters, and returns the number of rows that it affected or returned.
pub(crate) fn execute_with(
    client: &mut Client,
    sql: &str,
    values: &[Value],
) -> Result<u64, PgError> {
    let parameters: Vec<_> = values.iter().map(parameter).collect();
    client.execute_typed(sql, &borrowed(&parameters))
}

/// Runs one statement with parameters, and returns its rows. In one round trip and without a name for the statement, which behind
/// PgBouncer might not be known any more to the server of the next request.
pub(crate) fn query(client: &mut Client, sql: &str, values: &[Value]) -> Result<Vec<Row>, PgError> {
    let parameters: Vec<_> = values.iter().map(parameter).collect();
    let rows = client.query_typed(sql, &borrowed(&parameters))?;
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns = first.columns().iter();
    let names: Names = columns.map(|column| column.name().to_owned()).collect();
    let read = |row: &::postgres::Row| {
        let cells = (0..row.len()).map(|index| Ok(row.try_get::<_, Received>(index)?.0));
        Ok(Row::new(
            names.clone(),
            cells.collect::<Result<_, PgError>>()?,
        ))
    };
    rows.iter().map(read).collect()
}

fn borrowed<'p>(parameters: &'p [(Parameter<'p>, Type)]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    let borrowed = parameters
        .iter()
        .map(|(parameter, declared)| (parameter as &(dyn ToSql + Sync), declared.clone()));
    borrowed.collect()
}

/// COMMIT in a failed transaction rolls back and calls that a success, and without a transaction it does nothing. SAVEPOINT is
/// refused in both cases, and then nothing of the string runs.
pub(crate) const TRANSACTION: Words = Words {
    begin: "BEGIN",
    commit: "SAVEPOINT queuepool_commit; COMMIT",
};

/// Why the COMMIT was not reached.
pub(crate) enum NotCommitted {
    NoneOpen,
    /// It is still open.
    HasFailed,
}

pub(crate) fn why_not_committed(error: &PgError) -> Option<NotCommitted> {
    let code = error.code()?;
    if *code == SqlState::NO_ACTIVE_SQL_TRANSACTION {
        return Some(NotCommitted::NoneOpen);
    }
    (*code == SqlState::IN_FAILED_SQL_TRANSACTION).then_some(NotCommitted::HasFailed)
}

/// Which parameter the server has refused, as `$2`. It says so in a context line, `unnamed portal parameter $2 = '...'`, which may
/// be in another language.
pub(crate) fn refused_parameter(error: &PgError) -> Option<&str> {
    let context = error.as_db_error()?.where_()?.lines().next()?;
    // An SQL statement of a function, which has parameters of its own.
    if context.contains('"') {
        return None;
    }
    context.split_whitespace().find(|word| {
        let digits = word.strip_prefix('$');
        digits.is_some_and(|digits| digits.parse::<u16>().is_ok())
    })
}
