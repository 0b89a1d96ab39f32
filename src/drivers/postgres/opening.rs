//! How a connection is opened in each of libpq's six modes of encryption.

use ::postgres::config::{Host, SslMode as Wanted, SslNegotiation};
use ::postgres::error::SqlState;
use ::postgres::{CancelToken, Client, Config, Error as PgError, NoTls};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use super::PostgresManager;
use super::classify::refuses_login;
#[cfg(feature = "tls")]
use super::connector::Encrypted as Connector;
use super::connector::Plain as WatchedPlain;
use super::url::TLS_PARAMETERS;
use crate::base::log::say;
use crate::drivers::credentials::{ASKED_AGAIN, masked};
use crate::drivers::hosts::take_what_each_said;
use crate::tls::{Encryption, SslMode, Unusable};

/// With this connector, the driver itself refuses to encrypt.
#[cfg(not(feature = "tls"))]
type Connector = NoTls;

/// Opens plain or encrypted connections, as the mode says.
pub(super) struct Opening {
    mode: SslMode,
    target: String,
    plain: Plain,
    connector: Connector,
}

/// How plain connections are opened.
#[derive(Clone, Copy)]
enum Plain {
    ByDriver,
    Watched,
}

impl Plain {
    fn new(config: &Config, watched: bool) -> Self {
        // The driver gives its connector no Unix socket.
        let mut hosts = config.get_hosts().iter();
        match watched && hosts.all(|host| matches!(host, Host::Tcp(_))) {
            true => Plain::Watched,
            false => Plain::ByDriver,
        }
    }

    fn connect(self, config: &Config) -> Result<Client, PgError> {
        let mut config = config.clone();
        match self {
            Plain::ByDriver => {
                config.ssl_mode(Wanted::Disable);
                PostgresConnectionManager::new(config, NoTls).connect()
            }
            Plain::Watched => {
                // The driver takes it that the stream is encrypted from the first byte on.
                config.ssl_mode(Wanted::Require);
                config.ssl_negotiation(SslNegotiation::Direct);
                PostgresConnectionManager::new(config, WatchedPlain).connect()
            }
        }
    }

    /// The driver fails to cancel on a watched connection without a connector, since it does not know that the connection is
    /// plain.
    fn cancel(self, token: &CancelToken) -> Result<(), PgError> {
        match self {
            Plain::ByDriver => token.cancel_query(NoTls),
            Plain::Watched => token.cancel_query(WatchedPlain),
        }
    }
}

// In a build without TLS, the connector is of a type that is Copy.
#[cfg_attr(not(feature = "tls"), allow(clippy::clone_on_copy))]
impl Opening {
    /// For the hosts of `config`. It logs under `target`.
    pub(super) fn new(
        config: &Config,
        encryption: &Encryption,
        watches_plain: bool,
        target: &str,
    ) -> Self {
        Opening {
            mode: encryption.mode,
            target: target.to_owned(),
            plain: Plain::new(config, watches_plain),
            connector: connector(encryption),
        }
    }

    fn watches_plain(&self) -> bool {
        matches!(self.plain, Plain::Watched)
    }

    /// Whether connections that it opens may be watched.
    pub(super) fn may_watch(&self) -> bool {
        self.watches_plain() || (cfg!(feature = "tls") && self.mode != SslMode::Disable)
    }

    /// Connects to the one host of `config`.
    pub(super) fn open(&self, config: &Config) -> Result<Client, PgError> {
        match self.mode {
            SslMode::Disable => self.plain.connect(config),
            SslMode::Prefer if cfg!(not(feature = "tls")) => self.plain.connect(config),
            SslMode::Allow => self.allow(config),
            SslMode::Prefer => self.prefer(config),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted(config),
        }
    }

    fn encrypted(&self, config: &Config) -> Result<Client, PgError> {
        // With Prefer, the driver continues in plain if the server does not offer TLS, but not after any other failure. It does not
        // ask a connector then, so the connection would not be watched.
        let wanted = match self.mode {
            SslMode::Prefer if !self.watches_plain() => Wanted::Prefer,
            _ => Wanted::Require,
        };
        let mut config = config.clone();
        config.ssl_mode(wanted);
        PostgresConnectionManager::new(config, self.connector.clone()).connect()
    }

