//! diesel's own managers in a queuepool, on real SQLite files and a real PostgreSQL server: once without a driver and once
//! with the driver of the example.

#[allow(dead_code)]
#[path = "../../examples/diesel.rs"]
mod example;
#[path = "../../../support/servers/mod.rs"]
mod servers;

mod both;
mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use diesel::r2d2::{ConnectionManager, R2D2Connection};
use queuepool::{Pool, Settings};

/// The manager alone, without a driver.
fn undescribed<C: R2D2Connection + Send + 'static>(
    url: &str,
    settings: Settings,
) -> Pool<ConnectionManager<C>> {
    let manager = ConnectionManager::new(url);
    Pool::builder(manager).settings(settings).build().unwrap()
}

fn described<C: R2D2Connection + Send + 'static>(
    url: &str,
    settings: Settings,
) -> Pool<ConnectionManager<C>> {
    example::pool_of(url, settings).unwrap()
}

fn size(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .timeout(Duration::from_secs(20))
}

/// Waits for what another thread is about to make true; fails after ten seconds.
#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
