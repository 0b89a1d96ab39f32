use queuepool::{Connection, postgres::PostgresPool};

fn transfer(pool: &PostgresPool, from: i64, to: i64, cents: i64) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = pool.get()?;
    let work = (|| {
        let mut transaction = client.transaction()?;
        transaction.execute("UPDATE account SET cents = cents - $1 WHERE id = $2", &[&cents, &from])?;
        transaction.execute("UPDATE account SET cents = cents + $1 WHERE id = $2", &[&cents, &to])?;
        transaction.commit()
    })();
    if let Err(error) = &work {
        Connection::note_error(&mut client, error); // so that a lost server is known at once: see "Errors"
    }
    Ok(work?)
}
