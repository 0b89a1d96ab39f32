//! What a database logs: its SQL with `echo`, its lifecycle at debug or (with `echo_pool`) at info, never a password.

#[path = "support/servers.rs"]
mod servers;

use std::sync::Mutex;
use std::time::Duration;

use log::Level;
use queuepool::{Database, Settings};
use servers::{PASSWORD, PASSWORD_IN_URL};

struct Records(Mutex<Vec<(String, Level, String)>>);

static RECORDS: Records = Records(Mutex::new(Vec::new()));

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        assert!(!text.contains(PASSWORD), "{text}");
        assert!(!text.contains(PASSWORD_IN_URL), "{text}");
        let line = (record.target().to_owned(), record.level(), text);
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// What was logged by this pool, since the last call.
fn logged(pool: &str) -> Vec<(Level, String)> {
    let records = std::mem::take(&mut *RECORDS.0.lock().unwrap());
    records
        .into_iter()
        .filter(|(target, ..)| *target == format!("queuepool::{pool}"))
        .map(|(_, level, text)| (level, text))
        .collect()
}

fn use_it(url: &str, pool: &str, settings: Settings) -> Vec<(Level, String)> {
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
    logged(pool)
}

fn has(records: &[(Level, String)], level: Level, words: &str) -> bool {
    records
        .iter()
        .any(|(at, text)| *at == level && text.contains(words))
}

#[test]
fn sql_is_logged_with_echo_and_the_lifecycle_always() {
    log::set_logger(&RECORDS).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let postgres = servers::Postgres::start();
    let mariadb = servers::MariaDb::start();
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
                !quiet.iter().any(|(_, text)| text.contains(sql)),
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
                .filter(|(level, text)| *level == Level::Debug && text == sql)
                .count();
            assert_eq!(times, 1, "{sql}: {loud:?}");
        }
        for words in ["connection 1 opened", "connection 1 is closed"] {
            assert!(has(&loud, Level::Info, words), "{words}: {loud:?}");
        }
        // SQLite's rollback is known not to be needed.
        let resets = has(&loud, Level::Debug, "ROLLBACK");
        assert_eq!(resets, !url.starts_with("sqlite"), "{loud:?}");
    }

    // What fails is logged too, and has no password either: the logger itself looks.
    for server in [postgres.url(), mariadb.url()] {
        let url = server.replace(PASSWORD_IN_URL, &format!("{PASSWORD_IN_URL}x"));
        let database = Database::builder(&url).name("refused").build().unwrap();
        database.get().unwrap_err();
        let refused = logged("refused");
        assert!(
            has(&refused, Level::Debug, "connecting failed"),
            "{refused:?}"
        );
    }
}
