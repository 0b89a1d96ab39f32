//! Certificates for tests: authorities, and what they sign.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate and its key, as PEM.
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut whole = DistinguishedName::new();
        whole.push(DnType::CommonName, name);
        Authority::called(whole)
    }

    /// An authority with this full name, which appears as the issuer in what it signs.
    pub fn called(name: DistinguishedName) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name;
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate for a server with these names.
    pub fn server(&self, names: &[&str]) -> Certificate {
        self.sign(names, |_| {})
    }

    /// A certificate for a server with these names that expired in 2024.
    pub fn expired_server(&self, names: &[&str]) -> Certificate {
        self.sign(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2024, 1, 1);
        })
    }

    pub fn client(&self) -> Certificate {
        self.sign(&[], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.distinguished_name.push(DnType::CommonName, "app");
        })
    }

    /// Another authority, whose certificate this one has signed.
    pub fn intermediate(&self, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate")
            .pem();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate")
            .pem();
        Certificate {
            certificate,
            key: key.serialize_pem(),
        }
    }
}

/// A server's self-signed certificate which, as `openssl req -x509` makes it, claims to be an authority's.
pub fn self_signed(names: &[&str]) -> Certificate {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    Certificate {
        certificate,
        key: key.serialize_pem(),
    }
}

impl Certificate {
    /// Appends the certificate of the authority between this one and the trusted one.
    pub fn below(mut self, authority: &Authority) -> Self {
        self.certificate.push_str(&authority.certificate);
        self
    }
}

/// Files on this side, which are removed when the value is dropped.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn put(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, contents).expect("our own directory");
        path
    }
}
