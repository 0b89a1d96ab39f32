//! What a URL may say of TLS: a wrong word, a contradiction or a wrong file is an error before anything is opened.

use std::path::Path;

use queuepool::{Database, ErrorKind};

use crate::files::openssl;
use crate::table::{World, settings};
use support::certificates::{Files, self_signed};

#[track_caller]
fn refused(url: &str, kind: ErrorKind, words: &str) {
    let error = Database::open_with(url, settings()).expect_err(url);
    assert_eq!(error.kind(), kind, "{url}: {error}");
    for part in words.split('…') {
        assert!(error.to_string().contains(part), "{url}: {error}");
    }
}

#[test]
fn wrong_words_and_contradictions_are_named() {
    for (parameters, words) in [
        ("sslmode=perhaps", "sslmode = perhaps…verify-full"),
        ("sslmode=", "sslmode = …verify-full"),
        ("%73slmode=perhaps", "sslmode = perhaps"),
        (
            "sslmode=prefer&sslmode=require",
            "sslmode = require…sslmode = prefer stands beside it",
        ),
        (
            "sslrootcert=/a.pem&sslrootcert=/A.pem",
            "sslrootcert = /A.pem…sslrootcert = /a.pem stands beside it",
        ),
        ("sslcert=/c.pem", "sslcert = /c.pem…it needs sslkey"),
        ("sslkey=/k.pem", "sslkey = /k.pem…it needs sslcert"),
        ("sslrootcert=", "sslrootcert = (nothing)"),
        (
            "sslmode=require&sslrootcert=system",
            "sslrootcert = system…sslmode=require…sslmode=verify-full",
        ),
        (
            "sslmode=verify-ca&sslrootcert=system",
            "sslrootcert = system",
        ),
    ] {
        let url = format!("postgresql://app:x@h/d?{parameters}");
        refused(&url, ErrorKind::Settings, words);
    }
    for (parameters, words) in [
        ("ssl-mode=perhaps", "ssl-mode = perhaps…verify_identity"),
        (
            "ssl-mode=REQUIRED&sslmode=disable",
            "sslmode = disable…ssl-mode = REQUIRED stands beside it",
        ),
        ("ssl-cert=/c.pem", "ssl-cert = /c.pem…it needs ssl-key"),
        (
            "priv_key_path=/k.pem",
            "priv_key_path = /k.pem…it needs ssl-cert",
        ),
        (
            "ssl-mode=VERIFY_CA&danger_accept_invalid_certs=true",
            "danger_accept_invalid_certs = true…ssl-mode=verify-ca",
        ),
        (
            "danger_skip_domain_validation=1",
            "danger_skip_domain_validation = 1…true or false",
        ),
        (
            "require_ssl=true",
            "require_ssl…another driver's word…REQUIRED",
        ),
        ("useSSL=true", "useSSL…another driver's word"),
        ("verify_identity=1", "verify_identity…another driver's word"),
        ("pkcs12_path=/k", "pkcs12_path…another driver's word"),
        ("ssl-crl=/revoked.pem", "ssl-crl…not supported…ssl-ca"),
        ("ssl-cipher=AES128-SHA", "ssl-cipher…not supported"),
        ("tls_version=TLSv1.3", "tls_version…not supported…TLS 1.2"),
        ("ssl_capath=/etc/ssl/certs", "ssl_capath…not supported"),
        (
            "ssl-ca=system&ssl-mode=VERIFY_CA",
            "ssl-ca = system…ssl-mode=verify-ca…write ssl-mode=verify-full",
        ),
        ("ssl_disabled=maybe", "ssl_disabled"),
        (
            "ssl-mode=REQUIRED&ssl_disabled=true",
            "ssl_disabled = true…ssl-mode=require",
        ),
        (
            "ssl-mode=REQUIRED&require_ssl=false",
            "require_ssl = false…ssl-mode=require",
        ),
        ("cipher_suites=ROT13", "cipher_suites…ROT13"),
    ] {
        let url = format!("mysql://app:x@h/d?{parameters}");
        refused(&url, ErrorKind::Settings, words);
    }
}

