//! What holds for a pool's connections, and what is checked of it before the first.

use std::fmt;

use super::{Identity, Roots, SslMode};
use crate::error::{Error, ErrorKind};

/// What holds for a pool's connections.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    pub(crate) mode: SslMode,
    pub(crate) roots: Option<Roots>,
    pub(crate) identity: Option<Identity>,
    /// The login relies on the server's holding its certificate's key, although nothing else of it is checked.
    pub(crate) channel_binding: bool,
}

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    Nothing,
    Chain,
    ChainAndName,
}

/// A certificate or key that cannot be used, or a process or server in which it would prove nothing.
#[derive(Debug)]
pub(crate) struct Unusable(pub(crate) String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Error::new(ErrorKind::Settings, unusable.0)
    }
}

impl Encryption {
    pub(crate) fn plain() -> Self {
        Encryption {
            mode: SslMode::Disable,
            roots: None,
            identity: None,
            channel_binding: false,
        }
    }

    pub(crate) fn verification(&self) -> Verification {
        match self.mode {
            SslMode::VerifyFull => Verification::ChainAndName,
            SslMode::VerifyCa => Verification::Chain,
            _ if self.roots.is_some() => Verification::Chain,
            _ => Verification::Nothing,
        }
    }

    /// Whether those that may sign are named here, and not left to the system.
    pub(crate) fn names_authorities(&self) -> bool {
        matches!(self.roots, Some(Roots::File(_)))
    }

    /// # Errors
    /// Settings for files that cannot be used, and for the system's roots with a mode that proves nothing by them;
    /// Unsupported for an encrypted mode in a build without TLS.
    pub(crate) fn check(&self, pool_name: &str) -> Result<(), Error> {
        let mode = self.mode;
        if mode == SslMode::Disable {
            return Ok(());
        }
        // As libpq: anybody can have a certificate from a public authority.
        if self.roots == Some(Roots::System) && mode != SslMode::VerifyFull {
            return Err(Error::setting(
                "sslrootcert",
                "system",
                format_args!("with sslmode={mode} it proves nothing; write sslmode=verify-full"),
            ));
        }
        if mode == SslMode::VerifyCa && self.roots.is_none() {
            log::warn!(
                target: &format!("queuepool::{pool_name}"),
                "sslmode=verify-ca without sslrootcert (MySQL: ssl-ca) trusts any server with a certificate from a public \
                 authority: name yours, or write sslmode=verify-full"
            );
        }
        self.check_files()
    }

    #[cfg(feature = "tls")]
    fn check_files(&self) -> Result<(), Error> {
        self.client_config().map(drop).map_err(Error::from)
    }

    #[cfg(not(feature = "tls"))]
    fn check_files(&self) -> Result<(), Error> {
        if self.mode.is_required() {
            return Err(Error::unsupported(format!(
                "sslmode={} is asked for, by name or by require_tls (which the production preset sets), and this build of \
                 queuepool has no TLS: build it with the feature `tls`, or write sslmode=disable (MySQL: \
                 ssl-mode=DISABLED) where a plain connection will do",
                self.mode
            )));
        }
        Ok(())
    }
}
