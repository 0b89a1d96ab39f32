//! What only a real server can show: its limit, and whether it is up.

use queuepool::{Database, Registry, Retry, Settings, prometheus};

use crate::exposition::{Exposition, Form, read};
use support::scripted::eventually;
use support::servers::Postgres;

fn scrape(registry: &Registry) -> Exposition {
    let text = prometheus::text(registry);
    for secret in [
        support::servers::PASSWORD,
        support::servers::PASSWORD_IN_URL,
        "127.0.0.1",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    read(&text, Form::Prometheus)
}

#[test]
fn the_servers_limit_and_an_outage_show() {
    let mut server =
        Postgres::start_with(&["max_connections=37", "superuser_reserved_connections=5"]);
    let settings = Settings::default().retry(Retry::default().max_attempts(1));
    let database = Database::open_with(&server.url(), settings).unwrap();
    let registry = Registry::new().add("orders", &database).unwrap();
    let unchecked = scrape(&registry);
    for absent in [
        "database_up",
        "last_health_check_timestamp_seconds",
        "server_max_connections",
    ] {
        let name = format!("db_pool_{absent}");
        assert!(!unchecked.families.contains_key(&name), "{name}");
    }

    drop(database.get().unwrap());
    assert!(database.health_check().unwrap().reachable);
    eventually("the limit is known", || {
        database.status().server_limit.is_some()
    });
    let up = scrape(&registry);
    let value =
        |scrape: &Exposition, name: &str| scrape.value(&format!("db_pool_{name}"), "orders", &[]);
    assert_eq!(value(&up, "database_up"), 1.0);
    assert_eq!(value(&up, "server_max_connections"), 37.0);
    assert_eq!(value(&up, "server_reserved_connections"), 5.0);
    assert_eq!(value(&up, "health_check_failures_total"), 0.0);

    server.stop();
    assert!(!database.health_check().unwrap().reachable);
    let down = scrape(&registry);
    assert_eq!(value(&down, "database_up"), 0.0);
    assert_eq!(value(&down, "health_check_failures_total"), 1.0);
    let checked = |scrape| value(scrape, "last_health_check_timestamp_seconds");
    assert!(checked(&down) > checked(&up));
}
