//! Checks with rustls what the server's certificate must prove.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::Verification;
use super::trusted::Trusted;

#[derive(Debug)]
pub(super) struct Verifier {
    verification: Verification,
    trusted: Arc<Trusted>,
    algorithms: WebPkiSupportedAlgorithms,
    channel_binding: bool,
}

impl Verifier {
    pub(super) fn new(
        verification: Verification,
        trusted: Arc<Trusted>,
        channel_binding: bool,
        provider: &CryptoProvider,
    ) -> Self {
        Verifier {
            verification,
            trusted,
            algorithms: provider.signature_verification_algorithms,
            channel_binding,
        }
    }

    /// A server's own self-signed certificate can be named as the root, and is then trusted as it is. webpki checks its
    /// validity period first, and only then refuses it for being an authority's.
    fn is_named_itself(&self, server: &CertificateDer<'_>, error: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
            return false;
        };
        other.to_string() == "CaUsedAsEndEntity" && self.trusted.certificates.contains(server)
    }

    /// Where nothing is to be proved, a certificate that cannot be read here will do: the commands in PostgreSQL's manual make
    /// certificates of X.509 version 1, and ring has no P-521. But SCRAM's channel binding relies on the signature of the
    /// handshake.
    fn unread(&self, error: Error) -> Result<HandshakeSignatureValid, Error> {
        match error {
            Error::InvalidCertificate(CertificateError::BadSignature) => Err(error),
            _ if self.takes_any() => Ok(HandshakeSignatureValid::assertion()),
            _ => Err(error),
        }
    }

    fn takes_any(&self) -> bool {
        self.verification == Verification::Nothing && !self.channel_binding
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verification != Verification::Nothing {
            let certificate = ParsedCertificate::try_from(server)?;
            let chain = verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.trusted.roots,
                intermediates,
                now,
                self.algorithms.all,
            );
            match chain {
                Err(error) if !self.is_named_itself(server, &error) => return Err(error),
                _ => {}
            }
            if self.verification == Verification::ChainAndName {
                verify_server_name(&certificate, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
            .or_else(|error| self.unread(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .or_else(|error| self.unread(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if self.takes_any() {
            schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        }
        schemes
    }
}
