//! Checks whether a database can be used through a pool, and how much the pool gains.
//!
//! `cargo run --example verify -- postgresql://app@db.internal/orders`, or with `DATABASE_URL` set; otherwise on a
//! temporary SQLite file. The settings come from the environment. Exits with 1, and says why, if the database cannot be
//! used.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use queuepool::{Database, Mode, Settings};

const QUERIES: u32 = 50;
const ROUNDS: usize = 11;

fn main() -> ExitCode {
    env_logger::init();
    match verify() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("This database cannot be used: {error}");
            ExitCode::FAILURE
        }
    }
}

fn verify() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = std::env::args()
        .nth(1)
        .or_else(|| std::env::var("DATABASE_URL").ok())
        .unwrap_or_else(|| format!("sqlite:///{}", folder.path().join("verify.db").display()));
    let settings = Settings::from_env()?;
    let database = Database::open_with(&url, settings.clone())?;

    let first = timed(|| query(&database))?;
    println!("Single connection: works, {first:.1?} including the connect");

    let all = timed(|| (0..QUERIES).try_for_each(|_| query(&database)))?;
    println!(
        "{QUERIES} sequential queries: {:.3} ms each",
        all.as_secs_f64() * 1e3 / f64::from(QUERIES)
    );

    // A second handle, which does not pool: each checkout connects.
    let unpooled = Database::open_with(&url, settings.mode(Mode::Null))?;
    let connect = median(|| unpooled.get().map(drop))?;
    let checkout = median(|| database.get().map(drop))?;
    unpooled.close(Duration::from_secs(10))?;
    println!(
        "Connect {connect:.1?}, checkout {checkout:.1?}: {:.0} times as long, medians of {ROUNDS}",
        connect.as_secs_f64() / checkout.as_secs_f64()
    );

    let check = database.health_check()?;
    if let Some(error) = check.error {
        return Err(error.into());
    }
    let status = database.status();
    match status.server_limit {
        Some(limit) => println!(
            "Server's limit: {} connections, {} of them reserved; this pool opens up to {}",
            limit.max_connections, limit.reserved, status.total_capacity
        ),
        None => println!("Server's limit: it reports none"),
    }
    println!("\n{status}");
    Ok(database.close(Duration::from_secs(10))?)
}

fn query(database: &Database) -> Result<(), queuepool::Error> {
    database.get()?.query_i64("SELECT 1").map(drop)
}

fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let begun = Instant::now();
    work().map(|()| begun.elapsed())
}

fn median<E>(work: impl Fn() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = (0..ROUNDS)
        .map(|_| timed(&work))
        .collect::<Result<Vec<_>, E>>()?;
    times.sort();
    Ok(times[ROUNDS / 2])
}
