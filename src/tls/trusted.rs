//! The certificates that a server's must come from, and how files of them are read.

use std::fmt;
use std::sync::Arc;

use crate::base::log::say;

use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::{NamedFile, Unusable};

impl Unusable {
    pub(super) fn file(file: &NamedFile, why: impl fmt::Display) -> Self {
        let NamedFile { name, path, .. } = file;
        Unusable(format!(
            "{name} = {} is not accepted: {why}",
            path.display()
        ))
    }
}

/// With all the authorities of the world there are a hundredth of it.
const GREATEST_FILE: u64 = 16 * 1024 * 1024;

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
    pub(super) fn from_file(file: &NamedFile) -> Result<Self, Unusable> {
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

pub(super) fn certificates(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, Unusable> {
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

/// Without the bytes that pem's own words have in them.
pub(super) fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section in it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a PEM section in it has no proper beginning".to_owned()
        }
        other => other.to_string(),
    }
}

/// To read a pipe may take for ever, and a device has no end.
pub(super) fn read(file: &NamedFile) -> Result<Vec<u8>, Unusable> {
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
        say!(
            Warn,
            "queuepool",
            "of the system's root certificates some cannot be read: {error}"
        );
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
