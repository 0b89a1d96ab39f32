//! Any text as a database URL is read or refused and never causes a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{Database, Error, ErrorKind};

fn judge(read: Result<(), Error>) {
    if let Err(error) = read {
        let expected = matches!(error.kind(), ErrorKind::Settings | ErrorKind::Unsupported);
        assert!(expected, "{error:?}");
        assert!(!error.to_string().is_empty());
    }
}

fuzz_target!(|url: &str| {
    judge(PostgresManager::from_url(url).map(drop));
    judge(MySqlManager::from_url(url).map(drop));
    judge(SqliteManager::from_url(url).map(drop));
    // With the pool's own settings among the parameters.
    judge(PostgresPool::builder(url).map(drop));
    judge(MySqlPool::builder(url).map(drop));
    judge(SqlitePool::builder(url).map(drop));
    // The choice of the driver. Only with a text that no driver accepts, because an accepted one builds a whole pool.
    if !url
        .trim_start()
        .to_ascii_lowercase()
        .starts_with(['p', 'm', 's'])
    {
        judge(Database::open(url).map(drop));
    }
});
