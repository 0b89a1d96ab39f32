//! What the pool does with PostgreSQL's connections.

use std::time::Duration;

use ::postgres::{Client, Error as PgError};

use super::PostgresManager;
use super::classify::{classify, extent, refuses_query};
use super::reset::reset;
use super::validation::Validation;
use crate::contract::call::{Call, Reset};
use crate::contract::driver::Driver;
use crate::contract::error_class::{ErrorClass, Extent};
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::settings::{ResetOnReturn, Settings};

/// How the pool pings and resets PostgreSQL connections and reads their errors.
///
/// The ping is an empty query with a deadline, or the settings' `validation_query`. The empty query also succeeds in a
/// transaction that has failed; with `reset_on_return` off, such a connection is handed out as it was left.
#[derive(Debug, Default)]
pub struct PostgresDriver {
    validation: Option<Validation>,
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
        self.validation = Validation::of(settings);
        manager.prepare(pool_name, settings)
    }

    fn honours_require_tls(&self) -> bool {
        true
    }

    fn ping(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        limit: Duration,
    ) -> Result<(), PgError> {
        match &self.validation {
            Some(validation) => validation.run(manager, client),
            None => client.is_valid(limit),
        }
    }

    /// Rollback: the transaction is rolled back, and the session listens to nothing and has no unread notifications. Full: then
    /// also all that `DISCARD ALL` clears, except the driver's own statements, and the application name and the statement limit
    /// of the pool stay.
    fn reset(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        how: ResetOnReturn,
    ) -> Result<Reset, PgError> {
        reset(manager, client, how)?;
        Ok(Reset::Done)
    }

    /// An answer too many cannot be told from what the driver shows of a connection.
    fn proves(&self, _manager: &PostgresManager) -> bool {
        true
    }

    fn classify(&self, error: &PgError) -> ErrorClass {
        classify(error)
    }

    fn extent(&self, error: &PgError) -> Extent {
        extent(error)
    }

    fn refuses_query(&self, error: &PgError) -> bool {
        refuses_query(error)
    }

    fn explain(&self, manager: &PostgresManager, error: &PgError) -> Option<String> {
        manager.explain(error)
    }

    /// A cancel request, on a connection of its own that is encrypted as this one is, after a login that asks whether it leads
    /// to PostgreSQL itself. The rest of an answer that nobody wants any more can be of any length, and nothing else than the
    /// server can end it.
    ///
    /// What it does not end: a reader or a writer of the driver's that was leaked (`mem::forget`), since there the driver waits
    /// for its holder and not for the server; `COPY … FROM STDIN` as a plain statement, where the server waits for data; and
    /// anything behind a PgBouncer, some versions of which crash by it. Then the connection's place is free, and the call goes
    /// on: a thread and a session are lost until the answer has been read or the server ends the session.
    fn cancel_handle(
        &self,
        manager: &PostgresManager,
        client: &Client,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        let (canceller, token) = (manager.canceller.clone(), client.cancel_token());
        Some(Box::new(move || canceller.cancel(&token)))
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
            Call::Ping => self.validation.is_none(),
            Call::Connect | Call::Reset | Call::Close | Call::ServerLimit => false,
        }
    }
}
