//! What the log says about encryption: at debug, that a mode falls back on the other kind of login; at warn, that a setting
//! asks for less than it seems to.

use log::{Level, LevelFilter};
use queuepool::postgres::PostgresManager;
use queuepool::r2d2::ManageConnection;
use queuepool::{Database, Pool, Settings};

use crate::guarding::Own;
use crate::mariadb::server as mariadb;
use crate::postgres::{ENCRYPTED, PLAIN, server as postgres};
use crate::table::{HERE, World, settings};
use support::logged;
use support::servers::MariaDb;

/// The lines about one pool at one level that contain this word.
fn lines(pool: &str, level: Level, word: &str) -> Vec<String> {
    let mut lines = logged::texts(pool, level);
    lines.retain(|line| line.contains(word));
    lines
}

fn open(name: &str, url: &str) -> Database {
    logged::keep(LevelFilter::Debug);
    let builder = Database::builder(url).name(name).settings(settings());
    builder.build().unwrap()
}

/// Asserts that one connection is opened, on the second attempt, and that one line says so and quotes the refusal.
#[track_caller]
fn falls_back(name: &str, url: &str, [begin, refusal, end]: [&str; 3]) {
    let database = open(name, url);
    drop(database.get().unwrap());
    let lines = lines(name, Level::Debug, "; trying ");
    let [line] = &lines[..] else {
        panic!("{name}: {lines:?}");
    };
    let is_whole = line.starts_with(begin) && line.contains(refusal) && line.ends_with(end);
    assert!(is_whole, "{name}: {line}");
}

#[test]
fn a_fallback_is_said_on_postgres() {
    let world = World::new();
    let roots = world.roots.display();
    let certificate = world.others.server(&HERE);
    let encrypted = postgres(&world, &certificate, ENCRYPTED);
    falls_back(
        "postgres-allow",
        &format!("{}?sslmode=allow", encrypted.url()),
        [
            "sslmode=allow: a plain login failed (",
            "no encryption",
            "); trying with TLS",
        ],
    );
    let plain = postgres(&world, &certificate, PLAIN);
    falls_back(
        "postgres-prefer-login",
        &format!("{}?sslmode=prefer", plain.url()),
        [
            "sslmode=prefer: a login with TLS failed (",
            "SSL encryption",
            "); trying in plain",
        ],
    );
    falls_back(
        "postgres-prefer-tls",
        &format!("{}?sslmode=prefer&sslrootcert={roots}", plain.url()),
        [
            "sslmode=prefer: TLS failed (",
            "UnknownIssuer",
            "); trying in plain",
        ],
    );
}

#[test]
fn a_fallback_is_said_on_mariadb() {
    let world = World::new();
    let roots = world.roots.display();
    let certificate = world.others.server(&HERE);
    let encrypted = mariadb(&world, &certificate, &["--require-secure-transport=ON"]);
    falls_back(
        "mariadb-allow",
        &format!("{}?sslmode=allow", encrypted.url()),
        [
            "ssl-mode=allow: a plain login failed (",
            "Access denied",
            "); trying with TLS",
        ],
    );
    let strange = mariadb(&world, &certificate, &[]);
    falls_back(
        "mariadb-prefer-tls",
        &format!("{}?sslmode=prefer&sslrootcert={roots}", strange.url()),
        [
            "ssl-mode=prefer: TLS failed (",
            "UnknownIssuer",
            "); trying in plain",
        ],
    );
    let without_tls = MariaDb::start();
    falls_back(
        "mariadb-prefer-unoffered",
        &format!("{}?sslmode=prefer", without_tls.url()),
        [
            "ssl-mode=prefer: TLS failed (",
            "does not have this capability",
            "); trying in plain",
        ],
    );
}

#[test]
fn verify_ca_that_any_public_authority_meets_is_warned_of() {
    let world = World::new();
    let roots = world.roots.display();
    for (scheme, words) in [
        ("postgresql", "sslmode=verify-ca without sslrootcert"),
        ("mysql", "ssl-mode=verify-ca without ssl-ca"),
    ] {
        for (mode, parameters, warnings) in [
            ("verify-ca", String::new(), 1),
            ("verify-ca", format!("&sslrootcert={roots}"), 0),
            ("verify-full", String::new(), 0),
            ("require", String::new(), 0),
        ] {
            let name = format!("{scheme}-{mode}-{}", parameters.len());
            let url = format!("{scheme}://app:x@h/d?sslmode={mode}{parameters}");
            drop(open(&name, &url));
            let lines = lines(&name, Level::Warn, words);
            assert_eq!(lines.len(), warnings, "{url}: {lines:?}");
        }
    }
}

/// A manager for a database that this crate knows nothing about.
struct Another;

impl ManageConnection for Another {
    type Connection = ();
    type Error = std::fmt::Error;

    fn connect(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

#[test]
fn require_tls_that_a_driver_knows_nothing_of_is_warned_of() {
    logged::keep(LevelFilter::Debug);
    for (name, settings, warnings) in [
        ("another-in-production", Settings::production(), 1),
        ("another-by-default", Settings::default(), 0),
    ] {
        let builder = Pool::builder(Another).name(name).settings(settings);
        drop(builder.build().unwrap());
        let lines = lines(name, Level::Warn, "does not handle encryption");
        assert_eq!(lines.len(), warnings, "{name}: {lines:?}");
    }
    for (name, url) in [
        ("postgres-in-production", "postgresql://app:x@h/d"),
        ("mysql-in-production", "mysql://app:x@h/d"),
    ] {
        let builder = Database::builder(url).name(name);
        drop(builder.settings(Settings::production()).build().unwrap());
        let lines = lines(name, Level::Warn, "require_tls");
        assert!(lines.is_empty(), "{name}: {lines:?}");
    }
    let manager = PostgresManager::from_url("postgresql://app:x@h/d").unwrap();
    let builder = Pool::builder(manager).name("own-in-production").driver(Own);
    drop(builder.settings(Settings::production()).build().unwrap());
    let lines = lines("own-in-production", Level::Warn, "require_tls");
    assert!(lines.is_empty(), "{lines:?}");
}
