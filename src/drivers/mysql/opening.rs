//! How a connection is opened at one host, in each of the six modes of encryption.

use std::collections::HashMap;
#[cfg(feature = "tls")]
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use ::mysql::OptsBuilder;
use ::mysql::{Conn, DriverError, Error as MyError, Opts};
use parking_lot::Mutex;

use super::MySqlManager;
use crate::base::log::say;
use crate::tls::SslMode;

/// When a server was found to have no TLS. Finding out takes a login that is broken off, which the server writes to its log, so
/// the result is remembered for a while.
#[derive(Default)]
pub(super) struct HadNoTls(Mutex<HashMap<Server, Instant>>);

/// The name or address that the driver connects to, and the port.
type Server = (String, u16);

fn server(opts: &Opts) -> Server {
    (opts.get_ip_or_hostname().into_owned(), opts.get_tcp_port())
}

impl HadNoTls {
    /// A server can be given TLS without a restart, so the result does not hold for ever. (If it is restarted, a connect usually
    /// fails in between, and then the result is forgotten.)
    const FRESH: Duration = Duration::from_secs(10 * 60);

    fn is_fresh(&self, opts: &Opts) -> bool {
        let found = self.0.lock();
        found
            .get(&server(opts))
            .is_some_and(|found| found.elapsed() < HadNoTls::FRESH)
    }

    fn remember(&self, opts: &Opts) {
        self.0.lock().insert(server(opts), Instant::now());
    }

    fn forget(&self, opts: &Opts) {
        self.0.lock().remove(&server(opts));
    }
}

impl MySqlManager {
    pub(super) fn open(&self) -> Result<Conn, MyError> {
        self.had_to_be_plain.store(false, Ordering::Relaxed);
        match self.encryption.mode {
            SslMode::Disable => self.plain(),
            SslMode::Allow => self.allow(),
            SslMode::Prefer => self.prefer(),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted(),
        }
    }

    fn plain(&self) -> Result<Conn, MyError> {
        Conn::new(self.opts.clone())
    }

    /// Logs a failure that is not an error of the pool, since the other way may succeed.
    fn note_fallback(&self, what: &str, error: &MyError, instead: &str) {
        let words = self.masked(crate::error::chain(error));
        let mode = self.encryption.mode;
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
                    // The server has no TLS, so its first refusal says what must be mended.
                    Err(error) if is_unoffered(&error) => {
                        self.had_to_be_plain.store(true, Ordering::Relaxed);
                        Err(refusal)
                    }
                    other => other,
                }
            }
            other => other,
        }
    }

    fn prefer(&self) -> Result<Conn, MyError> {
        if self.had_no_tls.is_fresh(&self.opts) {
            return self
                .plain()
                .inspect_err(|_| self.had_no_tls.forget(&self.opts));
        }
        match self.encrypted() {
            Err(error) if is_unoffered(&error) => {
                self.note_fallback("TLS", &error, "in plain");
                self.had_to_be_plain.store(true, Ordering::Relaxed);
                self.plain()
                    .inspect(|_| self.had_no_tls.remember(&self.opts))
            }
            Err(error) if is_about_tls(&error) => {
                self.note_fallback("TLS", &error, "in plain");
                match self.plain() {
                    // If plain is refused as well, it is TLS that must be mended.
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

/// Whether the login may succeed the other way. "Access denied" (1045) is also what servers say to a user who must use TLS, and
/// what MariaDB says to everybody under `require_secure_transport`, for which MySQL says 3159.
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

#[cfg(feature = "tls")]
fn could_not_connect<T>(opened: &Result<T, MyError>) -> bool {
    matches!(
        opened,
        Err(MyError::DriverError(
            DriverError::CouldNotConnect(_) | DriverError::ConnectTimeout
        ))
    )
}

#[cfg(feature = "tls")]
fn has_several_addresses(opts: &Opts) -> bool {
    (&*opts.get_ip_or_hostname(), opts.get_tcp_port())
        .to_socket_addrs()
        .is_ok_and(|addresses| addresses.count() > 1)
}

/// Tries each address of the host name as the pool's own walk does elsewhere, but keeps the name, so that the driver can verify
/// it. If the driver is given an address
/// to bind to, even the unspecified one, it tries all addresses of that family.
#[cfg(feature = "tls")]
pub(super) fn by_name(opts: &Opts) -> Result<Conn, MyError> {
    use std::net::{Ipv4Addr, Ipv6Addr};

    let opened = Conn::new(opts.clone());
    if !could_not_connect(&opened) || opts.bind_address().is_some() || !has_several_addresses(opts)
    {
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
