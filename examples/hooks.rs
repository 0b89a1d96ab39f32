//! Hooks on a typed pool: they prepare each new connection and follow what the pool does.
//!
//! `cargo run --example hooks`

use queuepool::sqlite::SqlitePool;
use queuepool::{Connection, Error, Mode, Settings};

fn main() -> Result<(), Error> {
    env_logger::init();
    let pool = SqlitePool::builder("sqlite::memory:")?
        .name("orders")
        .settings(
            Settings::default()
                .mode(Mode::Queue)
                .pool_size(1)
                .max_overflow(1),
        )
        .on_connect(|connection, info| {
            println!("connect  {}", info.id());
            connection.execute_batch("CREATE TEMP TABLE session (started TEXT)")?;
            Ok(())
        })
        .on_checkout(|_, info| {
            println!("checkout {}, number {}", info.id(), info.checkouts() + 1);
            Ok(())
        })
        .on_checkin(|_, info| println!("checkin  {}", info.id()))
        .on_close(|info, reason| println!("close    {}: {reason}", info.id()))
        .build()?;

    drop(pool.get()?);
    let kept = pool.get()?;
    let overflow = pool.get()?;
    drop(kept);
    drop(overflow); // beyond pool_size, so it is closed
    Connection::invalidate(pool.get()?);
    Ok(())
}
