//! What a URL may say about TLS: a wrong word, a contradiction or a wrong file is an error before anything is opened.

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
        (
            "sslmode=perhaps",
            "invalid sslmode \"perhaps\" in the database URL: expected one of …verify-full",
        ),
        (
            "sslmode=",
            "invalid sslmode \"\" in the database URL: expected one of …verify-full",
        ),
        (
            "%73slmode=perhaps",
            "invalid sslmode \"perhaps\" in the database URL: ",
        ),
        (
            "sslmode=prefer&sslmode=require",
            "invalid sslmode \"require\" in the database URL: expected the same value as sslmode \"prefer\"",
        ),
        (
            "sslrootcert=/a.pem&sslrootcert=/A.pem",
            "invalid sslrootcert \"/A.pem\" in the database URL: expected the same value as sslrootcert \"/a.pem\"",
        ),
        (
            "sslcert=/c.pem",
            "invalid sslcert \"/c.pem\" in the database URL: expected sslkey beside it",
        ),
        (
            "sslkey=/k.pem",
            "invalid sslkey \"/k.pem\" in the database URL: expected sslcert beside it",
        ),
        (
            "sslrootcert=",
            "invalid sslrootcert \"\" in the database URL: expected the path",
        ),
        (
            "sslmode=require&sslrootcert=system",
            "invalid sslrootcert \"system\" in the database URL: expected sslmode=verify-full beside it…sslmode=require",
        ),
        (
            "sslmode=verify-ca&sslrootcert=system",
            "invalid sslrootcert \"system\" in the database URL: expected sslmode=verify-full",
        ),
    ] {
        let url = format!("postgresql://app:x@h/d?{parameters}");
        refused(&url, ErrorKind::Settings, words);
    }
    for (parameters, words) in [
        (
            "ssl-mode=perhaps",
            "invalid ssl-mode \"perhaps\" in the database URL: expected one of …verify_identity",
        ),
        (
            "ssl-mode=REQUIRED&sslmode=disable",
            "invalid sslmode \"disable\" in the database URL: expected the same value as ssl-mode \"REQUIRED\"",
        ),
        (
            "ssl-cert=/c.pem",
            "invalid ssl-cert \"/c.pem\" in the database URL: expected ssl-key beside it",
        ),
        (
            "priv_key_path=/k.pem",
            "invalid priv_key_path \"/k.pem\" in the database URL: expected ssl-cert beside it",
        ),
        (
            "ssl-mode=VERIFY_CA&danger_accept_invalid_certs=true",
            "invalid danger_accept_invalid_certs \"true\" in the database URL: expected …ssl-mode=verify-ca",
        ),
        (
            "danger_skip_domain_validation=1",
            "invalid danger_skip_domain_validation \"1\" in the database URL: expected true or false",
        ),
        (
            "require_ssl=true",
            "invalid require_ssl (not shown…REQUIRED…another driver's word",
        ),
        (
            "useSSL=true",
            "invalid useSSL (not shown…another driver's word",
        ),
        (
            "verify_identity=1",
            "invalid verify_identity (not shown…another driver's word",
        ),
        (
            "pkcs12_path=/k",
            "invalid pkcs12_path (not shown…another driver's word",
        ),
        (
            "ssl-crl=/revoked.pem",
            "invalid ssl-crl (not shown…ssl-ca…not supported",
        ),
        (
            "ssl-cipher=AES128-SHA",
            "invalid ssl-cipher (not shown…not supported",
        ),
        (
            "tls_version=TLSv1.3",
            "invalid tls_version (not shown…not supported…TLS is 1.2",
        ),
        (
            "ssl_capath=/etc/ssl/certs",
            "invalid ssl_capath (not shown…not supported",
        ),
        (
            "ssl-ca=system&ssl-mode=VERIFY_CA",
            "invalid ssl-ca \"system\" in the database URL: expected ssl-mode=verify-full…ssl-mode=verify-ca",
        ),
        ("ssl_disabled=maybe", "ssl_disabled"),
        (
            "ssl-mode=REQUIRED&ssl_disabled=true",
            "invalid ssl_disabled \"true\" in the database URL: expected …ssl-mode=require",
        ),
        (
            "ssl-mode=REQUIRED&require_ssl=false",
            "invalid require_ssl \"false\" in the database URL: expected …ssl-mode=require",
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

/// Lengthens the file with a hole.
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
            (
                format!("{root}={pipe}"),
                format!("{pipe}…regular file…not a regular file"),
            ),
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
                "/dev/zero…regular file…not a regular file".into(),
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
                format!(
                    "invalid {key_name} {another:?} in the database URL: expected the unencrypted private key"
                ),
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
