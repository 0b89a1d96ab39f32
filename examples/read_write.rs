//! Writes go to a primary and reads to its replicas, and a reader sees what a writer has told it of.
//!
//! `cargo run --example read_write -- postgres://app@primary/app postgres://app@replica/app`, with as many replicas as there are.
//! Without URLs it uses one SQLite file, written through one pool and read through another.

use std::time::Duration;

use queuepool::{Database, ReadWrite, Registry, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let directory = tempfile::tempdir()?;
    let file = format!("sqlite:///{}/app.db", directory.path().display());
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = vec![file.clone(), file];
    }
    let open = |url: &String| Database::open_with(url, Settings::from_env()?);
    let mut described = ReadWrite::new(open(&urls[0])?);
    for url in &urls[1..] {
        described = described.replica(open(url)?);
    }
    let visits = described
        .check_interval(Duration::from_millis(250))
        .build()?;

    let create = "CREATE TABLE IF NOT EXISTS visits (page VARCHAR(20))";
    visits.write()?.execute(create)?;
    visits
        .write()?
        .execute("INSERT INTO visits VALUES ('home')")?;
    let mark = visits.mark(); // what has been written until now

    let reader = visits.clone();
    let reading = std::thread::spawn(move || {
        let count = "SELECT count(*) FROM visits";
        let mut connection = reader.read_after(&mark)?; // from a replica that has it, or from the primary
        println!("{} visits", connection.query_i64(count)?);
        reader.read()?.execute("SELECT 1") // from any replica that is fit
    });
    reading.join().expect("the reader does not panic")?;

    for (name, status) in Registry::new().add("visits", &visits)?.status() {
        let lag = status.replica_lag.map(|lag| format!(", {lag:.1?} behind"));
        let (lag, checkouts) = (lag.unwrap_or_default(), status.checkouts);
        let why = status.passed_over.unwrap_or_else(|| "used".to_owned());
        println!("{name}: {checkouts} checkouts{lag}, {why}");
    }
    Ok(())
}
