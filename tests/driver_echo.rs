//! `echo`: the SQL that the pool runs goes out at debug, under the pool's own target, and users' SQL does not.

#[path = "support/servers.rs"]
mod servers;

use std::sync::Mutex;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use queuepool::Driver;
use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::postgres::{PostgresDriver, PostgresManager};
use queuepool::{ResetOnReturn, Settings};
use r2d2::ManageConnection;

struct Collector(Mutex<Vec<(String, log::Level, String)>>);

impl log::Log for Collector {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("queuepool")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().expect("no panic").push((
                record.target().to_owned(),
                record.level(),
                record.args().to_string(),
            ));
        }
    }

    fn flush(&self) {}
}

static COLLECTOR: Collector = Collector(Mutex::new(Vec::new()));

fn echoed(pool: &str) -> Vec<String> {
    let records = std::mem::take(&mut *COLLECTOR.0.lock().expect("no panic"));
    let lines = records.into_iter().map(|(target, level, text)| {
        assert_eq!(target, format!("queuepool::{pool}"));
        assert_eq!(level, log::Level::Debug);
        text
    });
    lines.collect()
}

#[test]
fn the_pools_own_statements_are_echoed_only_when_asked_for() {
    log::set_logger(&COLLECTOR).expect("the only logger");
    log::set_max_level(log::LevelFilter::Trace);
    let mut settings = Settings::default();
    settings.command_timeout = Some(Duration::from_micros(1_500));
    settings.validation_query = Some("SELECT 2".to_owned());

    let server = servers::Postgres::start();
    for echo in [false, true] {
        settings.echo = echo;
        let mut manager = PostgresManager::from_url(&server.url()).expect("good");
        let mut driver = PostgresDriver::new();
        driver.prepare(&mut manager, "p", &settings).expect("good");
        let mut client = manager.connect().expect("a connection");
        client.batch_execute("SELECT 1").expect("a user's own");
        driver
            .ping(&manager, &mut client, Duration::MAX)
            .expect("alive");
        driver
            .reset(&manager, &mut client, ResetOnReturn::Full)
            .expect("a reset");
    }
    let limit = "SET statement_timeout = 2";
    let lines = echoed("p");
    // The proof is a new random number each time.
    let before = "BEGIN; ROLLBACK; RESET SESSION AUTHORIZATION; RESET ROLE; CLOSE ALL; RESET ALL; UNLISTEN *; \
                  DISCARD TEMP; DISCARD SEQUENCES; SELECT ";
    let after = ", pg_catalog.pg_advisory_unlock_all(); SELECT name AS prepared_by_sql FROM \
                 pg_catalog.pg_prepared_statements WHERE from_sql; SET statement_timeout = 2";
    let proof = lines
        .last()
        .and_then(|line| line.strip_prefix(before)?.strip_suffix(after));
    let proof = proof.unwrap_or_else(|| panic!("{lines:?}"));
    proof.parse::<u64>().expect("a number");
    assert_eq!(lines[..lines.len() - 1], [limit, "SELECT 2"]);

    let server = servers::MariaDb::start();
    // What becomes of the wish for TLS is logged too.
    let url = format!("{}?ssl-mode=DISABLED", server.url());
    for echo in [false, true] {
        settings.echo = echo;
        let mut manager = MySqlManager::from_url(&url).expect("good");
        let mut driver = MySqlDriver::new();
        driver.prepare(&mut manager, "m", &settings).expect("good");
        let mut connection = manager.connect().expect("a connection");
        connection.query_drop("SELECT 1").expect("a user's own");
        driver
            .ping(&manager, &mut connection, Duration::MAX)
            .expect("alive");
        driver
            .reset(&manager, &mut connection, ResetOnReturn::Rollback)
            .expect("a reset");
    }
    assert_eq!(
        echoed("m"),
        [
            "SELECT VERSION()",
            "SET SESSION max_statement_time = 0.001500",
            "SELECT 2",
            "ROLLBACK AND NO CHAIN NO RELEASE; UNLOCK TABLES; SET autocommit=1"
        ]
    );
}
