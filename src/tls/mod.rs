//! Which connections are encrypted, and what proves that the server is the right one.

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
/// meaning, for PostgreSQL as for MySQL and MariaDB.
///
/// | mode | in a MySQL URL also | encrypted | the server's certificate |
/// |---|---|---|---|
/// | `disable` | `DISABLED` | never | |
/// | `allow` | | where the server refuses a plain login | not looked at, unless root certificates are named |
/// | `prefer` | `PREFERRED` | where the server can; else plain | not looked at, unless root certificates are named; one that does not pass means plain |
/// | `require` | `REQUIRED` | always | not looked at, unless root certificates are named: then as `verify-ca` |
/// | `verify-ca` | `VERIFY_CA` | always | signed by a trusted authority, and in its time; name yours, since from a public one anybody has a certificate |
/// | `verify-full` | `VERIFY_IDENTITY` | always | and made out for the host that the URL names |
///
/// Only `verify-full`, or `verify-ca` with an authority of one's own, keeps out somebody who sits between; `allow` and
/// `prefer` keep out nobody who can change what is sent. Where only Unix sockets are named the mode does not matter: they are
/// not encrypted.
///
/// Unlike libpq, `allow` and `prefer` try the other way only for a refusal that it may cure: not again with a wrong password,
/// and not when a file of this side's cannot be used. MySQL and MariaDB say the same of a wrong password and of a user who
/// must use TLS, so with `allow` a wrong password is two failed logins there. With several PostgreSQL hosts the last one's
/// refusal decides. A MySQL server that had no TLS is asked again by `prefer` after ten minutes, or once a connect to it has
/// failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SslMode {
    /// Plain.
    Disable,
    /// Plain, unless the server refuses that.
    Allow,
    /// Encrypted, unless that fails.
    Prefer,
    /// Encrypted.
    Require,
    /// Encrypted, and the certificate's chain is checked.
    VerifyCa,
    /// Encrypted, and the certificate's chain and name are checked.
    VerifyFull,
}

impl SslMode {
    /// libpq's six words, and MySQL's five, in either case and with `_` for `-`.
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

    /// Whether a plain connection is out of the question.
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

/// A mode with the files it needs, for a manager that is built from a driver's own configuration value; in a URL the same
/// is said by parameters.
///
/// The files are PEM. They are read when the pool is built, so that a wrong one is an error there, and again for every new
/// connection, so that a renewed certificate needs no restart. The operating system's authorities are read once in a process.
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
    /// `sslrootcert=system`, by whichever word for sslrootcert.
    System {
        name: String,
    },
}

/// What this side shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: NamedFile,
    pub(crate) key: NamedFile,
}

/// A file, and the word by which it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// What is not PEM is taken for DER, as the mysql driver takes it.
    pub(crate) or_der: bool,
}

impl NamedFile {
    pub(crate) fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        NamedFile {
            name: name.to_owned(),
            path: path.into(),
            or_der: false,
        }
    }
}

impl Tls {
    /// In this mode, with the authorities that the operating system trusts and without a certificate of this side's.
    pub fn new(mode: SslMode) -> Self {
        Tls {
            mode: Some(mode),
            ..Tls::unsaid()
        }
    }

    /// Trusts the authorities in this file, and no others: `sslrootcert` of a URL, on MySQL `ssl-ca`.
    pub fn root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.roots = Some(Roots::File(NamedFile::new("root_certificates", file)));
        self
    }

    /// Shows this certificate (with those between it and its authority after it in the file), and proves it with this
    /// key, which must not be encrypted: `sslcert` and `sslkey` of a URL, on MySQL `ssl-cert` and `ssl-key`.
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

    /// What holds: `default` where no mode was named, but at least `require` with the setting require_tls.
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

    /// Nothing is named.
    pub(crate) fn unsaid() -> Self {
        Tls {
            mode: None,
            roots: None,
            identity: None,
        }
    }
}
