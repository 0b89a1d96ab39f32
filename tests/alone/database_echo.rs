//! What a database logs: its SQL with `echo`, its lifecycle at debug or (with `echo_pool`) at info, and never a password.

use std::time::Duration;

use log::{Level, LevelFilter};
use queuepool::{Database, Settings};
use support::alone;
use support::logged::{self, Line};
use support::servers::{MariaDb, PASSWORD, PASSWORD_IN_URL, Postgres};

fn use_it(url: &str, pool: &str, settings: Settings) -> Vec<Line> {
    let database = Database::builder(url)
        .name(pool)
        .settings(settings)
        .build()
        .unwrap();
    let mut connection = database.get().unwrap();
    connection
        .execute("CREATE TABLE IF NOT EXISTS t (v int)")
        .unwrap();
    connection.query_i64("SELECT count(*) FROM t").unwrap();
    connection.execute("SELEC").unwrap_err();
    drop(connection);
    database.close(Duration::from_secs(10)).unwrap();
    logged::of(pool)
}

fn has(lines: &[Line], level: Level, words: &str) -> bool {
    lines
        .iter()
        .any(|line| line.level == level && line.text.contains(words))
}

#[test]
fn sql_is_logged_with_echo_and_the_lifecycle_always() {
    alone(|| {
        logged::keep(LevelFilter::Trace);
        let postgres = Postgres::start();
        let mariadb = MariaDb::start();
        for (number, url) in [postgres.url(), mariadb.url(), "sqlite::memory:".to_owned()]
            .iter()
            .enumerate()
        {
            let quiet = use_it(url, &format!("quiet{number}"), Settings::default());
            assert!(
                has(
                    &quiet,
                    Level::Info,
                    "Database connection pool configured: pool_size=10, max_overflow=20, total_max=30"
                ),
                "{quiet:?}"
            );
            for words in ["connection 1 opened", "connection 1 is closed", "is closed"] {
                assert!(has(&quiet, Level::Debug, words), "{words}: {quiet:?}");
            }
            for sql in ["SELECT count", "SELEC", "ROLLBACK", "CREATE TABLE"] {
                assert!(
                    !quiet.iter().any(|line| line.text.contains(sql)),
                    "{quiet:?}"
                );
            }

            let settings = Settings::default().echo(true).echo_pool(true);
            let loud = use_it(url, &format!("loud{number}"), settings);
            for sql in [
                "CREATE TABLE IF NOT EXISTS t (v int)",
                "SELECT count(*) FROM t",
                "SELEC",
            ] {
                let times = loud
                    .iter()
                    .filter(|line| line.level == Level::Debug && line.text == sql)
                    .count();
                assert_eq!(times, 1, "{sql}: {loud:?}");
            }
            for words in ["connection 1 opened", "connection 1 is closed"] {
                assert!(has(&loud, Level::Info, words), "{words}: {loud:?}");
            }
            // The driver knows that no transaction is open on SQLite, so it needs no rollback.
            let resets = has(&loud, Level::Debug, "ROLLBACK");
            assert_eq!(resets, !url.starts_with("sqlite"), "{loud:?}");
        }

        // Failures are logged too.
        for (number, server) in [postgres.url(), mariadb.url()].iter().enumerate() {
            let url = server.replace(PASSWORD_IN_URL, &format!("{PASSWORD_IN_URL}x"));
            let name = format!("refused{number}");
            let database = Database::builder(&url).name(&name).build().unwrap();
            database.get().unwrap_err();
            let refused = logged::of(&name);
            assert!(
                has(&refused, Level::Debug, "connecting to app@127.0.0.1:"),
                "{refused:?}"
            );
        }

        // Nothing that was logged contains a password, whether it came from us or from the drivers.
        for line in logged::all() {
            for password in [PASSWORD, PASSWORD_IN_URL] {
                assert!(!line.text.contains(password), "{line:?}");
            }
        }
    });
}
