//! A build without the feature `tls`: what must be encrypted is refused before anything is opened, and everything else is
//! plain.
//!
//! `cargo test -p queuepool-tests --no-default-features --features sqlite,bundled,postgres,mysql --test servers without_tls::`

use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::r2d2::ManageConnection;
use queuepool::{Database, ErrorKind, Settings};
use support::servers::{MariaDb, Postgres};

#[track_caller]
fn refused(url: &str, settings: Settings, advice: &str) {
    let error = Database::open_with(url, settings).expect_err(url);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{url}: {error}");
    for words in ["the feature `tls`", advice] {
        assert!(error.to_string().contains(words), "{url}: {error}");
    }
}

#[test]
fn a_mode_that_must_be_encrypted_is_unsupported() {
    for (scheme, advice) in [
        ("postgresql", "write sslmode=disable"),
        ("mysql", "write ssl-mode=disable"),
    ] {
        let url = format!("{scheme}://app:x@h/d");
        for mode in ["require", "verify-ca", "verify-full"] {
            refused(
                &format!("{url}?sslmode={mode}"),
                Settings::default(),
                advice,
            );
        }
        refused(&url, Settings::production(), advice);
        for mode in ["disable", "allow", "prefer"] {
            Database::open_with(&format!("{url}?sslmode={mode}"), Settings::production()).unwrap();
        }
    }
    let opts = ::mysql::OptsBuilder::new().ssl_opts(Some(::mysql::SslOpts::default()));
    let error = MySqlManager::new(opts).expect_err("ssl_opts");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn a_manager_that_no_pool_has_prepared_is_not_plain_either() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for mode in ["require", "verify-full"] {
        let url = format!("{}?sslmode={mode}", postgres.url());
        assert!(PostgresManager::from_url(&url).unwrap().connect().is_err());
        let url = format!("{}?sslmode={mode}", mariadb.url());
        assert!(MySqlManager::from_url(&url).unwrap().connect().is_err());
    }
}

#[test]
fn all_else_is_plain() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for url in [postgres.url(), mariadb.url()] {
        for parameters in ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer"] {
            let database = Database::open(&format!("{url}{parameters}")).unwrap();
            assert_eq!(database.get().unwrap().query_i64("SELECT 1").unwrap(), 1);
        }
    }
}
