//! Runs the `validation_query` so that it leaves no transaction open that it has begun.

use ::postgres::error::SqlState;
use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use super::reset::end_transaction;
use crate::settings::{ResetOnReturn, Settings};

/// Tells whether the session is inside a transaction: if so, the transaction began before this statement did. The two times are
/// compared here and not on the server, so that no operator defined by a user is called.
const TIMES: &str = "SELECT pg_catalog.now(), pg_catalog.statement_timestamp()";

#[derive(Debug)]
pub(super) struct Validation {
    sql: String,
    /// Whether the query contains the word BEGIN or START, since only these two statements leave a transaction open. If the word
    /// is there with another meaning, that costs two round trips and does no harm.
    may_begin: bool,
}

impl Validation {
    /// `None` if there is no `validation_query`. Under `reset_on_return = never`, a transaction is left open.
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

    /// A transaction of the holder's own, in which [`AnyConnection::ping`](crate::AnyConnection::ping) may run the query, is not
    /// ended.
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
        // Even after a query that was refused, since the connection is kept all the same.
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
