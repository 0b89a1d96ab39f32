//! The `validation_query`, which leaves no transaction open that it has begun.

use ::postgres::error::SqlState;
use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use super::reset::end_transaction;
use crate::settings::{ResetOnReturn, Settings};

/// Whether the session is within a transaction: then the transaction began before this statement did. The server compares
/// nothing, so that no operator of a user's is called.
const TIMES: &str = "SELECT pg_catalog.now(), pg_catalog.statement_timestamp()";

#[derive(Debug)]
pub(super) struct Validation {
    sql: String,
    /// Nothing else than these two statements leaves a transaction open. Where their words stand in any other meaning, nothing is
    /// lost but two round trips.
    may_begin: bool,
}

impl Validation {
    /// Under `reset_on_return = never` a session is left as it is.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let sql = settings.validation_query.clone()?;
        let says = |wanted: &str| {
            sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| word.eq_ignore_ascii_case(wanted))
        };
        let begins = says("begin") || says("start");
        Some(Validation {
            may_begin: begins && settings.reset_on_return != ResetOnReturn::Never,
            sql,
        })
    }

    /// A holder's own transaction, in which it may be run by [`AnyConnection::ping`](crate::AnyConnection::ping), goes on.
    pub(super) fn run(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
    ) -> Result<(), PgError> {
        if !self.may_begin || is_in_transaction(manager, client)? {
            return manager.run(client, &self.sql);
        }
        let result = manager.run(client, &self.sql);
        if client.is_closed() {
            return result;
        }
        // Where the query is refused, the connection is kept all the same.
        end_transaction(manager, client, "")?;
        result
    }
}

fn is_in_transaction(manager: &PostgresManager, client: &mut Client) -> Result<bool, PgError> {
    let answer = match manager.ask(client, TIMES) {
        Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
            return Ok(true);
        }
        other => other?,
    };
    Ok(answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) != row.get(1),
        _ => false,
    }))
}
