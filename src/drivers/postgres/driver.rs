//! What the pool does with PostgreSQL's connections.

use std::time::Duration;

use ::postgres::{Client, Error as PgError};

use super::PostgresManager;
use super::classify::{classify, extent, refuses_query};
use super::hosts::wrong_role;
use super::login::without;
use super::reset::reset;
use super::returned;
use super::role::{self, AsksAtLogin};
use super::validation::Validation;
use crate::contract::call::{Call, Reset};
use crate::contract::driver::Driver;
use crate::contract::error_class::{ErrorClass, Extent};
use crate::contract::replication::Replication;
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::settings::{ResetOnReturn, Settings};

/// How the pool pings and resets PostgreSQL connections and reads their errors.
///
/// The ping is an empty query with a deadline, or the setting `validation_query`. The empty query also succeeds in a
/// transaction that has failed, so with `reset_on_return` off such a connection is handed out as it was left.
#[derive(Debug, Default)]
pub struct PostgresDriver {
    validation: Option<Validation>,
    asks_at_login: AsksAtLogin,
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
        self.asks_at_login = AsksAtLogin::of(settings);
        manager.prepare(pool_name, settings)
    }

    /// A login may be asked whether its server is read-only.
    fn connect(&self, manager: &PostgresManager, limit: Duration) -> Result<Client, PgError> {
        let opened = manager.log_in(self.asks_at_login, limit);
        opened.unwrap_or_else(|unavailable| Err(without(unavailable)))
    }

    fn log_in(
        &self,
        manager: &PostgresManager,
        limit: Duration,
    ) -> Result<Result<Client, PgError>, Error> {
        let opened = manager.log_in(self.asks_at_login, limit);
        opened.map_err(Error::from)
    }

    fn hosts(&self, manager: &PostgresManager) -> Option<u32> {
        manager.hosts.to_walk()
    }

    fn server(&self, manager: &PostgresManager) -> Option<String> {
        // Whoever the closure says logs in.
        let user = match &manager.credentials {
            Some(_) => None,
            None => Some(manager.config.get_user()?),
        };
        manager.hosts.server(user, manager.config.get_dbname()?)
    }

    fn connected(&self, manager: &PostgresManager, client: &mut Client) -> Result<(), PgError> {
        returned::forget_answer(manager, client);
        Ok(())
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
        }?;
        returned::forget_answer(manager, client);
        Ok(())
    }

    /// Rollback: the transaction is rolled back, and the session listens to nothing and has no unread notifications. Full: also
    /// everything that `DISCARD ALL` clears, except the driver's own prepared statements; the application name and the statement
    /// limit of the pool stay.
    fn reset(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        how: ResetOnReturn,
    ) -> Result<Reset, PgError> {
        reset(manager, client, how)?;
        Ok(Reset::Done)
    }

    /// Not if what went by on a watched connection shows that there is nothing to undo and that no answer is owed.
    fn reset_is_due(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        how: ResetOnReturn,
    ) -> bool {
        returned::reset_is_due(manager, client, how)
    }

    /// What has gone by on a watched connection tells; of another one nothing is known.
    fn has_answered(&self, manager: &PostgresManager, client: &mut Client) -> bool {
        returned::has_answered(manager, client)
    }

    /// What the driver shows of a connection does not tell whether there is an answer too many.
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

    fn mask(&self, manager: &PostgresManager, text: &str) -> Option<String> {
        let source = manager.credentials.as_ref();
        Some(manager.login.masked(text.to_owned(), source))
    }

    /// The driver makes errors only of what happens to it, so a session in the wrong role is in one that says something else.
    fn describe(&self, error: &PgError) -> Option<String> {
        wrong_role(error).map(ToString::to_string)
    }

    fn shutdown(&self, manager: &PostgresManager) {
        manager.hosts.stop();
    }

    /// Makes the connection's stream fail, if it is watched.
    fn abort_handle_mut(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        let watch = manager.watch(client)?;
        Some(Box::new(move || watch.abort()))
    }

    /// A cancel request, on a connection of its own that is encrypted like this one. Before it, another login asks whether it
    /// leads to PostgreSQL itself. The rest of an answer that nobody wants any more can be of any length, and only the server can
    /// end it.
    ///
    /// It does not end a reader or a writer of the driver that was leaked (`mem::forget`), since there the driver waits for the
    /// leaked object and not for the server; nor `COPY … FROM STDIN` as a plain statement, where the server waits for data; nor
    /// anything behind a PgBouncer, some versions of which crash over a cancel request. In these cases the place of the
    /// connection is free, but the call goes on: a thread and a session are lost until the answer has been read or the server
    /// ends the session.
    fn cancel_handle(
        &self,
        manager: &PostgresManager,
        client: &Client,
    ) -> Option<Box<dyn FnOnce() + Send>> {
        let (canceller, token) = (manager.canceller.clone(), client.cancel_token());
        Some(Box::new(move || canceller.cancel(&token)))
    }

    /// A standby, or a server or user whose default_transaction_read_only is on.
    fn is_read_only(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
    ) -> Result<Option<bool>, PgError> {
        manager.is_read_only(client)
    }

    fn read_only_at_login(
        &self,
        _manager: &PostgresManager,
        _client: &mut Client,
    ) -> Result<Option<bool>, PgError> {
        Ok(role::at_login())
    }

    /// What the last reset was told together with its proof, or a refused write that went by on a watched connection.
    fn seen_read_only(&self, manager: &PostgresManager, client: &mut Client) -> Option<bool> {
        role::seen(manager, client)
    }

    fn server_limit(
        &self,
        manager: &PostgresManager,
        connection: &mut Client,
    ) -> Result<Option<ServerLimit>, PgError> {
        let limit = manager.server_limit(connection);
        returned::forget_answer(manager, connection);
        limit
    }

    fn connections_left(
        &self,
        manager: &PostgresManager,
        connection: &mut Client,
    ) -> Result<Option<u64>, PgError> {
        let left = manager.connections_left(connection);
        returned::forget_answer(manager, connection);
        left
    }

    fn replication(
        &self,
        manager: &PostgresManager,
        connection: &mut Client,
    ) -> Result<Replication, PgError> {
        let told = manager.replication(connection);
        returned::forget_answer(manager, connection);
        told
    }

    fn is_bounded(&self, call: Call) -> bool {
        match call {
            Call::Ping => self.validation.is_none(),
            Call::Connect | Call::Reset | Call::Close | Call::ServerLimit | Call::Replication => {
                false
            }
        }
    }
}
