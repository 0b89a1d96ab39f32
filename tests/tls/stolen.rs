//! A server that presents the right server's certificate, which anybody can obtain, but does not have its key.

use std::sync::Arc;

use queuepool::ErrorKind;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::pretender;
use crate::table::{HERE, World, open};
use support::certificates::{Certificate, self_signed};

/// rustls compares a certificate with its key only if it is given the two together.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn thief(stolen: &Certificate, version: &'static SupportedProtocolVersion) -> u16 {
    let provider = Arc::new(default_provider());
    let chain = CertificateDer::pem_slice_iter(stolen.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(self_signed(&HERE).key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = Shown(Arc::new(CertifiedKey::new(chain, key)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let config = Arc::new(config);
    pretender::postgres(move |mut client| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        // This fails, because the client refuses.
        let _ = connection.complete_io(&mut client);
    })
}

fn is_refused(version: &'static SupportedProtocolVersion) {
    let world = World::new();
    let port = thief(&world.ours.server(&HERE), version);
    let roots = world.roots.display();
    for parameters in [
        "sslmode=require".to_owned(),
        "sslmode=require&channel_binding=require".to_owned(),
        format!("sslmode=require&sslrootcert={roots}"),
        format!("sslmode=verify-ca&sslrootcert={roots}"),
        format!("sslmode=verify-full&sslrootcert={roots}"),
    ] {
        let database = open(&format!(
            "postgresql://app:x@127.0.0.1:{port}/app?{parameters}"
        ));
        let error = database.get().expect_err(&parameters);
        assert_eq!(error.kind(), ErrorKind::Connect, "{parameters}: {error}");
        assert!(
            error.to_string().contains("BadSignature"),
            "{parameters}: {error}"
        );
        assert_eq!(database.status().connection_errors, 1, "{parameters}");
    }
}

#[test]
fn a_certificate_without_its_key_is_refused_with_tls_1_2() {
    is_refused(&rustls::version::TLS12);
}

#[test]
fn a_certificate_without_its_key_is_refused_with_tls_1_3() {
    is_refused(&rustls::version::TLS13);
}
