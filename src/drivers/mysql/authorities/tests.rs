use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, Error};

use super::*;

/// Does what the driver does, with `root` in place of Mozilla's authorities, which sign nothing for tests.
fn verify(root: &CertificateDer<'static>, server: &CertificateDer<'_>) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = guarded_provider(rustls::crypto::ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider))
        .build()
        .unwrap()
        .verify_server_cert(
            server,
            &[],
            &ServerName::try_from("localhost").unwrap(),
            &[],
            UnixTime::now(),
        )
        .map(drop)
}

fn key_of(root: &CertificateDer<'static>) -> &'static [u8] {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    roots.roots[0].subject_public_key_info.to_vec().leak()
}

fn root_and_server() -> (CertificateDer<'static>, CertificateDer<'static>) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(params, key);
    let server = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&KeyPair::generate().unwrap(), &issuer)
        .unwrap();
    (root, server.der().clone())
}

#[test]
fn a_barred_authority_signs_nothing_and_only_meanwhile() {
    let (root, server) = root_and_server();
    let key = key_of(&root);
    verify(&root, &server).unwrap();
    let (refused, asked) = without(vec![key], || verify(&root, &server));
    assert_eq!(
        refused,
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    );
    assert!(asked);
    let (accepted, asked) = without(Vec::new(), || verify(&root, &server));
    assert_eq!(accepted, Ok(()));
    assert!(asked);
    verify(&root, &server).unwrap();
    let ((), asked) = without(vec![key], || ());
    assert!(!asked);
    let (refused, _) = without(vec![key], || {
        without(Vec::new(), || ());
        verify(&root, &server)
    });
    assert!(refused.is_err());
}

#[test]
fn a_panic_leaves_no_bar_behind() {
    let (root, server) = root_and_server();
    let key = key_of(&root);
    let panicked = std::panic::catch_unwind(|| without(vec![key], || panic!("in the driver")));
    assert!(panicked.is_err());
    verify(&root, &server).unwrap();
}

#[test]
fn all_of_mozillas_are_barred_but_those_that_are_wanted() {
    let all = webpki_roots::TLS_SERVER_ROOTS;
    assert!(all.len() > 50, "{}", all.len());
    assert_eq!(barred_beside(&HashSet::new()).len(), all.len());
    let wanted: HashSet<&[u8]> = [&*all[0].subject_public_key_info].into();
    let barred = barred_beside(&wanted);
    assert!(barred.len() < all.len() && !barred.contains(&&*all[0].subject_public_key_info));
}
