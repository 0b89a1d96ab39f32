//! Which connections are encrypted, and how the server proves that it is the right one.

#[cfg(not(feature = "tls"))]
mod absent;
mod encryption;
#[cfg(feature = "tls")]
mod explain;
#[cfg(feature = "tls")]
mod material;
#[cfg(feature = "tls")]
mod trusted;
mod url;
#[cfg(feature = "tls")]
mod verifier;

use std::fmt;
use std::path::PathBuf;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Never as TlsCause, cause, is_refusal};
pub(crate) use encryption::{Encryption, Unusable, Verification};
#[cfg(feature = "tls")]
pub(crate) use explain::{cause, is_refusal};
#[cfg(feature = "tls")]
pub(crate) use rustls::Error as TlsCause;
#[cfg(all(feature = "tls", feature = "mysql"))]
pub(crate) use trusted::{Trusted, system_roots};
pub(crate) use url::Names;

/// Whether a connection is encrypted, and what the server's certificate must prove: libpq's six modes with libpq's
/// meaning, for PostgreSQL, MySQL and MariaDB alike.
///
/// | mode | also in a MySQL URL | encrypted | the server's certificate |
/// |---|---|---|---|
/// | `disable` | `DISABLED` | never | |
/// | `allow` | | if the server refuses a plain login | not checked, unless root certificates are named |
/// | `prefer` | `PREFERRED` | if the server can; otherwise plain | not checked, unless root certificates are named; if it then fails the check, the connection is plain |
/// | `require` | `REQUIRED` | always | not checked, unless root certificates are named: then as with `verify-ca` |
/// | `verify-ca` | `VERIFY_CA` | always | must be signed by a trusted authority and within its validity period; name your own authority, since anybody can get a certificate from a public one |
/// | `verify-full` | `VERIFY_IDENTITY` | always | must also be issued for the host that the URL names |
///
/// Only `verify-full`, or `verify-ca` with an authority of your own, keeps out a man in the middle; `allow` and `prefer`
/// keep out nobody who can change what is sent. If only Unix sockets are named, the mode does not matter: they are not
/// encrypted.
///
/// Unlike libpq, `allow` and `prefer` try the other way only after a refusal that it may cure: not after a wrong password, and
/// not when one of this side's files cannot be used. MySQL and MariaDB give the same error for a wrong password and for a user
/// who must use TLS, so there a wrong password with `allow` counts as two failed logins. With several hosts, each is tried in both
/// ways before the next. A MySQL server that had no TLS is asked for it again by `prefer` after ten minutes, or once
/// a connect to it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted only if the server refuses a plain connection.
    Allow,
    /// Encrypted, or plain if that fails.
    Prefer,
    /// Always encrypted.
    Require,
    /// Always encrypted, and the chain of the server's certificate is checked.
    VerifyCa,
    /// Always encrypted, and the chain of the server's certificate and the host name in it are checked.
    VerifyFull,
}

impl SslMode {
    /// libpq's six words and MySQL's five, in upper or lower case, with `_` or `-`.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().replace('_', "-").as_str() {
            "disable" | "disabled" => SslMode::Disable,
            "allow" => SslMode::Allow,
            "prefer" | "preferred" => SslMode::Prefer,
            "require" | "required" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" | "verify-identity" => SslMode::VerifyFull,
            _ => return None,
        })
    }

    /// Whether a plain connection is never accepted.
    pub(crate) fn is_required(self) -> bool {
        self >= SslMode::Require
    }
}

impl fmt::Display for SslMode {
    /// libpq's word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        })
    }
}

/// A mode with the files it needs, for a manager that is built from a driver's own configuration value. In a URL, parameters
/// say the same.
///
/// The files are PEM. They are read when the pool is built, so that a wrong one is an error there, and again for every new
/// connection, so that a renewed certificate needs no restart. The operating system's authorities are read once per process.
///
/// ```no_run
/// use queuepool::postgres::PostgresManager;
/// use queuepool::{Pool, SslMode, Tls};
///
/// let config = "host=db.internal user=app dbname=orders".parse()?;
/// let tls = Tls::new(SslMode::VerifyFull).root_certificates("/etc/ssl/internal-ca.pem");
/// let pool = Pool::builder(PostgresManager::new(config)?.tls(tls)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Tls {
    pub(crate) mode: Option<SslMode>,
    pub(crate) roots: Option<Roots>,
    pub(crate) identity: Option<Identity>,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    File(NamedFile),
    /// `sslrootcert=system`, under whichever name the parameter was given.
    System {
        name: String,
    },
}

/// The client certificate, which this side shows to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: NamedFile,
    pub(crate) key: NamedFile,
}

/// A file, and the name of the parameter or option that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where that was, in errors; `None` for code.
    pub(crate) place: Option<&'static str>,
    /// A file that is not PEM is taken to be DER, as the mysql driver does.
    pub(crate) or_der: bool,
}

impl NamedFile {
    pub(crate) fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        NamedFile {
            name: name.to_owned(),
            path: path.into(),
            place: None,
            or_der: false,
        }
    }
}

impl Tls {
    /// This mode, with the authorities that the operating system trusts and without a client certificate.
    pub fn new(mode: SslMode) -> Self {
        Tls {
            mode: Some(mode),
            ..Tls::unsaid()
        }
    }

    /// Trusts the authorities in this file and no others: `sslrootcert` in a URL, on MySQL `ssl-ca`.
    pub fn root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.roots = Some(Roots::File(NamedFile::new("root_certificates", file)));
        self
    }

    /// Presents this client certificate (followed, in the same file, by those between it and its authority) and proves it with
    /// this key, which must not be encrypted: `sslcert` and `sslkey` in a URL, on MySQL `ssl-cert` and `ssl-key`.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some(Identity {
            certificate: NamedFile::new("client_certificate", certificate),
            key: NamedFile::new("client_certificate's key", key),
        });
        self
    }

    /// The encryption in force. If no mode was named it is `default`, or `require` with the setting require_tls.
    pub(crate) fn encryption(&self, default: SslMode, require_tls: bool) -> Encryption {
        let (mode, by_require_tls) = match self.mode {
            Some(mode) => (mode, false),
            None if matches!(self.roots, Some(Roots::System { .. })) => {
                (SslMode::VerifyFull, false)
            }
            None if require_tls => (SslMode::Require, true),
            None => (default, false),
        };
        Encryption {
            mode,
            by_require_tls,
            roots: self.roots.clone(),
            identity: self.identity.clone(),
            channel_binding: false,
        }
    }

    /// No mode and no files are named.
    pub(crate) fn unsaid() -> Self {
        Tls {
            mode: None,
            roots: None,
            identity: None,
        }
    }
}
