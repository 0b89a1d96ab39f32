//! What the pool does with PostgreSQL's connections.

use std::time::Duration;

use ::postgres::error::SqlState;
use ::postgres::{Client, Error as PgError};

use super::PostgresManager;
use super::classify::classify;
use crate::driver::{Call, Driver, ErrorClass, Reset, ServerLimit};
use crate::error::Error;
use crate::settings::{ResetOnReturn, Settings};

/// How the pool pings and resets PostgreSQL connections and reads their errors.
///
/// The ping is an empty query with a deadline, or the settings' `validation_query`. The empty query also succeeds in a
/// transaction that has failed; with `reset_on_return` off, such a connection is handed out as it was left.
#[derive(Debug, Default)]
pub struct PostgresDriver {
    validation_query: Option<String>,
}

impl PostgresDriver {
    /// A driver that takes its settings when the pool is built.
    #[must_use]
    pub fn new() -> Self {
        PostgresDriver::default()
    }
}

impl Driver<PostgresManager> for PostgresDriver {
    fn prepare(
        &mut self,
        manager: &mut PostgresManager,
        pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        self.validation_query.clone_from(&settings.validation_query);
        manager.prepare(pool_name, settings)
    }

    fn ping(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        limit: Duration,
    ) -> Result<(), PgError> {
        match &self.validation_query {
            Some(sql) => manager.run(client, sql),
            None => client.is_valid(limit),
        }
    }

    /// Rollback: the transaction is rolled back. Full: then also all that `DISCARD ALL` clears, while the application
    /// name and the statement limit of the pool stay.
    fn reset(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        how: ResetOnReturn,
    ) -> Result<Reset, PgError> {
        // A ROLLBACK outside a transaction puts a warning into the server's log, which BEGIN before it prevents; but in
        // a failed transaction BEGIN is refused.
        match manager.run(client, "BEGIN; ROLLBACK") {
            Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
                manager.run(client, "ROLLBACK")?;
            }
            other => other?,
        }
        if how == ResetOnReturn::Full {
            // Refused together with any other statement, hence a call of its own.
            manager.run(client, "DISCARD ALL")?;
            manager.limit_statements(client)?;
        }
        Ok(Reset::Done)
    }

    fn classify(&self, error: &PgError) -> ErrorClass {
        classify(error)
    }

    fn explain(&self, manager: &PostgresManager, error: &PgError) -> Option<String> {
        manager.explain(error)
    }

    fn server_limit(
        &self,
        manager: &PostgresManager,
        connection: &mut Client,
    ) -> Result<Option<ServerLimit>, PgError> {
        manager.server_limit(connection)
    }

    fn is_bounded(&self, call: Call) -> bool {
        match call {
            Call::Ping => self.validation_query.is_none(),
            Call::Connect | Call::Reset | Call::Close | Call::ServerLimit => false,
        }
    }
}
