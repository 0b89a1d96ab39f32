use queuepool::postgres::{PostgresPool, postgres};
use queuepool::Connection;

struct FindBook(postgres::Statement); // a type of one's own for each value

fn find_book(pool: &PostgresPool, title: &str) -> Result<Option<i64>, Box<dyn std::error::Error>> {
    let mut client = pool.get()?;
    let known = Connection::extensions(&mut client).get::<FindBook>().map(|it| it.0.clone());
    let statement = match known {
        Some(statement) => statement,
        None => {
            let statement = client.prepare("SELECT id FROM book WHERE title = $1")?; // once for each connection
            Connection::extensions(&mut client).insert(FindBook(statement.clone()));
            statement
        }
    };
    Ok(client.query_opt(&statement, &[&title])?.map(|row| row.get(0)))
}
