//! The certificates from which a server's own must descend, and how files of certificates are read.

use std::fmt;
use std::sync::Arc;

use crate::base::log::say;

use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::{NamedFile, Unusable};
use crate::error::Error;

/// What is expected in a file.
const CERTIFICATES: &str = "a file of certificates";
/// What is expected of a file before it is read.
const FILE: &str = "a regular file of at most 16 MiB that can be read";

impl Unusable {
    /// In the form of all errors about settings, with the reason after what is expected.
    pub(super) fn file(file: &NamedFile, expected: &str, why: impl fmt::Display) -> Self {
        let NamedFile {
            name, path, place, ..
        } = file;
        let expected = format!("{expected}; {why}");
        let error = match place {
            Some(place) => Error::setting_in(place, name, format_args!("{path:?}"), expected),
            None => Error::setting(name, format_args!("{path:?}"), expected),
        };
        Unusable(error.to_string())
    }
}

/// All the public authorities of the world take a hundredth of it.
const GREATEST_FILE: u64 = 16 * 1024 * 1024;

/// The trusted certificates: authorities, or the server's own certificate.
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
                .map_err(|error| Unusable::file(file, CERTIFICATES, error))?;
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
        .map_err(|error| Unusable::file(file, CERTIFICATES, words(&error)))?;
    match found.is_empty() {
        true if file.or_der && !contents.is_empty() => Ok(vec![contents.into()]),
        true => Err(Unusable::file(
            file,
            CERTIFICATES,
            "there is no PEM certificate in it",
        )),
        false => Ok(found),
    }
}

/// The pem crate's own texts would repeat bytes of the file, which may be a key.
pub(super) fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section in it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a PEM section in it has no proper beginning".to_owned()
        }
        other => other.to_string(),
    }
}

/// Regular files only: reading a pipe may take for ever, and a device has no end.
pub(super) fn read(file: &NamedFile) -> Result<Vec<u8>, Unusable> {
    let unusable = |why: &dyn fmt::Display| Unusable::file(file, FILE, why);
    let metadata = std::fs::metadata(&file.path).map_err(|error| unusable(&error))?;
    if !metadata.is_file() || metadata.len() > GREATEST_FILE {
        return Err(unusable(
            &"it is not a regular file, or it is larger than that",
        ));
    }
    std::fs::read(&file.path).map_err(|error| unusable(&error))
}

/// The operating system's authorities. They are read once in a process, as there are more than a hundred; those that cannot be
/// understood are left out.
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
            "some of the system's root certificates cannot be read: {error}"
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
            Some(format!("{variable} {path:?}"))
        })
        .collect();
    let because = error.map_or_else(String::new, |error| format!(" ({error})"));
    match elsewhere.is_empty() {
        true => format!(
            "the system trusts no root certificates{because}: install its package of them (ca-certificates), or name a \
             file of your own with sslrootcert (MySQL: ssl-ca)"
        ),
        false => format!(
            "invalid {}: expected root certificates, as it replaces those of the system; there are none in it{because}",
            elsewhere.join(" and ")
        ),
    }
}
