//! The report every second, like `top`, over a pool that worker threads keep busy.
//!
//! `cargo run --example status -- 10` for ten seconds, without a number until Ctrl-C. On an SQLite database in memory, or on
//! the one that `DATABASE_URL` names.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use queuepool::{Database, Mode, Settings};

const WORKERS: u64 = 12;
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let seconds = std::env::args().nth(1).map(|word| word.parse::<u64>());
    let seconds = seconds.transpose()?.unwrap_or(u64::MAX);
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let settings = Settings::from_env()?
        .pool_size(5)
        .max_overflow(5)
        .mode(Mode::Queue)
        .enable_pool_metrics(true);
    let database = Database::open_with(&url, settings)?;
    database.get()?.ping()?; // what is wrong with the database is told here, once

    let stop = AtomicBool::new(false);
    let shown = thread::scope(|scope| {
        for worker in 1..=WORKERS {
            let (database, stop) = (&database, &stop);
            scope.spawn(move || work(database, worker, stop));
        }
        let shown = show(&database, seconds);
        stop.store(true, Ordering::Relaxed);
        shown
    });
    Ok(shown?)
}

/// Uses a connection for some milliseconds, again and again.
fn work(database: &Database, worker: u64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match database.get().and_then(|mut connection| {
            let answer = connection.query_i64("SELECT 1");
            thread::sleep(Duration::from_millis(worker));
            answer
        }) {
            Ok(_) => thread::sleep(Duration::from_millis(WORKERS - worker)),
            Err(error) => log::error!("worker {worker}: {error}"),
        }
    }
}

fn show(database: &Database, seconds: u64) -> io::Result<()> {
    let mut out = io::stdout();
    let clear = if out.is_terminal() { CLEAR_SCREEN } else { "" };
    let mut earlier = database.status();
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let status = database.status();
        let since = status.since(&earlier);
        let (checkouts, wait) = (
            since.per_second(since.checkouts),
            since.connection_acquisition_time.percentile(0.99),
        );
        writeln!(
            out,
            "{clear}{status}Last second: {checkouts:.0} checkouts, p99 of the wait {:.1} ms\n",
            wait * 1e3
        )?;
        earlier = status;
    }
    Ok(())
}
