//! Encryption as the mysql driver takes it, and what the driver's own options say of it.

use std::io::Write as _;

use ::mysql::{ClientIdentity, SslOpts};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tempfile::NamedTempFile;

use super::MySqlManager;
use crate::error::{Error, ErrorKind};
use crate::tls::{Identity, Roots, SslMode, Tls, Verification};

/// What the driver would do.
pub(super) fn said_by(ssl_opts: &SslOpts) -> Tls {
    Tls {
        mode: Some(
            match (
                ssl_opts.accept_invalid_certs(),
                ssl_opts.skip_domain_validation(),
            ) {
                (true, _) => SslMode::Require,
                (false, true) => SslMode::VerifyCa,
                (false, false) => SslMode::VerifyFull,
            },
        ),
        roots: ssl_opts
            .root_cert_path()
            .map(|path| Roots::File(path.to_owned())),
        identity: ssl_opts.client_identity().map(|identity| Identity {
            certificate: identity.cert_chain_path().to_owned(),
            key: identity.priv_key_path().to_owned(),
        }),
    }
}

impl MySqlManager {
    pub(super) fn write_ssl_opts(&mut self) -> Result<(), Error> {
        let encryption = &self.encryption;
        let verification = encryption.verification();
        let roots = match (verification, &encryption.roots) {
            (Verification::Nothing, _) => None,
            (_, Some(Roots::File(path))) => Some(path.clone()),
            (_, Some(Roots::System) | None) => {
                let file = written(&encryption.trusted()?).map_err(|error| {
                    Error::new(
                        ErrorKind::Settings,
                        format!("the system's root certificates cannot be put into a temporary file: {error}"),
                    )
                })?;
                let path = file.path().to_owned();
                self.system_roots = Some(file);
                Some(path)
            }
        };
        let identity = encryption.identity.as_ref().map(|identity| {
            ClientIdentity::new(identity.certificate.clone(), identity.key.clone())
        });
        self.ssl_opts = self
            .ssl_opts
            .clone()
            .with_danger_accept_invalid_certs(verification == Verification::Nothing)
            .with_danger_skip_domain_validation(verification == Verification::Chain)
            .with_root_cert_path(roots)
            .with_client_identity(identity);
        Ok(())
    }
}

/// The driver takes no file with a certificate that it cannot read in it.
fn written(trusted: &[CertificateDer<'static>]) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("queuepool-roots-")
        .suffix(".pem")
        .tempfile()?;
    for certificate in trusted {
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            let text = pem::encode(&pem::Pem::new("CERTIFICATE", &**certificate));
            file.write_all(text.as_bytes())?;
        }
    }
    file.flush()?;
    Ok(file)
}
