//! Reading certificates and keys from their files and from the operating system.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::trusted::{Trusted, certificates, read, system_roots, words};
use super::verifier::Verifier;
use super::{Encryption, Identity, NamedFile, Roots, Unusable, Verification};

impl Encryption {
    /// Reads the files anew at each call.
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
                    .map_err(|error| Unusable::file(&identity.key, KEY, error))
            }
        }
    }

    /// The certificates from which the server's own must descend.
    pub(crate) fn trusted(&self) -> Result<Arc<Trusted>, Unusable> {
        match &self.roots {
            Some(Roots::File(file)) => Trusted::from_file(file).map(Arc::new),
            Some(Roots::System { .. }) | None => system_roots(),
        }
    }
}

impl Identity {
    pub(crate) fn load(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unusable> {
        Ok((certificates(&self.certificate)?, key(&self.key)?))
    }
}

/// What is expected in a file.
const KEY: &str = "the unencrypted private key of the certificate";

fn key(file: &NamedFile) -> Result<PrivateKeyDer<'static>, Unusable> {
    let contents = read(file)?;
    let text = String::from_utf8_lossy(&contents);
    // PKCS#8 has a label of its own for it, the older formats a header.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Unusable::file(
            file,
            KEY,
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
    Err(Unusable::file(file, KEY, why))
}
