//! `echo`: the SQL that the pool itself runs is logged at debug under the pool's own target; users' SQL is not.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use log::{Level, LevelFilter};
use queuepool::Driver;
use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::postgres::{PostgresDriver, PostgresManager};
use queuepool::{ResetOnReturn, Settings};
use r2d2::ManageConnection;
use support::servers::{MariaDb, Postgres};
use support::{alone, logged};

/// All that this crate has logged after the first `begin` lines. It must be about this pool, and at debug.
fn echoed(pool: &str, begin: usize) -> Vec<String> {
    let lines = logged::all().split_off(begin);
    let ours = lines
        .into_iter()
        .filter(|line| line.target.starts_with("queuepool"));
    let texts = ours.map(|line| {
        assert_eq!(line.target, format!("queuepool::{pool}"));
        assert_eq!(line.level, Level::Debug);
        line.text
    });
    texts.collect()
}

#[test]
fn the_pools_own_statements_are_echoed_only_when_asked_for() {
    alone(|| {
        logged::keep(LevelFilter::Trace);
        let mut settings = Settings::default();
        settings.command_timeout = Some(Duration::from_micros(1_500));
        settings.validation_query = Some("SELECT 2".to_owned());

        let server = Postgres::start();
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
        let lines = echoed("p", 0);
        // The proof is a new random number each time.
        let before = "BEGIN; ROLLBACK; RESET SESSION AUTHORIZATION; RESET ROLE; CLOSE ALL; RESET ALL; UNLISTEN *; \
                  DISCARD TEMP; DISCARD SEQUENCES; SELECT ";
        let after = ", pg_catalog.pg_advisory_unlock_all(), pg_catalog.pg_is_in_recovery() OR \
                 pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool; SELECT name AS prepared_by_sql FROM \
                 pg_catalog.pg_prepared_statements WHERE from_sql; SET statement_timeout = 2";
        let proof = lines
            .last()
            .and_then(|line| line.strip_prefix(before)?.strip_suffix(after));
        let proof = proof.unwrap_or_else(|| panic!("{lines:?}"));
        proof.parse::<u64>().expect("a number");
        assert_eq!(lines[..lines.len() - 1], [limit, "SELECT 2"]);

        let begin = logged::all().len();
        let server = MariaDb::start();
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
            echoed("m", begin),
            [
                "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'",
                "SELECT VERSION()",
                "SET SESSION max_statement_time = 0.001500",
                "SELECT 2",
                "ROLLBACK AND NO CHAIN NO RELEASE; UNLOCK TABLES; SET autocommit=1"
            ]
        );
    });
}
