//! Certificates as they occur in practice: renewed on disk, self-signed, or made according to PostgreSQL's manual.

use std::path::Path;
use std::process::Command;

use ::mysql::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::{Database, Error, ErrorKind, Pool};

use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, WITH_CERTIFICATE, server as postgres};
use crate::table::{HERE, World, is_encrypted, open, settings};
use support::certificates::{Certificate, Files, self_signed};
use support::scripted::eventually;

fn a_renewed_authority_is_taken_without_a_restart(url: &str, world: &World) {
    let roots = world.file("renewed.pem", &world.others.certificate);
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", roots.display());
    let database = open(&url);
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    std::fs::write(&roots, &world.ours.certificate).unwrap();
    eventually("it is asked again", || {
        is_encrypted(&database).is_ok_and(|yes| yes)
    });
    std::fs::remove_file(&roots).unwrap();
    database.invalidate_all();
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn a_renewed_authority_is_taken_without_a_restart_on_postgres() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    a_renewed_authority_is_taken_without_a_restart(&server.url(), &world);
}

#[test]
fn a_renewed_authority_is_taken_without_a_restart_on_mariadb() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    a_renewed_authority_is_taken_without_a_restart(&server.url(), &world);
}

fn with_root(url: &str, mode: &str, roots: &std::path::Path) -> Database {
    open(&format!(
        "{url}?sslmode={mode}&sslrootcert={}",
        roots.display()
    ))
}

/// In neither mode is a missing file a reason to continue without encryption.
fn a_file_of_this_sides_that_is_gone_is_named(url: &str, world: &World) {
    for mode in ["prefer", "require"] {
        let key = std::fs::read_to_string(&world.client.1).unwrap();
        let key = world.file("gone.key", &key);
        let certificate = world.client.0.display();
        let database = open(&format!(
            "{url}?sslmode={mode}&sslcert={certificate}&sslkey={}",
            key.display()
        ));
        std::fs::remove_file(&key).unwrap();
        let error = is_encrypted(&database).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(
            error.to_string().contains(&key.display().to_string()),
            "{error}"
        );
        assert_eq!(database.status().connection_errors, 1);
    }
}

#[test]
fn a_file_of_this_sides_that_is_gone_is_named_on_postgres() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    a_file_of_this_sides_that_is_gone_is_named(&server.url(), &world);
}

#[test]
fn a_file_of_this_sides_that_is_gone_is_named_on_mariadb() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    a_file_of_this_sides_that_is_gone_is_named(&server.url(), &world);
}

#[test]
fn a_renewed_client_certificate_is_taken_without_a_restart() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), WITH_CERTIFICATE);
    world.renew_client(&world.others);
    let (certificate, key) = &world.client;
    let database = open(&format!(
        "{}?sslmode=require&sslcert={}&sslkey={}",
        server.url(),
        certificate.display(),
        key.display()
    ));
    let error = database.get().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("may not trust the client certificate"),
        "{error}"
    );
    world.renew_client(&world.ours);
    eventually("it is asked again", || {
        is_encrypted(&database).is_ok_and(|yes| yes)
    });
}

/// A pool built from the driver's own options, with a client certificate and its key in these files.
fn with_ssl_opts(
    url: &str,
    roots: &Path,
    certificate: &Path,
    key: &Path,
) -> Result<MySqlPool, Error> {
    let identity = ClientIdentity::new(certificate.to_owned(), key.to_owned());
    let ssl_opts = SslOpts::default()
        .with_root_cert_path(Some(roots.to_owned()))
        .with_client_identity(Some(identity));
    let opts = OptsBuilder::from_opts(Opts::from_url(url).unwrap()).ssl_opts(Some(ssl_opts));
    Pool::builder(MySqlManager::new(opts)?)
        .settings(settings())
        .build()
}

#[test]
fn a_wrong_file_of_the_drivers_own_options_is_named_when_the_pool_is_built() {
    let world = World::new();
    let (certificate, key) = &world.client;
    let empty = world.file("empty.pem", "");
    let missing = certificate.with_file_name("missing.pem");
    let another = world.file("another.key", &self_signed(&["x"]).key);
    for (roots, certificate, key, name, wrong) in [
        (&missing, certificate, key, "root_cert_path", &missing),
        (&empty, certificate, key, "root_cert_path", &empty),
        (key, certificate, key, "root_cert_path", key),
        (&world.roots, &missing, key, "cert_chain_path", &missing),
        (
            &world.roots,
            certificate,
            &missing,
            "priv_key_path",
            &missing,
        ),
        (
            &world.roots,
            certificate,
            &another,
            "priv_key_path",
            &another,
        ),
        (
            &world.roots,
            certificate,
            certificate,
            "priv_key_path",
            certificate,
        ),
    ] {
        let error = with_ssl_opts("mysql://app:x@h/d", roots, certificate, key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings, "{error}");
        let named = format!("invalid {name} {wrong:?} in the Opts: expected ");
        assert!(error.to_string().starts_with(&named), "{named}: {error}");
    }
}

