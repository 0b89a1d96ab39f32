//! Certificates and keys, read from their files and from the system.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::verifier::Verifier;
use super::{Encryption, Identity, Roots, Verification};
use crate::error::{Error, ErrorKind};

/// A certificate or key that cannot be used.
#[derive(Debug)]
pub(crate) struct Unusable(String);

impl Unusable {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Unusable(words.into())
    }

    fn file(what: &str, path: &Path, why: impl fmt::Display) -> Self {
        Unusable(format!(
            "{what} = {} is not accepted: {why}",
            path.display()
        ))
    }
}

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
    /// Reads the files, each time anew.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, Unusable> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = match self.verification() {
            Verification::Nothing => Vec::new(),
            _ => self.trusted()?,
        };
        let verifier = Verifier::new(
            self.verification(),
            trusted,
            self.channel_binding,
            &provider,
        )?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Unusable(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(identity) => {
                let (chain, key) = identity.load()?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| Unusable::file("sslkey", &identity.key, error))
            }
        }
    }

    /// The certificates that the server's must come from.
    pub(crate) fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        match &self.roots {
            Some(Roots::File(path)) => certificates("sslrootcert", path),
            Some(Roots::System) | None => system_roots().map(<[_]>::to_vec),
        }
    }
}

impl Identity {
    fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unusable> {
        let chain = certificates("sslcert", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => Unusable::file(
                "sslkey",
                &self.key,
                "there is no private key in it that is PEM and not encrypted",
            ),
            other => Unusable::file("sslkey", &self.key, other),
        })?;
        Ok((chain, key))
    }
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| Unusable::file(what, path, error))?;
    match found.is_empty() {
        true => Err(Unusable::file(
            what,
            path,
            "there is no PEM certificate in it",
        )),
        false => Ok(found),
    }
}

/// Read once in a process: there are more than a hundred.
fn system_roots() -> Result<&'static [CertificateDer<'static>], Unusable> {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            log::warn!(target: "queuepool", "of the system's root certificates some cannot be read: {error}");
        }
        loaded.certs
    });
    match roots.is_empty() {
        true => Err(Unusable(
            "the system trusts no root certificates: install its package of them (ca-certificates), or name a file \
             with sslrootcert (MySQL: ssl-ca)"
                .into(),
        )),
        false => Ok(roots),
    }
}

/// The roots that can be understood; the system's store may hold some that cannot.
pub(crate) fn store(trusted: &[CertificateDer<'static>]) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
    match added {
        0 => Err(Unusable(
            "sslrootcert is not accepted: none of its certificates can be understood".into(),
        )),
        _ => Ok(roots),
    }
}
