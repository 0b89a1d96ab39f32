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
        let NamedFile { name, path, .. } = file;
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
            Some(Roots::System { .. }) | None => system_roots(),
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
        Ok((certificates(&self.certificate)?, key(&self.key)?))
    }
}

fn certificates(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let contents = read(file)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&contents)
        .collect::<Result<_, _>>()
        .map_err(|error| Unusable::file(file, words(&error)))?;
    match found.is_empty() {
        true if file.or_der && !contents.is_empty() => Ok(vec![contents.into()]),
        true => Err(Unusable::file(file, "there is no PEM certificate in it")),
        false => Ok(found),
    }
}

fn key(file: &NamedFile) -> Result<PrivateKeyDer<'static>, Unusable> {
    let contents = read(file)?;
    let text = String::from_utf8_lossy(&contents);
    // PKCS#8's label, and the header of the older forms.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Unusable::file(
            file,
            "the key in it is encrypted: decrypt it, and protect the file by its permissions",
        ));
    }
    let why = match PrivateKeyDer::from_pem_slice(&contents) {
        Ok(key) => return Ok(key),
        Err(pem::Error::NoItemsFound) if file.or_der => match PrivateKeyDer::try_from(contents) {
            Ok(key) => return Ok(key),
            Err(_) => "there is no private key in it".to_owned(),
        },
        Err(pem::Error::NoItemsFound) => "there is no PEM private key in it".to_owned(),
        Err(error) => words(&error),
    };
    Err(Unusable::file(file, why))
}

/// Without the bytes that pem's own words have in them.
fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section in it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a PEM section in it has no proper beginning".to_owned()
        }
        other => other.to_string(),
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
        return Err(Unusable(no_system_roots(loaded.errors.first())));
    }
    Ok(system.insert(Arc::new(trusted)).clone())
}

fn no_system_roots(error: Option<&rustls_native_certs::Error>) -> String {
    let elsewhere: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .filter_map(|variable| {
            let path = std::env::var_os(variable)?;
            Some(format!("{variable} = {}", path.display()))
        })
        .collect();
    let because = error.map_or_else(String::new, |error| format!(" ({error})"));
    match elsewhere.is_empty() {
        true => format!(
            "the system trusts no root certificates{because}: install its package of them (ca-certificates), or name a \
             file with sslrootcert (MySQL: ssl-ca)"
        ),
        false => format!(
            "{} is not accepted: it takes the place of the system's root certificates, and there are none in it{because}",
            elsewhere.join(", ")
        ),
    }
}
