use queuepool::postgres::PostgresPool;

const MIGRATIONS: &[&str] = &[
    "CREATE TABLE book (id bigserial PRIMARY KEY, title text NOT NULL)",
    "CREATE INDEX book_title ON book (title)",
];

fn migrate(pool: &PostgresPool) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = pool.get()?;
    let mut transaction = client.transaction()?;
    transaction.batch_execute("SET LOCAL statement_timeout = 0")?; // whatever command_timeout says
    transaction.batch_execute("SELECT pg_advisory_xact_lock(7201)")?; // until the commit: the other instances wait here
    transaction.batch_execute("CREATE TABLE IF NOT EXISTS migration (number bigint PRIMARY KEY)")?;
    let done: i64 = transaction.query_one("SELECT coalesce(max(number), 0) FROM migration", &[])?.get(0);
    for (number, migration) in (1_i64..).zip(MIGRATIONS).skip(done as usize) {
        transaction.batch_execute(migration)?;
        transaction.execute("INSERT INTO migration VALUES ($1)", &[&number])?;
    }
    Ok(transaction.commit()?)
}
