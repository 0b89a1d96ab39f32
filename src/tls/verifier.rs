//! What the server's certificate must prove, on rustls.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::Verification;
use super::material::{Unusable, store};

#[derive(Debug)]
pub(super) struct Verifier {
    verification: Verification,
    trusted: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    channel_binding: bool,
}

impl Verifier {
    pub(super) fn new(
        verification: Verification,
        trusted: Vec<CertificateDer<'static>>,
        channel_binding: bool,
        provider: &CryptoProvider,
    ) -> Result<Self, Unusable> {
        let roots = match verification {
            Verification::Nothing => RootCertStore::empty(),
            _ => store(&trusted)?,
        };
        Ok(Verifier {
            verification,
            trusted,
            roots,
            algorithms: provider.signature_verification_algorithms,
            channel_binding,
        })
    }

    /// A server's own self-signed certificate can be named as the root: then it is trusted for what it is. webpki looks
    /// at its time first, and then refuses it for being an authority's.
    fn is_named_itself(&self, server: &CertificateDer<'_>, error: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
            return false;
        };
        other.to_string() == "CaUsedAsEndEntity" && self.trusted.iter().any(|root| root == server)
    }

    /// With nothing to prove, a certificate that webpki cannot read will do: PostgreSQL's manual makes some of X.509
    /// version 1. But SCRAM's channel binding relies on the handshake's signature.
    fn unread(&self, error: Error) -> Result<HandshakeSignatureValid, Error> {
        match error {
            Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::BadEncoding,
            ) if self.verification == Verification::Nothing && !self.channel_binding => {
                Ok(HandshakeSignatureValid::assertion())
            }
            other => Err(other),
        }
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
                &self.roots,
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
        self.algorithms.supported_schemes()
    }
}