/// The driver accepts DER too.
#[test]
fn the_drivers_own_options_take_their_files_as_the_driver_does() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    let files = Files::new();
    let (certificate, key) = &world.client;
    let der = |kind: &str, from: &Path| {
        let to = files.put(&format!("{kind}.der"), "");
        let arguments = format!(
            "{kind} -in {} -outform DER -out {}",
            from.display(),
            to.display()
        );
        openssl(&files, &arguments);
        to
    };
    let roots = world.roots.clone();
    let (certificate_as_der, key_as_der) = (der("x509", certificate), der("pkey", key));
    let pool = |roots: &Path, certificate: &Path, key: &Path| {
        with_ssl_opts(&server.url(), roots, certificate, key).unwrap()
    };
    pool(&roots, certificate, key).ping().unwrap();
    pool(&roots, &certificate_as_der, &key_as_der)
        .ping()
        .unwrap();
    let roots_as_der = der("x509", &roots);
    let pool = pool(&roots_as_der, certificate, key);
    pool.ping().unwrap();

    std::fs::remove_file(&roots_as_der).unwrap();
    pool.invalidate_all();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    let named = format!("invalid root_cert_path {roots_as_der:?} in the Opts: expected ");
    assert!(error.to_string().contains(&named), "{error}");
    assert_eq!(pool.status().connection_errors, 1, "it is not retried");
}

#[test]
fn a_self_signed_certificate_can_be_its_own_root() {
    let world = World::new();
    let (certificate, another) = (self_signed(&HERE), self_signed(&HERE));
    let server = postgres(&world, &certificate, ANY);
    let own = world.file("own.pem", &certificate.certificate);
    assert!(is_encrypted(&with_root(&server.url(), "verify-full", &own)).unwrap());
    let foreign = world.file("foreign.pem", &another.certificate);
    let error = is_encrypted(&with_root(&server.url(), "verify-ca", &foreign)).unwrap_err();
    assert!(error.to_string().contains("this side refused"), "{error}");

    // The driver accepts no certificate that is marked as an authority's, and says so; without the mark it would.
    let mariadb = mariadb(&world, &certificate, &[]);
    let error = is_encrypted(&with_root(&mariadb.url(), "verify-ca", &own)).unwrap_err();
    assert!(error.to_string().contains("CA:TRUE"), "{error}");

    let elsewhere = self_signed(&["db.example"]);
    let server = postgres(&world, &elsewhere, ANY);
    let own = world.file("elsewhere.pem", &elsewhere.certificate);
    assert!(is_encrypted(&with_root(&server.url(), "verify-ca", &own)).unwrap());
    let error = is_encrypted(&with_root(&server.url(), "verify-full", &own)).unwrap_err();
    assert!(error.to_string().contains("db.example"), "{error}");
}

pub fn openssl(files: &Files, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(files.path())
        .output()
        .expect("openssl is missing: install the package openssl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A self-signed certificate, with a key of the kind that these options make.
pub fn openssl_certificate(files: &Files, key: &str) -> Certificate {
    openssl(
        files,
        &format!(
            "req -x509 -nodes {key} -keyout key -out certificate -days 30 -subj /CN=x -addext \
             subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE"
        ),
    );
    let read = |name: &str| std::fs::read_to_string(files.path().join(name)).unwrap();
    Certificate {
        certificate: read("certificate"),
        key: read("key"),
    }
}

/// As in "Creating Certificates" in PostgreSQL's manual, with its options: X.509 version 1, without subjectAltName.
fn as_in_the_manual(files: &Files) -> Certificate {
    openssl(
        files,
        "req -new -nodes -text -out root.csr -keyout root.key -subj /CN=root",
    );
    openssl(
        files,
        "x509 -req -in root.csr -text -days 3650 -signkey root.key -out root.crt",
    );
    openssl(
        files,
        "req -new -nodes -text -out server.csr -keyout server.key -subj /CN=127.0.0.1",
    );
    openssl(
        files,
        "x509 -req -in server.csr -text -days 365 -CA root.crt -CAkey root.key -CAcreateserial -out server.crt",
    );
    let read = |name: &str| std::fs::read_to_string(files.path().join(name)).unwrap();
    Certificate {
        certificate: read("server.crt"),
        key: read("server.key"),
    }
}

#[test]
fn a_certificate_of_the_manuals_recipe_encrypts_and_proves_nothing() {
    let world = World::new();
    let files = Files::new();
    let certificate = as_in_the_manual(&files);
    let roots = files.path().join("root.crt");
    let server = postgres(&world, &certificate, ANY);
    for mode in ["prefer", "require"] {
        assert!(is_encrypted(&open(&format!("{}?sslmode={mode}", server.url()))).unwrap());
    }
    let error = is_encrypted(&with_root(&server.url(), "verify-ca", &roots)).unwrap_err();
    assert!(error.to_string().contains("X.509 version 3"), "{error}");
    // Nobody has proved that they hold the key to which the login is bound.
    let bound = format!("{}?sslmode=require&channel_binding=require", server.url());
    let error = is_encrypted(&open(&bound)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("X.509 version 3") && text.contains("channel_binding"),
        "{text}"
    );

    let server = mariadb(&world, &certificate, &[]);
    assert!(is_encrypted(&open(&format!("{}?ssl-mode=REQUIRED", server.url()))).unwrap());
}
