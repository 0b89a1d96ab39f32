//! How a connection is opened: in each of the six modes of encryption, and at each address of a name.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use ::mysql::{Conn, DriverError, Error as MyError, Opts, OptsBuilder};
use parking_lot::Mutex;

use super::MySqlManager;
use crate::tls::SslMode;
#[cfg(feature = "tls")]
use crate::tls::Verification;

/// When a server was found to have no TLS. To ask it takes a login that is broken off, which the server puts into its log.
#[derive(Default)]
pub(super) struct HadNoTls(Mutex<Option<Instant>>);

impl HadNoTls {
    /// A server can be given TLS without a restart; one that is restarted fails a connect in between, mostly.
    const FRESH: Duration = Duration::from_secs(10 * 60);

    fn is_fresh(&self) -> bool {
        self.0
            .lock()
            .is_some_and(|found| found.elapsed() < HadNoTls::FRESH)
    }

    fn remember(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    fn forget(&self) {
        *self.0.lock() = None;
    }
}

impl MySqlManager {
    pub(super) fn open(&self) -> Result<Conn, MyError> {
        match self.encryption.mode {
            SslMode::Disable => self.plain(),
            SslMode::Allow => self.allow(),
            SslMode::Prefer => self.prefer(),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted(),
        }
    }

    fn plain(&self) -> Result<Conn, MyError> {
        at_each_address(&self.opts)
    }

    fn allow(&self) -> Result<Conn, MyError> {
        match self.plain() {
            Err(refusal) if is_refused_for_how(&refusal) => {
                note("allow", "a plain login", &refusal, "with TLS");
                match self.encrypted() {
                    // Then what the server said first is what there is to mend.
                    Err(error) if is_unoffered(&error) => Err(refusal),
                    other => other,
                }
            }
            other => other,
        }
    }

    fn prefer(&self) -> Result<Conn, MyError> {
        if self.had_no_tls.is_fresh() {
            return self.plain().inspect_err(|_| self.had_no_tls.forget());
        }
        match self.encrypted() {
            Err(error) if is_unoffered(&error) => {
                note("prefer", "TLS", &error, "in plain");
                self.plain().inspect(|_| self.had_no_tls.remember())
            }
            Err(error) if is_about_tls(&error) => {
                note("prefer", "TLS", &error, "in plain");
                match self.plain() {
                    // Where plain is refused as well, TLS is what there is to mend.
                    Err(refusal) if is_refused_for_how(&refusal) => Err(error),
                    other => other,
                }
            }
            other => other,
        }
    }

    /// A build without TLS is to the server what a server without TLS is to a build that has it.
    #[cfg(not(feature = "tls"))]
    fn encrypted(&self) -> Result<Conn, MyError> {
        self.plain()
    }

    #[cfg(feature = "tls")]
    fn encrypted(&self) -> Result<Conn, MyError> {
        let opts: Opts = OptsBuilder::from_opts(self.opts.clone())
            .ssl_opts(Some(self.ssl_opts.clone()))
            .into();
        let verification = self.encryption.verification();
        let open = || match verification {
            // The driver verifies the name that it connects to.
            Verification::ChainAndName => by_name(&opts),
            _ => at_each_address(&opts),
        };
        if self.ssl_opts_are_the_drivers || verification == Verification::Nothing {
            return open();
        }
        let (opened, guarded) = self
            .encryption
            .trusted()
            .and_then(|trusted| super::authorities::trusting_only(&trusted, open))
            .map_err(|unusable| MyError::IoError(std::io::Error::other(unusable)))?;
        match opened {
            Ok(_) if !guarded && verification == Verification::Chain => Err(MyError::IoError(
                std::io::Error::other(crate::tls::Unusable::new(UNGUARDED)),
            )),
            other => other,
        }
    }
}

#[cfg(feature = "tls")]
const UNGUARDED: &str = "the process has a rustls CryptoProvider of its own as its default, with which the mysql driver would \
     trust all of Mozilla's authorities beside the named ones, for any host: install it by \
     queuepool::mysql::guarded_provider, or ask for ssl-mode=VERIFY_IDENTITY";

fn note(mode: &str, what: &str, error: &MyError, instead: &str) {
    let words = crate::error::chain(error);
    log::debug!(target: "queuepool", "ssl-mode={mode}: {what} failed ({words}); trying {instead}");
}

/// A login that another way of connecting may get. MySQL says "access denied" for a user who must use TLS, as for a wrong
/// password; 3159 and MariaDB's 4151 are `require_secure_transport`.
fn is_refused_for_how(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1045 | 3159 | 4151))
}

fn is_unoffered(error: &MyError) -> bool {
    matches!(error, MyError::DriverError(DriverError::TlsNotSupported))
}

#[cfg(feature = "tls")]
fn is_about_tls(error: &MyError) -> bool {
    is_unoffered(error)
        || matches!(error, MyError::TlsError(_))
        || super::classify::tls_cause(error).is_some()
}

#[cfg(not(feature = "tls"))]
fn is_about_tls(_: &MyError) -> bool {
    false
}

fn could_not_connect<T>(opened: &Result<T, MyError>) -> bool {
    matches!(
        opened,
        Err(MyError::DriverError(
            DriverError::CouldNotConnect(_) | DriverError::ConnectTimeout
        ))
    )
}

fn addresses(opts: &Opts) -> Vec<SocketAddr> {
    if opts.get_socket().is_some() {
        return Vec::new();
    }
    (&*opts.get_ip_or_hostname(), opts.get_tcp_port())
        .to_socket_addrs()
        .map_or_else(|_| Vec::new(), Iterator::collect)
}

/// The driver gives up at the first address of a name that refuses; `localhost` often has two, and MySQL listens on one.
fn at_each_address(opts: &Opts) -> Result<Conn, MyError> {
    let addresses = addresses(opts);
    let Some((last, others)) = addresses
        .split_last()
        .filter(|(_, others)| !others.is_empty())
    else {
        return Conn::new(opts.clone());
    };
    let at = |address: &SocketAddr| {
        let host = Some(address.ip().to_string());
        Conn::new(OptsBuilder::from_opts(opts.clone()).ip_or_hostname(host))
    };
    for address in others {
        let opened = at(address);
        if !could_not_connect(&opened) {
            return opened;
        }
    }
    at(last)
}

/// The same without giving the name up: with an address of its own to bind to, though it is any, the driver tries all
/// addresses of that family.
#[cfg(feature = "tls")]
fn by_name(opts: &Opts) -> Result<Conn, MyError> {
    use std::net::{Ipv4Addr, Ipv6Addr};

    let opened = Conn::new(opts.clone());
    if !could_not_connect(&opened) || opts.bind_address().is_some() || addresses(opts).len() < 2 {
        return opened;
    }
    let families = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    ];
    for any in families {
        let again = Conn::new(OptsBuilder::from_opts(opts.clone()).bind_address(Some(any)));
        if !could_not_connect(&again) {
            return again;
        }
    }
    opened
}