#[test]
fn what_there_is_no_support_for_is_said() {
    for (parameter, words) in [
        ("sslpassword=hunter2&sslkey=/k", "sslpassword…decrypt"),
        (
            "sslnegotiation=direct&sslmode=require",
            "sslnegotiation=direct",
        ),
    ] {
        let url = format!("postgresql://app:x@h/d?{parameter}");
        refused(&url, ErrorKind::Unsupported, words);
        let error = Database::open_with(&url, settings()).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

const GREATEST_FILE: u64 = 16 * 1024 * 1024;

/// By a hole.
fn lengthen(file: impl AsRef<Path>, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn the_greatest_file_is_still_read() {
    let world = World::new();
    lengthen(&world.roots, GREATEST_FILE);
    for scheme in ["postgresql", "mysql"] {
        let roots = world.roots.display();
        let url = format!("{scheme}://app:x@h/d?sslmode=verify-full&sslrootcert={roots}");
        Database::open_with(&url, settings()).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_when_the_pool_is_built() {
    let world = World::new();
    let mine = world.ours.client();
    let put = |name: &str, contents: &str| world.file(name, contents).display().to_string();
    let empty = put("empty.pem", "");
    let certificate = put("mine.crt", &mine.certificate);
    let key = put("mine.key", &mine.key);
    let another = put("another.key", &self_signed(&["x"]).key);
    let encrypted_by = |name: &str, how: &str| {
        let files = Files::new();
        files.put("key", &mine.key);
        openssl(
            &files,
            &format!("{how} -in key -out encrypted -passout pass:x"),
        );
        put(
            name,
            &std::fs::read_to_string(files.path().join("encrypted")).unwrap(),
        )
    };
    let encrypted = encrypted_by("pkcs8.key", "pkcs8 -topk8");
    let formerly_encrypted = encrypted_by("ec.key", "ec -aes256");
    let cut = put("cut.key", &mine.key[..mine.key.len() - 20]);
    let garbled = put("garbled.pem", &mine.certificate.replace('M', "!"));
    let unreadable = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    let mixed = put(
        "mixed.pem",
        &format!("{}{unreadable}", world.ours.certificate),
    );
    let pipe = Path::new(&certificate)
        .with_file_name("pipe")
        .display()
        .to_string();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let big = put("big.pem", &world.ours.certificate);
    lengthen(&big, GREATEST_FILE + 1);
    let missing = Path::new(&certificate).with_file_name("missing.pem");
    let missing = missing.display();
    for (scheme, root, cert, key_name) in [
        ("postgresql", "sslrootcert", "sslcert", "sslkey"),
        ("mysql", "ssl-ca", "ssl-cert", "ssl-key"),
    ] {
        for (parameters, words) in [
            (
                format!("{root}={missing}"),
                format!("{missing}…No such file"),
            ),
            (
                format!("{root}={empty}"),
                format!("{empty}…no PEM certificate"),
            ),
            (format!("{root}={key}"), format!("{key}…no PEM certificate")),
            (format!("{root}={garbled}"), garbled.clone()),
            (format!("{root}={mixed}"), format!("{mixed}…BadEncoding")),
            (format!("{root}={pipe}"), format!("{pipe}…no regular file")),
            (format!("{root}={big}"), format!("{big}…at most 16 MiB")),
            (
                format!("{cert}={big}&{key_name}={key}"),
                format!("{big}…at most 16 MiB"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={big}"),
                format!("{big}…at most 16 MiB"),
            ),
            (
                format!("{root}=/dev/zero"),
                "/dev/zero…no regular file".into(),
            ),
            (
                format!("{cert}={certificate}&{key_name}={missing}"),
                format!("{missing}…No such file"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={encrypted}"),
                format!("{encrypted}…is encrypted: decrypt it"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={formerly_encrypted}"),
                format!("{formerly_encrypted}…is encrypted: decrypt it"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={cut}"),
                format!("{cut}…has no end"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={certificate}"),
                format!("{certificate}…no PEM private key"),
            ),
            (
                format!("{cert}={certificate}&{key_name}={another}"),
                format!("{another}…is not accepted"),
            ),
            (format!("{cert}={empty}&{key_name}={key}"), empty.clone()),
        ] {
            let url = format!("{scheme}://app:x@h/d?{parameters}");
            refused(&url, ErrorKind::Settings, &words);
            let plain = format!("{url}&sslmode=disable");
            Database::open_with(&plain, settings())
                .expect("no file is read for a plain connection");
        }
    }
}
