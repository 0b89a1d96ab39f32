//! How a pool's connections are encrypted, and what is checked before the first of them is opened.

use std::fmt;

use super::{Identity, Names, Roots, SslMode};
use crate::base::log::say;
use crate::error::{Error, ErrorKind, URL};

/// How a pool's connections are encrypted.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    pub(crate) mode: SslMode,
    /// No mode was named, so the setting require_tls has chosen this one.
    pub(crate) by_require_tls: bool,
    pub(crate) roots: Option<Roots>,
    pub(crate) identity: Option<Identity>,
    /// The login relies on the server holding the key of its certificate, even if nothing else about the certificate is checked.
    pub(crate) channel_binding: bool,
}

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    Nothing,
    Chain,
    ChainAndName,
}

/// A certificate or key that cannot be used, or that would prove nothing in this process or to this server.
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
            by_require_tls: false,
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

    /// Whether the trusted authorities are named here, instead of being those of the operating system.
    pub(crate) fn names_authorities(&self) -> bool {
        matches!(self.roots, Some(Roots::File(_)))
    }

    /// Whose certificates are trusted, for an error.
    pub(crate) fn authorities(&self) -> String {
        match &self.roots {
            Some(Roots::File(file)) => file.path.display().to_string(),
            Some(Roots::System { .. }) | None => "the system's root certificates".to_owned(),
        }
    }

    /// The text for a server that has no TLS.
    pub(crate) fn unoffered(&self, names: &Names) -> String {
        let (asks, advice) = (self.asks(names), advice(names));
        format!(
            "the server does not offer TLS, but {asks} for it; if a plain connection will do, {advice}"
        )
    }

    fn asks(&self, names: &Names) -> String {
        match self.by_require_tls {
            true => "the setting require_tls, which the production preset sets, asks".to_owned(),
            false => format!("{}={} asks", names.mode[0], self.mode),
        }
    }

    /// # Errors
    /// Settings for files that cannot be used, and for the operating system's authorities with a mode in which they prove
    /// nothing; Unsupported for an encrypted mode in a build without TLS.
    pub(crate) fn check(&self, pool_name: &str, names: &Names) -> Result<(), Error> {
        let mode = self.mode;
        if mode == SslMode::Disable {
            return Ok(());
        }
        let parameter = names.mode[0];
        // As in libpq. Anybody can get a certificate from a public authority, so the chain alone proves nothing.
        if let Some(Roots::System { name }) = &self.roots
            && mode != SslMode::VerifyFull
        {
            return Err(Error::setting_in(
                URL,
                name,
                "\"system\"",
                format_args!(
                    "{parameter}=verify-full beside it; with {parameter}={mode} it proves nothing, since anybody can get a \
                     certificate from a public authority"
                ),
            ));
        }
        if mode == SslMode::VerifyCa && self.roots.is_none() {
            say!(
                Warn,
                &format!("queuepool::{pool_name}"),
                "{parameter}=verify-ca without {} trusts any server that has a certificate from a public authority: name your \
                 own authority, or write {parameter}=verify-full",
                names.roots[0]
            );
        }
        self.check_files(names)
    }

    #[cfg(feature = "tls")]
    fn check_files(&self, _: &Names) -> Result<(), Error> {
        self.client_config().map(drop).map_err(Error::from)
    }

    #[cfg(not(feature = "tls"))]
    fn check_files(&self, names: &Names) -> Result<(), Error> {
        if self.mode.is_required() {
            let (asks, advice) = (self.asks(names), advice(names));
            return Err(Error::unsupported(format!(
                "this build of queuepool has no TLS, but {asks} for it: build it with the feature `tls`, or, if a plain \
                 connection will do, {advice}"
            )));
        }
        Ok(())
    }
}

/// For users who do not need encryption after all.
fn advice(names: &Names) -> String {
    let parameter = names.mode[0];
    format!(
        "write {parameter}=disable or {parameter}=prefer in the URL, or give the manager Tls::new(SslMode::Prefer)"
    )
}
