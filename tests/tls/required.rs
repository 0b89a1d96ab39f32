//! The setting require_tls, which the production preset sets: at least `require`, unless the URL says otherwise.

use queuepool::{Database, ErrorKind, Retry, Settings};

use crate::certificates::Authority;
use crate::servers::{MariaDb, Postgres};
use crate::table::{HERE, is_encrypted};

fn open(url: &str) -> Database {
    let once = Settings::production().retry(Retry::default().max_attempts(1));
    Database::open_with(url, once).unwrap_or_else(|error| panic!("{error}"))
}

fn urls(postgres: &Postgres, mariadb: &MariaDb) -> [String; 2] {
    [postgres.url(), mariadb.url()]
}

#[test]
fn a_url_that_says_nothing_is_encrypted() {
    let certificate = Authority::new("ours").server(&HERE);
    let files = [
        ("server.crt", &*certificate.certificate),
        ("server.key", &*certificate.key),
    ];
    let postgres = Postgres::start_with_files(&["ssl=on"], &files);
    let mariadb =
        MariaDb::start_with_files(&["--ssl-cert=server.crt", "--ssl-key=server.key"], &files);
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
        let error = open(&url).get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        let text = error.to_string();
        assert!(text.contains("the server does not offer TLS"), "{text}");
        for words in ["require_tls", "Tls::new(SslMode::Prefer)"] {
            assert!(text.contains(words), "{text}");
        }
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
