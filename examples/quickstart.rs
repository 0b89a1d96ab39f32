//! Opens a database by its URL, takes a connection from the pool, and prints the pool's report.
//!
//! `cargo run --example quickstart`, or with `DATABASE_URL` set to a PostgreSQL, MariaDB or SQLite database of yours.

use queuepool::{Database, Error, Settings};

fn main() -> Result<(), Error> {
    env_logger::init();
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let database = Database::open_with(&url, Settings::from_env()?)?;

    let mut connection = database.get()?;
    let answer = connection.query_i64("SELECT 6 * 7")?;
    println!("The database says {answer}.");
    drop(connection); // back into the pool

    print!("{}", database.status());
    Ok(())
}
