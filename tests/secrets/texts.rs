//! Every text that a database can produce: the one place to add a new one, searched by all tests here.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::net::SocketAddr;

use queuepool::http::serve;
use queuepool::{
    AnyConnection, Connection, Database, Error, HealthCheck, Manager, Member, Pool, Registry,
    Sample, Settings, Status,
};

use crate::capture;
use crate::marker::{Secret, percent_encoded};
use support::http_client::get;

/// Texts, each with the place where it was found.
#[derive(Default)]
pub struct Texts(pub Vec<(String, String)>);

impl Texts {
    pub fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    pub fn add_debug(&mut self, place: &str, value: &dyn Debug) {
        self.add(format!("Debug of {place}"), format!("{value:?} {value:#?}"));
    }

    /// Adds the error and all its sources.
    pub fn add_error(&mut self, place: &str, error: &Error) {
        self.add_debug(place, error);
        let mut next: Option<&dyn StdError> = Some(error);
        let mut depth = 0;
        while let Some(error) = next {
            self.add(
                format!("{place}, source {depth}"),
                format!("{error} {error:#} {error:?} {error:#?}"),
            );
            next = error.source();
            depth += 1;
        }
    }

    #[track_caller]
    pub fn assert_without(&self, secret: &Secret) {
        for (place, text) in &self.0 {
            secret.assert_not_in(place, text);
        }
    }
}

/// A driver may say what it likes about the statements it was given, but it must not show a password either.
#[track_caller]
pub fn assert_process_silent(secret: &Secret) {
    for line in capture::lines() {
        let whose = if line.is_ours() { "our" } else { "a driver's" };
        secret.assert_not_in(&format!("{whose} line in the log"), &line.text);
    }
    for panic in capture::panics() {
        secret.assert_not_in("a panic", &panic);
    }
}

pub fn of_database(database: &Database) -> Texts {
    let mut texts = Texts::default();
    texts.add_debug("Database", database);
    texts.add_debug("Pool, PostgreSQL", &database.postgres());
    texts.add_debug("Pool, MySQL", &database.mysql());
    texts.add_debug("Pool, SQLite", &database.sqlite());
    let said = Said {
        name: database.name(),
        settings: database.settings(),
        health_check: database.health_check(),
        status: database.status(),
        history: database.history(0),
    };
    said.add_to(&mut texts, database.into());
    texts
}

/// The texts of a pool that was not opened by a URL.
pub fn of_pool<M: Manager>(pool: &Pool<M>) -> Texts {
    let mut texts = Texts::default();
    texts.add_debug("Pool", pool);
    let said = Said {
        name: pool.name(),
        settings: pool.settings(),
        health_check: pool.health_check(),
        status: pool.status(),
        history: pool.history(0),
    };
    said.add_to(&mut texts, pool.into());
    texts
}

/// What databases and pools both say.
struct Said<'a> {
    name: &'a str,
    settings: &'a Settings,
    health_check: Result<HealthCheck, Error>,
    status: Status,
    history: Vec<Sample>,
}

impl Said<'_> {
    /// In a registry with a second pool, because some answers name the pools only if there are several.
    fn add_to(&self, texts: &mut Texts, member: Member) {
        let json = |value: serde_json::Result<String>| value.unwrap();
        texts.add_debug("Settings", self.settings);
        texts.add("Display of Settings", self.settings.to_string());
        texts.add_debug("HealthCheck", &self.health_check);
        texts.add_debug("Status", &self.status);
        texts.add("Display of Status", self.status.to_string());
        texts.add("JSON of Status", json(serde_json::to_string(&self.status)));
        texts.add_debug("Holder", &self.status.holders);
        texts.add(
            "JSON of Settings",
            json(serde_json::to_string(self.settings)),
        );
        texts.add_debug("Sample", &self.history);

        let other = Database::open("sqlite::memory:").unwrap();
        let registry = Registry::new()
            .add(self.name, member)
            .unwrap()
            .add("other", other)
            .unwrap();
        texts.add_debug("Registry", &registry);
        texts.add_debug("Registry's status", &registry.status());
        texts.add("Prometheus", queuepool::prometheus::text(&registry));
        let server = serve("0", registry).unwrap();
        texts.add_debug("Server", &server);
        add_answers(texts, server.local_addr(), self.name);
        server.stop();
    }
}

/// Adds the answers, with their headers, on all paths that a wrong path lists, for all pools and for this one.
pub fn add_answers(texts: &mut Texts, server: SocketAddr, pool: &str) {
    let paths = get(server, "/nowhere").json()["paths"].clone();
    let pool = percent_encoded(pool);
    for path in paths.as_array().unwrap() {
        let path = path.as_str().unwrap();
        for query in [String::new(), format!("?pool={pool}")] {
            let answer = get(server, &format!("{path}{query}"));
            let place = format!("GET {path}{}", if query.is_empty() { "" } else { "?pool" });
            texts.add(place, format!("{:?} {}", answer.headers, answer.body));
        }
    }
}

/// A guard is printed without its connection. What a driver prints of its own connection is the driver's business.
pub fn of_guard(guard: &mut AnyConnection) -> Texts {
    let mut texts = Texts::default();
    texts.add_debug("AnyConnection", guard);
    if let Some(typed) = guard.postgres() {
        texts.add_debug("Connection, PostgreSQL", typed);
        texts.add_debug("ConnectionInfo", Connection::info(typed));
    }
    if let Some(typed) = guard.mysql() {
        texts.add_debug("Connection, MySQL", typed);
        texts.add_debug("ConnectionInfo", Connection::info(typed));
    }
    if let Some(typed) = guard.sqlite() {
        texts.add_debug("Connection, SQLite", typed);
        texts.add_debug("ConnectionInfo", Connection::info(typed));
    }
    texts
}

/// What a value prints with Debug, or nothing if its type does not implement it. The builders hold URLs and managers, of which they
/// must print nothing.
macro_rules! printed {
    ($value:expr) => {{
        #[allow(unused_imports)] // unused if the type is printable
        use crate::texts::Unprintable;
        (&crate::texts::Printed(&$value)).printed()
    }};
}
pub(crate) use printed;

pub struct Printed<'a, T>(pub &'a T);

impl<T: Debug> Printed<'_, T> {
    pub fn printed(&self) -> String {
        format!("{:?} {:#?}", self.0, self.0)
    }
}

/// For what is not printable. It is tried last, because it is one reference further away from the value.
pub trait Unprintable {
    fn printed(&self) -> String {
        String::new()
    }
}

impl<T> Unprintable for &Printed<'_, T> {}
