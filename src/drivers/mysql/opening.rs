//! How a connection is opened: in each of the six modes of encryption, and at each address of a name.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use ::mysql::{Conn, DriverError, Error as MyError, Opts, OptsBuilder};
use parking_lot::Mutex;

use super::MySqlManager;
use crate::base::log::say;
use crate::tls::SslMode;

/// When a server was found to have no TLS. To ask it takes a login that is broken off, which the server puts into its log.
#[derive(Default)]
pub(super) struct HadNoTls(Mutex<Option<Instant>>);

impl HadNoTls {
    /// A server can be given TLS without a restart; one that is restarted fails a connect in between, mostly.
    const FRESH: Duration = Duration::from_secs(10 * 60);

    pub(super) fn is_fresh(&self) -> bool {
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

    /// It is no error of the pool's: the other way may do.
    fn note_fallback(&self, what: &str, error: &MyError, instead: &str) {
        let (mode, words) = (self.encryption.mode, crate::error::chain(error));
        say!(
            Debug,
            &self.target,
            "ssl-mode={mode}: {what} failed ({words}); trying {instead}"
        );
    }

    fn allow(&self) -> Result<Conn, MyError> {
        match self.plain() {
            Err(refusal) if is_refused_for_how(&refusal) => {
                self.note_fallback("a plain login", &refusal, "with TLS");
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
                self.note_fallback("TLS", &error, "in plain");
                self.plain().inspect(|_| self.had_no_tls.remember())
            }
            Err(error) if is_about_tls(&error) => {
                self.note_fallback("TLS", &error, "in plain");
                match self.plain() {
                    // Where plain is refused as well, TLS is what there is to mend.
                    Err(refusal) if is_refused_for_how(&refusal) => Err(error),
                    other => other,
                }
            }
            other => other,
        }
    }

    #[cfg(not(feature = "tls"))]
    fn encrypted(&self) -> Result<Conn, MyError> {
        Err(MyError::DriverError(DriverError::TlsNotSupported))
    }
}

/// A login that another way of connecting may get. "Access denied" is also said for a user who must use TLS, and by MariaDB
/// for all with `require_secure_transport`, of which MySQL says 3159.
fn is_refused_for_how(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1045 | 3159))
}

fn is_unoffered(error: &MyError) -> bool {
    matches!(error, MyError::DriverError(DriverError::TlsNotSupported))
}

fn is_about_tls(error: &MyError) -> bool {
    #[cfg(feature = "tls")]
    if matches!(error, MyError::TlsError(_)) {
        return true;
    }
    is_unoffered(error) || super::classify::tls_cause(error).is_some()
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
pub(super) fn at_each_address(opts: &Opts) -> Result<Conn, MyError> {
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
pub(super) fn by_name(opts: &Opts) -> Result<Conn, MyError> {
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
