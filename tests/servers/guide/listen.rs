use queuepool::postgres::postgres::fallible_iterator::FallibleIterator;
use queuepool::{Connection, postgres::PostgresPool};
use std::time::Duration;

fn listen(pool: &PostgresPool) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = Connection::detach(pool.get()?);
    client.batch_execute("LISTEN orders")?;
    // What happened before this line is in the table, what happens after it arrives here.
    let mut notifications = client.notifications();
    let mut arriving = notifications.timeout_iter(Duration::from_secs(30));
    while let Some(notification) = arriving.next()? {
        println!("order {}", notification.payload());
    }
    Ok(()) // nothing for 30 s: a good moment to ask the table
}
