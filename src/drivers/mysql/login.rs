//! Who logs in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::mysql::{Conn, Error as MyError, OptsBuilder};

use super::classify::refuses_login;
use super::inside::mariadb_version;
use super::owed::unfit;
use super::{CONNECT_TIMEOUT, MySqlManager};
use crate::contract::credentials::Credentials;
use crate::drivers::credentials::{Source, Unavailable, log_in_at, masked};

impl MySqlManager {
    /// Has a closure asked for the password, and the user if it says one, whenever a connection is opened: for passwords that expire,
    /// such as IAM tokens, leases of a secret store and files that are rotated. What the URL or the `Opts` say of them is not needed
    /// then.
    ///
    /// The closure is asked once for each login, and by one login at a time: those that need an answer while it works wait for that
    /// answer and share it. So it should keep what is still valid, if getting it is expensive. If the server refuses the password,
    /// it is asked again, and the login is tried once more if it answers something else. It may block, but connect_timeout covers
    /// its work too; it must not take a connection from this pool, which would wait for itself.
    ///
    /// If it fails or panics, the connect has failed for a reason that passes, and is retried by the setting `retry`. What it said
    /// is shown nowhere, as it may contain a secret. A call that hangs costs a thread until it returns, and no place in the pool.
    ///
    /// With `reset_on_return = full`, servers older than MySQL 5.7.4 and MariaDB 10.2.7 close a returned connection, since their
    /// only full reset is another login.
    #[must_use]
    pub fn credentials<E>(
        self,
        source: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
    ) -> Self {
        self.credentials_from(Source::new(source))
    }

    pub(crate) fn credentials_from(mut self, source: Arc<Source>) -> Self {
        self.credentials = Some(source);
        self
    }

    /// Opens a connection to the first host that gives one, in at most `limit` altogether, as whoever is to log in.
    pub(super) fn connect_within(
        &self,
        limit: Duration,
    ) -> Result<Result<Conn, MyError>, Unavailable> {
        let each = self.opts.get_tcp_connect_timeout();
        let time = (each.unwrap_or(CONNECT_TIMEOUT), limit);
        let opens = |who: Option<&Credentials>| {
            Arc::new(match who {
                Some(who) => self.with(who),
                None => self.copy(),
            })
        };
        let source = self.credentials.as_ref();
        log_in_at(&self.hosts, source, time, opens, refuses_login)
    }

    /// The same manager with these credentials in place of its own.
    fn with(&self, credentials: &Credentials) -> MySqlManager {
        let mut opts = OptsBuilder::from_opts(self.opts.clone());
        if let Some(user) = credentials.user() {
            opts = opts.user(Some(user));
        }
        MySqlManager {
            opts: opts.pass(Some(credentials.password())).into(),
            ..self.copy()
        }
    }

    /// What a server says, without the password.
    pub(super) fn masked(&self, text: String) -> String {
        let names = [self.opts.get_user(), self.opts.get_db_name()];
        masked(
            text,
            self.opts.get_pass(),
            self.credentials.as_ref(),
            &names,
        )
    }

    /// Refuses a reset that the driver would make by COM_CHANGE_USER, which is another login: the credentials may have expired by
    /// then, and a refused login counts against the account.
    pub(super) fn check_reset(&self, connection: &Conn) -> Result<(), MyError> {
        let resets = || match connection.server_version() {
            (5, 5, 5) => mariadb_version(connection).is_some_and(resets_without_login),
            version => resets_without_login(version),
        };
        match self.credentials.is_none() || resets() {
            true => Ok(()),
            false => Err(unfit(
                "this server resets a session only by another login, for which the credentials may have expired",
            )),
        }
    }
}

/// The driver's error for a pool that knows only the driver's errors.
pub(super) fn without(unavailable: Unavailable) -> MyError {
    MyError::IoError(io::Error::other(unavailable))
}

/// Whether the driver resets a session of this version by COM_RESET_CONNECTION. MariaDB counts from 10.0, and MySQL has not come to
/// that yet.
fn resets_without_login(version: (u16, u16, u16)) -> bool {
    match version {
        (10.., _, _) => version >= (10, 2, 7),
        _ => version > (5, 7, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::resets_without_login;

    #[test]
    fn old_servers_reset_only_by_another_login() {
        for version in [(5, 5, 5), (5, 7, 3), (10, 0, 38), (10, 2, 6)] {
            assert!(!resets_without_login(version), "{version:?}");
        }
        for version in [
            (5, 7, 4),
            (8, 0, 46),
            (9, 7, 0),
            (10, 2, 7),
            (10, 11, 14),
            (11, 8, 1),
            (12, 0, 0),
        ] {
            assert!(resets_without_login(version), "{version:?}");
        }
    }
}
