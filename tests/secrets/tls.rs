//! The secrets of an encrypted connection: the password of a key, and the key itself.

use queuepool::{Database, Error, ErrorKind};

use crate::marker::{Secret, percent_encoded};
use crate::texts::{Texts, assert_process_silent};
use support::scripted::secs;
use support::servers::free_port;

/// The error from building the pool or, if that reads no file, from its first connect.
fn refusal(url: &str) -> Error {
    match Database::open(url) {
        Ok(database) => database.get_timeout(secs(1)).unwrap_err(),
        Err(error) => error,
    }
}

#[test]
fn not_the_password_of_a_key() {
    let secret = Secret::new();
    for (scheme, kind) in [
        ("postgresql", ErrorKind::Unsupported),
        ("mysql", ErrorKind::Settings), // only other drivers know the parameter
    ] {
        let password = percent_encoded(&secret.whole());
        let port = free_port();
        let url = format!("{scheme}://app@127.0.0.1:{port}/app?sslpassword={password}");
        let error = refusal(&url);
        assert_eq!(error.kind(), kind, "{error:?}");
        let mut texts = Texts::default();
        texts.add_error("an error", &error);
        texts.assert_without(&secret);
    }
    assert_process_silent(&secret);
}

/// No part of a file is quoted that is neither a key nor a certificate.
#[test]
fn not_what_stands_in_a_key_file() {
    let secret = Secret::new();
    let folder = tempfile::tempdir().unwrap();
    let whole = secret.whole();
    let plain = |kind: &str| format!("-----BEGIN {kind}-----\n{whole}\n-----END {kind}-----\n");
    for (name, text) in [
        ("plain", whole.clone()),
        ("key", plain("PRIVATE KEY")),
        ("rsa", plain("RSA PRIVATE KEY")),
        ("encrypted", plain("ENCRYPTED PRIVATE KEY")),
        ("certificate", plain("CERTIFICATE")),
        ("cut-off", format!("-----BEGIN PRIVATE KEY-----\n{whole}")),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let path = percent_encoded(file.to_str().unwrap());
        for (scheme, key, certificate) in [
            ("postgresql", "sslkey", "sslcert"),
            ("mysql", "ssl-key", "ssl-cert"),
            ("postgresql", "sslrootcert", "sslcert"),
            ("mysql", "ssl-ca", "ssl-cert"),
        ] {
            let mode = match scheme {
                "mysql" => "ssl-mode=VERIFY_CA",
                _ => "sslmode=verify-ca",
            };
            let port = free_port();
            let url = format!(
                "{scheme}://app@127.0.0.1:{port}/app?{mode}&{certificate}={path}&{key}={path}"
            );
            let mut texts = Texts::default();
            texts.add_error("an error", &refusal(&url));
            texts.assert_without(&secret);
        }
    }
    assert_process_silent(&secret);
}
