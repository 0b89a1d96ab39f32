//! A server whose user has a test's own password, and the ways to pass that password to a pool.

use ::mysql::prelude::Queryable;
use queuepool::{Database, Retry, Settings};

use crate::capture;
use crate::marker::{Secret, percent_encoded, percent_encoded_throughout};
use support::scripted::{millis, secs};
use support::servers::{MariaDb, PASSWORD_IN_URL, PgBouncer, Postgres, free_port};

/// A place to connect to. Its URL has the password that all test servers use.
pub struct Place {
    url: String,
}

impl Place {
    pub fn of(url: String) -> Self {
        assert!(url.contains(PASSWORD_IN_URL));
        Place { url }
    }

    /// The URL with another password, inserted as it is.
    pub fn url(&self, password: &str) -> String {
        self.url.replace(PASSWORD_IN_URL, password)
    }

    /// The URLs for all the ways in which a URL can hold a password.
    pub fn urls(&self, password: &str) -> Vec<String> {
        let encoded = percent_encoded(password);
        let scheme = self.url.split_once("://").unwrap().0;
        let mut urls = vec![
            self.url(&encoded),
            self.url(&percent_encoded_throughout(password)),
            self.url(&encoded)
                .replace(scheme, &format!("{scheme}+driver")),
            format!("{}?pool_size=2&connect_timeout=10", self.url(&encoded)),
        ];
        if self.is_postgres() {
            let bare = self.url.replace(&format!("app:{PASSWORD_IN_URL}@"), "");
            urls.push(format!("{bare}?user=app&password={encoded}"));
        }
        urls
    }

    /// The same server's host with a port on which nobody listens.
    pub fn unreachable(&self, password: &str) -> String {
        let (before, after) = self.url.rsplit_once(':').unwrap();
        let database = after.split_once('/').unwrap().1;
        let elsewhere = Place::of(format!("{before}:{}/{database}", free_port()));
        elsewhere.url(&percent_encoded(password))
    }

    fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}

pub fn postgres(secret: &Secret) -> (Postgres, Place) {
    postgres_of(Postgres::start(), secret)
}

pub fn postgres_of(server: Postgres, secret: &Secret) -> (Postgres, Place) {
    let password = secret.whole();
    let set = format!("ALTER ROLE app PASSWORD '{password}'");
    administer(&server.admin_url(), &set);
    let place = Place::of(server.url());
    (server, place)
}

pub fn mariadb(secret: &Secret) -> (MariaDb, Place) {
    mariadb_of(MariaDb::start(), secret)
}

pub fn mariadb_of(server: MariaDb, secret: &Secret) -> (MariaDb, Place) {
    let password = secret.whole();
    let set = format!("ALTER USER 'app'@'127.0.0.1' IDENTIFIED BY '{password}'");
    administer(&server.admin_url(), &set);
    let place = Place::of(server.url());
    (server, place)
}

pub fn bouncer(server: &Postgres, secret: &Secret, pool_mode: &str) -> (PgBouncer, Place) {
    let mut bouncer = PgBouncer::start(server, pool_mode);
    bouncer.stop();
    let password = secret.whole().replace('"', "\"\"");
    let users = bouncer.directory().join("users.txt");
    std::fs::write(users, format!("\"app\" \"{password}\"\n")).unwrap();
    bouncer.start_again();
    let place = Place::of(bouncer.url());
    (bouncer, place)
}

/// Muted, because tokio-postgres logs every statement at debug, and this one holds the password.
pub fn administer(url: &str, sql: &str) {
    capture::muted(|| {
        if url.starts_with("postgres") {
            let mut client = ::postgres::Client::connect(url, ::postgres::NoTls).unwrap();
            client.batch_execute(sql).unwrap();
        } else {
            ::mysql::Conn::new(url).unwrap().query_drop(sql).unwrap();
        }
    });
}

/// Settings with which the pool says as much as it can.
pub fn all_that_speaks() -> Settings {
    Settings::default()
        .pool_size(1)
        .max_overflow(1)
        .timeout(secs(10))
        .echo(true)
        .echo_pool(true)
        .enable_pool_metrics(true)
        .metrics_collection_interval(millis(10))
        .holder_warn_after(millis(1))
        .retry(Retry::default().max_attempts(2).initial_delay(millis(1)))
}

pub fn open(url: &str) -> Database {
    Database::builder(url)
        .name("spoken")
        .settings(all_that_speaks())
        .build()
        .unwrap()
}
