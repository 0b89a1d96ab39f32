//! Prints the pool's report every second, like `top`, while worker threads keep the pool busy.
//!
//! `cargo run --example status -- 10` runs for ten seconds, without a number until Ctrl-C. It uses SQLite in memory, or the
//! database that `DATABASE_URL` names.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use queuepool::{Database, Mode, Settings};

const WORKERS: u64 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let seconds = std::env::args().nth(1);
    let seconds = seconds.map_or(Ok(u64::MAX), |word| word.parse())?;
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let settings = Settings::from_env()?.mode(Mode::Queue);
    let database = Database::open_with(&url, settings)?;
    database.get()?.ping()?; // a database that cannot be used fails here, once
    let (database, stop) = (&database, &AtomicBool::new(false));
    thread::scope(|scope| {
        for worker in 1..=WORKERS {
            scope.spawn(move || work(database, worker, stop));
        }
        let shown = show(database, seconds);
        stop.store(true, Ordering::Relaxed);
        Ok(shown?)
    })
}

/// Uses a connection for some milliseconds, again and again.
fn work(database: &Database, worker: u64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let used = database.get().and_then(|mut connection| {
            thread::sleep(Duration::from_millis(worker));
            connection.query_i64("SELECT 1")
        });
        if let Err(error) = used {
            log::error!("worker {worker}: {error}");
        }
        thread::sleep(Duration::from_millis(WORKERS - worker));
    }
}

fn show(database: &Database, seconds: u64) -> io::Result<()> {
    let mut out = io::stdout();
    let clear = if out.is_terminal() {
        "\x1b[2J\x1b[H"
    } else {
        ""
    };
    let mut earlier = database.status();
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let status = database.status();
        let since = status.since(&earlier);
        let rate = since.per_second(since.checkouts);
        let wait = since.connection_acquisition_time.percentile(0.99) * 1e3;
        writeln!(out, "{clear}{status}")?;
        writeln!(
            out,
            "Last second: {rate:.0} checkouts, p99 of the wait {wait:.1} ms\n"
        )?;
        earlier = status;
    }
    Ok(())
}
