//! Who logs in.

use std::sync::Arc;
use std::time::Duration;

use ::postgres::{Client, Config, Error as PgError};

use super::classify::refuses_login;
use super::hosts::Login;
use super::{CONNECT_TIMEOUT, PostgresManager};
use crate::base::log::say;
use crate::contract::credentials::Credentials;
use crate::drivers::credentials::{Source, Unavailable, log_in_at, masked};

impl Login {
    /// The same with these credentials in place of its own.
    pub(super) fn with(&self, credentials: &Credentials) -> Login {
        let mut login = self.clone();
        for config in &mut login.configs {
            if let Some(user) = credentials.user() {
                config.user(user);
            }
            config.password(credentials.password());
        }
        login
    }

    /// What a server says, without the password.
    pub(super) fn masked(&self, text: String, source: Option<&Arc<Source>>) -> String {
        match self.configs.first() {
            Some(config) => masked_for(config, text, source),
            None => text,
        }
    }
}

pub(super) fn masked_for(config: &Config, text: String, source: Option<&Arc<Source>>) -> String {
    let password = config.get_password().map(String::from_utf8_lossy);
    let names = [config.get_user(), config.get_dbname()];
    masked(text, password.as_deref(), source, &names)
}

impl PostgresManager {
    /// Has a closure asked for the password, and the user if it says one, whenever a connection is opened: for passwords that expire,
    /// such as IAM tokens, leases of a secret store and files that are rotated. What the URL or the `Config` says of them is not
    /// needed then.
    ///
    /// The closure is asked once for each login, and by one login at a time: those that need an answer while it works wait for that
    /// answer and share it. So it should keep what is still valid, if getting it is expensive. If the server refuses the password,
    /// it is asked again, and the login is tried once more if it answers something else. It may block, but connect_timeout covers
    /// its work too; it must not take a connection from this pool, which would wait for itself.
    ///
    /// If it fails or panics, the connect has failed for a reason that passes, and is retried by the setting `retry`. What it said
    /// is shown nowhere, as it may contain a secret. A call that hangs costs a thread until it returns, and no place in the pool.
    #[must_use]
    pub fn credentials<E>(
        self,
        source: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
    ) -> Self {
        self.credentials_from(Source::new(source))
    }

    pub(crate) fn credentials_from(mut self, source: Arc<Source>) -> Self {
        self.credentials = Some(source);
        self.arrange(false, "queuepool");
        self
    }

    /// Opens a connection to the first host that gives one, in at most `limit` altogether, as whoever is to log in.
    pub(super) fn connect_within(
        &self,
        limit: Duration,
    ) -> Result<Result<Client, PgError>, Unavailable> {
        let login = |who: Option<&Credentials>| match who {
            Some(who) => Arc::new(self.login.with(who)),
            None => self.login.clone(),
        };
        let (source, time) = (self.credentials.as_ref(), (self.each(), limit));
        let mut opened = log_in_at(&self.hosts, source, time, login, refuses_login)?;
        if let Ok(client) = &mut opened {
            self.note_whether_watched(client);
        }
        Ok(opened)
    }

    /// How long one host may take.
    pub(super) fn each(&self) -> Duration {
        let limit = self.config.get_connect_timeout();
        limit.copied().unwrap_or(CONNECT_TIMEOUT)
    }
}

/// The driver's error for a pool that knows only the driver's errors. It has none for this, so the log says what it was.
pub(super) fn without(unavailable: Unavailable) -> PgError {
    say!(Warn, "queuepool", "{unavailable}");
    PgError::__private_api_timeout()
}
