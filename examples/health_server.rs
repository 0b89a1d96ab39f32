//! A working service: a pool under a modest load, with its health, its metrics and its page over HTTP.
//!
//! `cargo run --features http --example health_server`, then open the address that it prints. It ends with Ctrl-C, or after
//! the number of seconds given as its first argument. `DATABASE_URL` may name a PostgreSQL, MariaDB or SQLite database of
//! yours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::{Database, Error, Mode, Registry, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let end = match std::env::args().nth(1) {
        Some(seconds) => Some(Instant::now() + Duration::from_secs_f64(seconds.parse()?)),
        None => None,
    };
    let folder = tempfile::tempdir()?;
    let file = format!("sqlite:///{}", folder.path().join("orders.db").display());
    let url = std::env::var("DATABASE_URL").unwrap_or(file);

    let settings = Settings::from_env()?
        .mode(Mode::Queue) // SQLite would keep no connections otherwise
        .pool_size(4)
        .max_overflow(4)
        .enable_pool_metrics(true); // the monitor, for the page's charts of the last hour
    let orders = Database::builder(&url)
        .name("orders")
        .settings(settings)
        .build()?;
    let registry = Registry::new().add("orders", &orders)?;
    let server = queuepool::http::serve("127.0.0.1:0", registry)?; // or a port of your choice
    println!("http://{}/", server.local_addr());

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 1..=6 {
            let (orders, stop) = (&orders, &stop);
            let work = move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Err(error) = order(orders) {
                        log::warn!("an order failed: {error}");
                    }
                    thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
                }
            };
            let named = thread::Builder::new().name(format!("worker-{worker}")); // the page shows who holds what
            named.spawn_scoped(scope, work).expect("a thread");
        }
        while end.is_none_or(|end| Instant::now() < end) {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.stop();
    print!("{}", orders.status());
    Ok(())
}

/// Holds a connection for as long as a few queries take, with some work between them.
fn order(orders: &Database) -> Result<(), Error> {
    let mut connection = orders.get()?;
    connection.query_i64("SELECT 1")?;
    thread::sleep(Duration::from_millis(fastrand::u64(5..150)));
    connection.query_i64("SELECT 2")?;
    Ok(())
}
