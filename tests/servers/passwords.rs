//! A password in a URL shows in no text that the pool produces.

use std::error::Error as StdError;
use std::fmt::Debug;

use queuepool::mysql::MySqlPool;
use queuepool::postgres::PostgresPool;
use queuepool::{Database, Error, Registry};

use crate::pool::{Backend, once, size};
use crate::scripted::secs;
use crate::servers::{MariaDb, PASSWORD, PASSWORD_IN_URL, Postgres};

/// In both spellings, whole and in pieces that an unescaped character might have cut off.
const PIECES: [&str; 4] = [PASSWORD, PASSWORD_IN_URL, "s3cret", "wrOng"];

#[track_caller]
fn assert_silent(text: &str) {
    for piece in PIECES {
        assert!(!text.contains(piece), "{piece} shows in: {text}");
    }
}

#[track_caller]
fn assert_debug_silent(value: &dyn Debug) {
    assert_silent(&format!("{value:?} {value:#?}"));
}

#[track_caller]
fn assert_error_silent(error: &Error) {
    assert_debug_silent(error);
    let mut next: Option<&dyn StdError> = Some(error);
    while let Some(error) = next {
        assert_silent(&error.to_string());
        assert_debug_silent(&error);
        next = error.source();
    }
}

fn used<B: Backend>(server: &mut B) {
    let database = Database::open_with(&server.url(), size(1, 0).retry(once())).unwrap();
    let mut connection = database.get().unwrap();
    assert_debug_silent(&connection);
    assert_debug_silent(&connection.postgres());
    assert_debug_silent(&connection.mysql());
    assert_error_silent(&connection.execute("SELEC").unwrap_err());
    assert_error_silent(&database.get_timeout(std::time::Duration::ZERO).unwrap_err());
    assert_debug_silent(&database);
    assert_debug_silent(&database.postgres());
    assert_debug_silent(&database.mysql());
    assert_debug_silent(database.settings());
    assert_silent(&database.settings().to_string());
    let registry = Registry::new().add("one", &database).unwrap();
    assert_debug_silent(&registry);
    server.stop();
    assert_error_silent(&connection.execute("SELECT 1").unwrap_err());
    drop(connection);
    assert_error_silent(&database.get().unwrap_err());
    assert_debug_silent(&registry.status());
    let status = database.status();
    assert!(status.last_error.is_some());
    assert_debug_silent(&status);
    assert_silent(&status.to_string());
    database.close(secs(10)).unwrap();
    server.start_again();

    // "wrOng" is percent-encoded too: the driver decodes it.
    for password in ["wrOng", "wr%4Fng", "wrOng%40"] {
        let url = server.url_with(PASSWORD_IN_URL, password);
        let database = Database::open_with(&url, size(1, 0)).unwrap();
        assert_error_silent(&database.get().unwrap_err());
        assert_debug_silent(&database.status());
        assert_silent(&database.status().to_string());
    }
}

#[test]
fn not_of_a_pool_in_use_on_postgres() {
    used(&mut Postgres::start());
}

#[test]
fn not_of_a_pool_in_use_on_mariadb() {
    used(&mut MariaDb::start());
}

#[test]
fn not_of_a_url_that_is_refused() {
    let mut refused = 0;
    for scheme in [
        "postgresql",
        "postgresql+psycopg2",
        "mysql",
        "mariadb",
        "oracle",
    ] {
        for password in [
            PASSWORD,
            PASSWORD_IN_URL,
            "s3cret",
            "a@s3cret",
            "a:s3cret",
            "a?s3cret=1",
            "a?pool_size=s3cret",
            "a&s3cret",
            "a#s3cret",
            "%s3cret",
            "%FFs3cret",
        ] {
            for rest in [
                "127.0.0.1:1/app",
                "127.0.0.1:1/app?nonsense=1",
                "127.0.0.1:1/app?pool_size=ten",
                "127.0.0.1:1/app?pool_size=0",
                "127.0.0.1:port/app",
                "127.0.0.1:99999/app?pool_size=1",
                "[::1/app",
                "",
                "/app",
                "127.0.0.1:1/app?sslmode=require",
                "127.0.0.1:1/app?sslmode=nonsense",
            ] {
                let url = format!("{scheme}://app:{password}@{rest}");
                match Database::open(&url) {
                    Ok(database) => assert_debug_silent(&database),
                    Err(error) => {
                        refused += 1;
                        assert_error_silent(&error);
                    }
                }
                if let Err(error) = PostgresPool::builder(&url).map(drop) {
                    assert_error_silent(&error);
                }
                if let Err(error) = MySqlPool::builder(&url).map(drop) {
                    assert_error_silent(&error);
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
    for url in [
        "s3cret",
        "app:s3cret@host/app",
        "postgresql:app:s3cret@host/app",
        "postgresql//app:s3cret@host/app",
        "postgresql:/app:s3cret@host/app",
        "postgresql:///app?user=app&password=s3cret&nonsense=1",
        "postgresql:///app?user=app&password=s3cret",
        "mysql:app:s3cret@host/app",
    ] {
        if let Err(error) = Database::open(url) {
            assert_error_silent(&error);
        }
    }
}
