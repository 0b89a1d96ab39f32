//! What both sides can and cannot speak, and which side gets the blame.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use queuepool::postgres::PostgresManager;
use queuepool::{Database, ErrorKind, Pool, Retry, SslMode, Tls};

use crate::files::openssl_certificate;
use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, WITH_CERTIFICATE, server as postgres};
use crate::pretender;
use crate::table::{HERE, World, is_encrypted, open, settings};
use support::certificates::Files;
use support::servers::{MariaDb, PASSWORD, Postgres};

#[test]
fn tls_1_2_will_do() {
    let world = World::new();
    let certificate = world.ours.server(&HERE);
    let files = [
        ("server.crt", &*certificate.certificate),
        ("server.key", &*certificate.key),
    ];
    let postgres =
        Postgres::start_with_files(&["ssl=on", "ssl_max_protocol_version=TLSv1.2"], &files);
    let mariadb = MariaDb::start_with_files(
        &[
            "--ssl-cert=server.crt",
            "--ssl-key=server.key",
            "--tls-version=TLSv1.2",
        ],
        &files,
    );
    for url in [postgres.url(), mariadb.url()] {
        for mode in ["require", "verify-full"] {
            let url = format!("{url}?sslmode={mode}&sslrootcert={}", world.roots.display());
            assert!(is_encrypted(&open(&url)).unwrap());
        }
        assert!(is_encrypted(&open(&format!("{url}?sslmode=require"))).unwrap());
    }
}

#[test]
fn an_older_tls_is_the_servers_fault() {
    let world = World::new();
    let certificate = world.ours.server(&HERE);
    let server = MariaDb::start_with_files(
        &[
            "--ssl-cert=server.crt",
            "--ssl-key=server.key",
            "--tls-version=TLSv1.1",
            "--ssl-cipher=ALL:@SECLEVEL=0",
        ],
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
        ],
    );
    let error = is_encrypted(&open(&format!("{}?ssl-mode=REQUIRED", server.url()))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it does not speak TLS 1.2 or 1.3"),
        "{error}"
    );
}

#[test]
fn a_key_that_is_unknown_here_encrypts_and_proves_nothing() {
    let world = World::new();
    let files = Files::new();
    let certificate = openssl_certificate(&files, "-newkey ec -pkeyopt ec_paramgen_curve:P-521");
    let own = world.file("own.pem", &certificate.certificate);
    let (postgres, mariadb) = (
        postgres(&world, &certificate, ANY),
        mariadb(&world, &certificate, &[]),
    );
    for url in [postgres.url(), mariadb.url()] {
        assert!(is_encrypted(&open(&format!("{url}?sslmode=require"))).unwrap());
        let verified = format!("{url}?sslmode=verify-full&sslrootcert={}", own.display());
        let error = is_encrypted(&open(&verified)).unwrap_err();
        assert!(error.to_string().contains("in common"), "{error}");
    }
}

#[test]
fn an_authority_between_is_sent_along_by_either_side() {
    let world = World::new();
    let between = world.ours.intermediate("between");
    let certificate = between.server(&HERE).below(&between);
    let mine = between.client().below(&between);
    let (own, key) = (
        world.file("own.crt", &mine.certificate),
        world.file("own.key", &mine.key),
    );
    let postgres = postgres(&world, &certificate, WITH_CERTIFICATE);
    let mariadb = mariadb(&world, &certificate, &[]);
    for url in [postgres.url(), mariadb.url()] {
        let url = format!(
            "{url}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            world.roots.display(),
            own.display(),
            key.display()
        );
        assert!(is_encrypted(&open(&url)).unwrap());
    }
}

#[test]
fn a_name_that_cannot_be_a_hosts_is_not_tried_again() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    let mut config = ::postgres::Config::new();
    config
        .host("my cluster")
        .hostaddr([127, 0, 0, 1].into())
        .port(server.port())
        .user("app")
        .password(PASSWORD)
        .dbname("app");
    let manager = PostgresManager::new(config)
        .unwrap()
        .tls(Tls::new(SslMode::Require));
    let pool = Pool::builder(manager).build().unwrap();
    let error = pool.get_timeout(Duration::from_secs(30)).unwrap_err();
    assert!(error.to_string().contains("invalid dns name"), "{error}");
    assert_eq!(pool.status().connection_errors, 1);
}

/// Refuses the handshake with this fatal alert (RFC 8446, section 6), unencrypted because no cipher is agreed on yet.
fn refuse(mut client: TcpStream, alert: u8) {
    let mut head = [0; 5];
    client.read_exact(&mut head).unwrap();
    let mut hello = vec![0; usize::from(head[3]) * 256 + usize::from(head[4])];
    client.read_exact(&mut hello).unwrap();
    client.write_all(&[21, 3, 3, 0, 2, 2, alert]).unwrap();
}

#[test]
fn an_alert_is_put_into_words_and_tried_again_only_where_that_may_help() {
    let twice = Retry::default()
        .max_attempts(2)
        .initial_delay(Duration::from_millis(1));
    let in_common = "the two sides have no cipher suite or signature algorithm in common";
    for (name, alert, words, attempts) in [
        ("handshake_failure", 40, in_common, 1),
        ("insufficient_security", 71, in_common, 1),
        (
            "protocol_version",
            70,
            "it does not speak TLS 1.2 or 1.3",
            1,
        ),
        ("unknown_ca", 48, "it may ask for a client certificate", 1),
        (
            "certificate_required",
            116,
            "it may ask for a client certificate",
            1,
        ),
        (
            "internal_error",
            80,
            "the server refused the TLS handshake",
            2,
        ),
    ] {
        let port = pretender::postgres(move |client| refuse(client, alert));
        let url = format!("postgresql://app:x@127.0.0.1:{port}/app?sslmode=require");
        let database = Database::open_with(&url, settings().retry(twice.clone())).unwrap();
        let error = database.get().expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Connect, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(database.status().connection_errors, attempts, "{name}");
    }
}
