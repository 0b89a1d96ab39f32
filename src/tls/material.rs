//! Certificates and keys, read from their files and from the system.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::verifier::Verifier;
use super::{Encryption, Identity, NamedFile, Roots, Unusable, Verification};

impl Unusable {
    fn file(file: &NamedFile, why: impl fmt::Display) -> Self {
        let NamedFile { name, path } = file;
        Unusable(format!(
            "{name} = {} is not accepted: {why}",
            path.display()
        ))
    }
}

/// With all the authorities of the world there are a hundredth of it.
const GREATEST_FILE: u64 = 16 * 1024 * 1024;

impl Encryption {
    /// Reads the files, each time anew.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, Unusable> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = match self.verification() {
            Verification::Nothing => Arc::default(),
            Verification::Chain | Verification::ChainAndName => self.trusted()?,
        };
        let verifier = Verifier::new(
            self.verification(),
            trusted,
            self.channel_binding,
            &provider,
        );
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
                    .map_err(|error| Unusable::file(&identity.key, error))
            }
        }
    }

    /// The certificates that the server's must come from.
    pub(crate) fn trusted(&self) -> Result<Arc<Trusted>, Unusable> {
        match &self.roots {
            Some(Roots::File(file)) => Trusted::from_file(file).map(Arc::new),
            Some(Roots::System) | None => system_roots(),
        }
    }
}

/// Authorities, or a server's own certificate.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) roots: RootCertStore,
}

impl Default for Trusted {
    fn default() -> Self {
        Trusted {
            certificates: Vec::new(),
            roots: RootCertStore::empty(),
        }
    }
}

impl Trusted {
    fn from_file(file: &NamedFile) -> Result<Self, Unusable> {
        let mut roots = RootCertStore::empty();
        let certificates = certificates(file)?;
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|error| Unusable::file(file, error))?;
        }
        Ok(Trusted {
            certificates,
            roots,
        })
    }
}

impl Identity {
    pub(crate) fn load(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unusable> {
        let chain = certificates(&self.certificate)?;
        let text = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => Unusable::file(
                &self.key,
                "there is no private key in it that is PEM and not encrypted",
            ),
            other => Unusable::file(&self.key, other),
        })?;
        Ok((chain, key))
    }
}

fn certificates(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| Unusable::file(file, error))?;
    match found.is_empty() {
        true => Err(Unusable::file(file, "there is no PEM certificate in it")),
        false => Ok(found),
    }
}

/// To read a pipe may take for ever, and a device has no end.
fn read(file: &NamedFile) -> Result<Vec<u8>, Unusable> {
    let unusable = |why: &dyn fmt::Display| Unusable::file(file, why);
    let metadata = std::fs::metadata(&file.path).map_err(|error| unusable(&error))?;
    if !metadata.is_file() || metadata.len() > GREATEST_FILE {
        return Err(unusable(&"it is no regular file of at most 16 MiB"));
    }
    std::fs::read(&file.path).map_err(|error| unusable(&error))
}

/// Read once in a process, for there are more than a hundred; those that cannot be understood are left out.
pub(crate) fn system_roots() -> Result<Arc<Trusted>, Unusable> {
    static SYSTEM: Mutex<Option<Arc<Trusted>>> = Mutex::new(None);
    let mut system = SYSTEM.lock();
    if let Some(trusted) = &*system {
        return Ok(trusted.clone());
    }
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        log::warn!(target: "queuepool", "of the system's root certificates some cannot be read: {error}");
    }
    let mut trusted = Trusted::default();
    for certificate in loaded.certs {
        if trusted.roots.add(certificate.clone()).is_ok() {
            trusted.certificates.push(certificate);
        }
    }
    if trusted.certificates.is_empty() {
        return Err(Unusable(
            "the system trusts no root certificates: install its package of them (ca-certificates), or name a file \
             with sslrootcert (MySQL: ssl-ca)"
                .into(),
        ));
    }
    Ok(system.insert(Arc::new(trusted)).clone())
}
