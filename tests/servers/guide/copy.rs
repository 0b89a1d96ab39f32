use queuepool::postgres::PostgresPool;
use std::io::{self, Write};

fn import(pool: &PostgresPool, titles: &[&str]) -> Result<u64, Box<dyn std::error::Error>> {
    let mut client = pool.get()?;
    let mut writer = client.copy_in("COPY book (title) FROM STDIN (FORMAT csv)")?;
    for title in titles {
        writeln!(writer, "\"{}\"", title.replace('"', "\"\""))?;
    }
    Ok(writer.finish()?) // without it the COPY is undone
}

fn export(pool: &PostgresPool, mut file: impl Write) -> Result<u64, Box<dyn std::error::Error>> {
    let mut client = pool.get()?;
    let mut reader = client.copy_out("COPY book TO STDOUT (FORMAT csv)")?;
    Ok(io::copy(&mut reader, &mut file)?)
}
