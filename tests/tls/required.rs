//! The setting require_tls, which the production preset turns on: at least `require`, unless the URL says otherwise.

use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::{Builder, Database, Driver, Error, ErrorKind, Manager, Pool, Retry, Settings};

use crate::guarding::Own;
use crate::table::{HERE, is_encrypted};
use crate::values::{config, mariadb_is_encrypted_by, opts, postgres_is_encrypted_by};
use support::certificates::Authority;
use support::servers::{MariaDb, Postgres};

fn production() -> Settings {
    Settings::production().retry(Retry::default().max_attempts(1))
}

fn open(url: &str) -> Database {
    Database::open_with(url, production()).unwrap_or_else(|error| panic!("{error}"))
}

fn with_tls() -> (Postgres, MariaDb) {
    let certificate = Authority::new("ours").server(&HERE);
    let files = [
        ("server.crt", &*certificate.certificate),
        ("server.key", &*certificate.key),
    ];
    (
        Postgres::start_with_files(&["ssl=on"], &files),
        MariaDb::start_with_files(&["--ssl-cert=server.crt", "--ssl-key=server.key"], &files),
    )
}

/// Whether pools are encrypted that are built from the drivers' own values, which say nothing about TLS.
fn values_are_encrypted(postgres: &Postgres, mariadb: &MariaDb) -> [Result<bool, Error>; 2] {
    let config = PostgresManager::new(config(postgres)).unwrap();
    let opts = MySqlManager::new(opts(mariadb)).unwrap();
    [
        postgres_is_encrypted_by(config, production()),
        mariadb_is_encrypted_by(opts, production()),
    ]
}

#[track_caller]
fn assert_unoffered(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    let text = error.to_string();
    for words in [
        "the server does not offer TLS",
        "require_tls",
        "Tls::new(SslMode::Prefer)",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

fn urls(postgres: &Postgres, mariadb: &MariaDb) -> [String; 2] {
    [postgres.url(), mariadb.url()]
}

#[test]
fn a_url_that_says_nothing_is_encrypted() {
    let (postgres, mariadb) = with_tls();
    for url in urls(&postgres, &mariadb) {
        assert!(is_encrypted(&open(&url)).unwrap());
        assert!(is_encrypted(&open(&format!("{url}?sslmode=prefer"))).unwrap());
        for word in ["disable", "allow"] {
            assert!(!is_encrypted(&open(&format!("{url}?sslmode={word}"))).unwrap());
        }
    }
    assert!(!is_encrypted(&open(&format!("{}?require_ssl=false", mariadb.url()))).unwrap());
    assert!(is_encrypted(&open(&format!("{}?require_tls=false", postgres.url()))).unwrap());
}

#[test]
fn a_server_without_tls_is_refused_unless_the_url_lets_it_pass() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for url in urls(&postgres, &mariadb) {
        assert_unoffered(&open(&url).get().unwrap_err());
        let asked = open(&format!("{url}?sslmode=require")).get().unwrap_err();
        assert!(!asked.to_string().contains("require_tls"), "{asked}");
        for word in [
            "sslmode=disable",
            "sslmode=allow",
            "sslmode=prefer",
            "require_tls=false",
        ] {
            assert!(!is_encrypted(&open(&format!("{url}?{word}"))).unwrap());
        }
    }
}

#[test]
fn a_value_that_says_nothing_is_encrypted() {
    let (postgres, mariadb) = with_tls();
    for encrypted in values_are_encrypted(&postgres, &mariadb) {
        assert!(encrypted.unwrap());
    }
}

#[test]
fn a_server_without_tls_is_refused_to_a_value_that_says_nothing() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for encrypted in values_are_encrypted(&postgres, &mariadb) {
        assert_unoffered(&encrypted.unwrap_err());
    }
}

/// A driver whose own preparation ignores the settings.
struct Careless;

impl<M: Manager> Driver<M> for Careless {
    fn prepare(&mut self, _: &mut M, _: &str, _: &Settings) -> Result<(), Error> {
        Ok(())
    }
}

fn connect_by_other_drivers<M: Manager>(manager: impl Fn() -> M) -> [Result<(), Error>; 2]
where
    Own: Driver<M>,
{
    let open = |builder: Builder<M>| {
        let pool = builder.settings(production()).build()?;
        pool.get().map(drop)
    };
    [
        open(Pool::builder(manager()).driver(Own)),
        open(Pool::builder(manager()).driver(Careless)),
    ]
}

#[test]
fn a_server_without_tls_is_refused_under_another_driver_too() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    let on_both = |word: &str| {
        let url = format!("{}?{word}", postgres.url());
        let on_postgres = connect_by_other_drivers(|| PostgresManager::from_url(&url).unwrap());
        let url = format!("{}?{word}", mariadb.url());
        let on_mariadb = connect_by_other_drivers(|| MySqlManager::from_url(&url).unwrap());
        on_postgres.into_iter().chain(on_mariadb)
    };
    for refused in on_both("") {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }
    for connected in on_both("sslmode=prefer") {
        connected.unwrap();
    }
}