    /// Sends a cancel request. The token knows whether the request must be encrypted, unless the connection was opened with
    /// prefer.
    pub(super) fn cancel(&self, token: &CancelToken) -> Result<(), PgError> {
        match self.mode {
            SslMode::Disable => self.plain.cancel(token),
            // The driver asks the connector first, even for a plain connection. It fails if its files cannot be used, or if the
            // connection was opened in plain because TLS had failed.
            SslMode::Allow | SslMode::Prefer => token
                .cancel_query(self.connector.clone())
                .or_else(|_| self.plain.cancel(token)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                token.cancel_query(self.connector.clone())
            }
        }
    }

    /// Logs a failure that is not an error of the pool, since the other way may succeed.
    fn note_fallback(&self, what: &str, (config, error): (&Config, &PgError), instead: &str) {
        let password = config.get_password().map(String::from_utf8_lossy);
        let names = [config.get_user(), config.get_dbname()];
        let words = masked(
            crate::error::chain(error),
            password.as_deref(),
            None,
            &names,
        );
        let mode = self.mode;
        say!(
            Debug,
            &self.target,
            "sslmode={mode}: {what} failed ({words}); trying {instead}"
        );
    }

    fn allow(&self, config: &Config) -> Result<Client, PgError> {
        match self.plain.connect(config) {
            Err(refusal) if is_refused_for_how(&refusal) => {
                self.note_fallback("a plain login", (config, &refusal), "with TLS");
                match self.encrypted(config) {
                    // The server has no TLS either, so its first refusal says what must be mended.
                    Err(error) if is_about_tls(&error) && !has_tls_cause(&error) => Err(refusal),
                    other => other,
                }
            }
            other => other,
        }
    }

    fn prefer(&self, config: &Config) -> Result<Client, PgError> {
        match self.encrypted(config) {
            Err(error) if is_about_tls(&error) => {
                self.note_fallback("TLS", (config, &error), "in plain");
                match self.plain.connect(config) {
                    // If plain is refused as well, it is TLS that must be mended, unless the server has none.
                    Err(refusal) if is_refused_for_how(&refusal) && !is_unoffered(&error) => {
                        Err(error)
                    }
                    other => other,
                }
            }
            Err(refusal) if is_refused_for_how(&refusal) => {
                self.note_fallback("a login with TLS", (config, &refusal), "in plain");
                match self.plain.connect(config) {
                    Err(second) if is_refused_for_how(&second) => Err(refusal),
                    other => other,
                }
            }
            other => other,
        }
    }
}

impl PostgresManager {
    /// What is added to the text of a failed connect.
    pub(super) fn explain(&self, error: &PgError) -> Option<String> {
        let own = match crate::tls::cause(error) {
            _ if self.credentials.is_some() && refuses_login(error) => Some(ASKED_AGAIN.to_owned()),
            Some(cause) => {
                let (parameter, authorities) =
                    (TLS_PARAMETERS.mode[0], self.encryption.authorities());
                Some(self.encryption.explain(cause, parameter, &authorities))
            }
            None => is_unoffered(error).then(|| self.encryption.unoffered(&TLS_PARAMETERS)),
        };
        let all: Vec<String> = own.into_iter().chain(take_what_each_said()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Whether the login was refused for how it was connected (pg_hba.conf has no line for it), so that the other way may succeed.
/// A wrong password is wrong either way, and a second attempt with it, as libpq makes one, would count as another failed login.
fn is_refused_for_how(error: &PgError) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
        || error
            .as_db_error()
            .is_some_and(|refusal| refusal.message() == super::classify::BOUNCER_WANTS_TLS)
}

/// Whether TLS failed. False if a file of this side cannot be used, which must be mended and not worked around.
fn is_about_tls(error: &PgError) -> bool {
    (error.to_string() == super::classify::TLS_FAILED && !is_unusable(error))
        || has_tls_cause(error)
}

/// Whether the server has no TLS.
pub(super) fn is_unoffered(error: &PgError) -> bool {
    error.to_string() == super::classify::TLS_FAILED
        && crate::error::chain(error).ends_with("server does not support TLS")
}

fn has_tls_cause(error: &PgError) -> bool {
    crate::tls::cause(error).is_some()
}

fn is_unusable(error: &PgError) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<Unusable>())
}

#[cfg(feature = "tls")]
fn connector(encryption: &Encryption) -> Connector {
    Connector::new(encryption.clone())
}

#[cfg(not(feature = "tls"))]
fn connector(_: &Encryption) -> Connector {
    NoTls
}
