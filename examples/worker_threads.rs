//! Worker threads share one pool. There are more of them than connections, so each waits its turn.
//!
//! `cargo run --example worker_threads`

use std::thread;

use queuepool::{Database, Error, Settings};

fn main() -> Result<(), Error> {
    env_logger::init();
    let settings = Settings::small(); // 5 + 10
    let database = Database::open_with("sqlite::memory:", settings)?;
    database
        .get()?
        .execute("CREATE TABLE done (worker INTEGER, job INTEGER)")?;

    thread::scope(|scope| {
        let workers: Vec<_> = (0..40)
            .map(|worker| {
                let database = database.clone(); // cheap: all clones share one pool
                scope.spawn(move || -> Result<(), Error> {
                    for job in 0..10 {
                        let sql = format!("INSERT INTO done VALUES ({worker}, {job})");
                        database.get()?.execute(&sql)?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;

    println!(
        "{} jobs done",
        database.get()?.query_i64("SELECT count(*) FROM done")?
    );
    print!("{}", database.status());
    Ok(())
}
