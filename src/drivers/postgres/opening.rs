//! How a connection is opened in each of libpq's six modes of encryption.

use ::postgres::config::SslMode as Wanted;
use ::postgres::error::SqlState;
use ::postgres::{CancelToken, Client, Config, Error as PgError, NoTls};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use crate::base::log::say;
use crate::tls::{Encryption, SslMode, Unusable};

#[cfg(feature = "tls")]
use connector::Connector;
/// With this connector, the driver itself refuses to encrypt.
#[cfg(not(feature = "tls"))]
type Connector = NoTls;

/// Opens plain or encrypted connections, as the mode says.
pub(super) struct Opening {
    mode: SslMode,
    target: String,
    plain: PostgresConnectionManager<NoTls>,
    encrypted: PostgresConnectionManager<Connector>,
    connector: Connector,
}

// In a build without TLS, the connector is of a type that is Copy.
#[cfg_attr(not(feature = "tls"), allow(clippy::clone_on_copy))]
impl Opening {
    /// It logs under `target`.
    pub(super) fn new(config: &Config, encryption: &Encryption, target: &str) -> Self {
        let with = |wanted: Wanted| {
            let mut config = config.clone();
            config.ssl_mode(wanted);
            config
        };
        // With Prefer, the driver continues in plain if the server does not offer TLS, but not after any other failure.
        let wanted = match encryption.mode {
            SslMode::Prefer => Wanted::Prefer,
            _ => Wanted::Require,
        };
        let connector = connector(encryption);
        Opening {
            mode: encryption.mode,
            target: target.to_owned(),
            plain: PostgresConnectionManager::new(with(Wanted::Disable), NoTls),
            encrypted: PostgresConnectionManager::new(with(wanted), connector.clone()),
            connector,
        }
    }

    pub(super) fn open(&self) -> Result<Client, PgError> {
        match self.mode {
            SslMode::Disable => self.plain.connect(),
            SslMode::Allow => self.allow(),
            SslMode::Prefer => self.prefer(),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted.connect(),
        }
    }

    /// Sends a cancel request. The token knows whether the request must be encrypted, unless the connection was opened with
    /// prefer.
    pub(super) fn cancel(&self, token: &CancelToken) -> Result<(), PgError> {
        match self.mode {
            SslMode::Disable => token.cancel_query(NoTls),
            // The driver asks the connector first, even for a plain connection. It fails if its files cannot be used, or if the
            // connection was opened in plain because TLS had failed.
            SslMode::Allow | SslMode::Prefer => token
                .cancel_query(self.connector.clone())
                .or_else(|_| token.cancel_query(NoTls)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                token.cancel_query(self.connector.clone())
            }
        }
    }

    /// Logs a failure that is not an error of the pool, since the other way may succeed.
    fn note_fallback(&self, what: &str, error: &PgError, instead: &str) {
        let (mode, words) = (self.mode, crate::error::chain(error));
        say!(
            Debug,
            &self.target,
            "sslmode={mode}: {what} failed ({words}); trying {instead}"
        );
    }

    fn allow(&self) -> Result<Client, PgError> {
        match self.plain.connect() {
            Err(refusal) if is_refused_for_how(&refusal) => {
                self.note_fallback("a plain login", &refusal, "with TLS");
                match self.encrypted.connect() {
                    // The server has no TLS either, so its first refusal says what must be mended.
                    Err(error) if is_about_tls(&error) && !has_tls_cause(&error) => Err(refusal),
                    other => other,
                }
            }
            other => other,
        }
    }

    fn prefer(&self) -> Result<Client, PgError> {
        match self.encrypted.connect() {
            Err(error) if is_about_tls(&error) => {
                self.note_fallback("TLS", &error, "in plain");
                // If plain is refused as well, it is TLS that must be mended.
                match self.plain.connect() {
                    Err(refusal) if is_refused_for_how(&refusal) => Err(error),
                    other => other,
                }
            }
            Err(refusal) if is_refused_for_how(&refusal) => {
                self.note_fallback("a login with TLS", &refusal, "in plain");
                match self.plain.connect() {
                    Err(second) if is_refused_for_how(&second) => Err(refusal),
                    other => other,
                }
            }
            other => other,
        }
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

#[cfg(feature = "tls")]
mod connector {
    use std::error::Error as StdError;

    use ::postgres::Socket;
    use ::postgres::tls::MakeTlsConnect;
    use tokio_postgres_rustls::MakeRustlsConnect;

    use crate::tls::Encryption;

    type Rustls = MakeRustlsConnect;

    /// Reads the certificate files anew for each connection.
    #[derive(Clone)]
    pub(super) struct Connector {
        encryption: Encryption,
    }

    impl Connector {
        pub(super) fn new(encryption: Encryption) -> Self {
            Connector { encryption }
        }
    }

    impl MakeTlsConnect<Socket> for Connector {
        type Stream = <Rustls as MakeTlsConnect<Socket>>::Stream;
        type TlsConnect = <Rustls as MakeTlsConnect<Socket>>::TlsConnect;
        type Error = Box<dyn StdError + Send + Sync>;

        fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
            let mut rustls = MakeRustlsConnect::new(self.encryption.client_config()?);
            Ok(MakeTlsConnect::<Socket>::make_tls_connect(
                &mut rustls,
                host,
            )?)
        }
    }
}
