use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};

use super::*;

// An authority, and the certificate of a server `localhost` that it signed. They were made once, and the authority's key was
// thrown away:
//
//     key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
//     openssl req -x509 $key -days 36500 -subj /CN=authority -keyout root.key -out root.pem
//     openssl req -x509 $key -days 36500 -subj /CN=server -CA root.pem -CAkey root.key -keyout server.key -out server.pem \
//         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE
const ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUWsCuk9hZ+uIPgkzXLwQS/omnxREwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNzExNTM0OVoYDzIxMjYxMTAz
MTE1MzQ5WjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASoO0s6+Iyf0XDRePi6OSha20zFN6DOGxbRjjb6eUOSH8Xc3cJHw4RR
krfYyaiwzWH1L3AabzojWEuOSPAvCVYCo1MwUTAdBgNVHQ4EFgQUVfPMXQ5zEGqT
KBTqZMXHxnO7gawwHwYDVR0jBBgwFoAUVfPMXQ5zEGqTKBTqZMXHxnO7gawwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA7OZGxcZ3OmOxIWrwV0KY
+rEMHs9UzWcIN3vv339idKsCICd3z6OHcxf3kOiJvN3yKWlzxe702cI1WA/8olmz
Utzt
-----END CERTIFICATE-----
";
const SERVER: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUULBXaplpP3IO/IdAs8b6br63DSowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNzExNTM0OVoYDzIxMjYxMTAz
MTE1MzQ5WjARMQ8wDQYDVQQDDAZzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAATUeN+d5bgijnj1QkvDiu67AAtRPZV5D3Gp4bAi6MksdsG+3Ln/nX724un5
89v8LjuqmWdgY8/wgaE9/N2l8q8ro2YwZDAdBgNVHQ4EFgQUHBiLMRLICDqR86wo
Q3wtJuqiIrIwHwYDVR0jBBgwFoAUVfPMXQ5zEGqTKBTqZMXHxnO7gawwFAYDVR0R
BA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSAAwRQIg
Vv6DAvmnQib0yi5rvLfpH2KCzQXv5FIg5lbUpKEDhHUCIQDY5ibAXazNKKf50OKo
KKP0SwxTpexF3uRNo0RPg9RxAg==
-----END CERTIFICATE-----
";

/// The first of January 2100, when both are valid.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(4_102_444_800));

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
            NOW,
        )
        .map(drop)
}

fn key_of(root: &CertificateDer<'static>) -> &'static [u8] {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    roots.roots[0].subject_public_key_info.to_vec().leak()
}

fn root_and_server() -> (CertificateDer<'static>, CertificateDer<'static>) {
    [ROOT, SERVER]
        .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .into()
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
