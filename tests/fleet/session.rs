//! A connection without a pool, to either kind of server.

use ::mysql::prelude::Queryable;

pub trait Session: Send {
    /// Runs statements to their end.
    fn run(&mut self, sql: &str) -> Result<(), String>;
    /// The first column of all rows.
    fn numbers(&mut self, sql: &str) -> Result<Vec<i64>, String>;
    /// The last column of the only row.
    fn text(&mut self, sql: &str) -> Result<String, String>;
}

/// Logs in with the driver alone.
pub fn log_in(url: &str) -> Result<Box<dyn Session>, String> {
    let failed = |error: &dyn std::error::Error| format!("no login: {error}");
    if url.starts_with("postgresql:") {
        let client = ::postgres::Client::connect(url, ::postgres::NoTls);
        Ok(Box::new(client.map_err(|error| failed(&error))?))
    } else {
        let client = ::mysql::Opts::from_url(url).map_err(|error| failed(&error))?;
        let client = ::mysql::Conn::new(by_tcp(client));
        Ok(Box::new(client.map_err(|error| failed(&error))?))
    }
}

/// Without this the driver goes round a proxy: it asks the server for its Unix socket, and connects to that.
pub fn by_tcp(opts: ::mysql::Opts) -> ::mysql::OptsBuilder {
    ::mysql::OptsBuilder::from_opts(opts).prefer_socket(false)
}

/// What the server said, and not only "db error".
fn words(error: &::postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

impl Session for ::postgres::Client {
    fn run(&mut self, sql: &str) -> Result<(), String> {
        self.batch_execute(sql).map_err(|error| words(&error))
    }

    fn numbers(&mut self, sql: &str) -> Result<Vec<i64>, String> {
        let rows = self.query(sql, &[]).map_err(|error| words(&error))?;
        let number = |row: &::postgres::Row| {
            let int = row.try_get::<_, i32>(0).map(i64::from);
            int.unwrap_or_else(|_| row.get(0))
        };
        Ok(rows.iter().map(number).collect())
    }

    fn text(&mut self, sql: &str) -> Result<String, String> {
        let row = self.query_one(sql, &[]).map_err(|error| words(&error))?;
        Ok(row.get(row.len() - 1))
    }
}

impl Session for ::mysql::Conn {
    fn run(&mut self, sql: &str) -> Result<(), String> {
        let rows: Result<Vec<::mysql::Row>, _> = self.query(sql);
        rows.map(drop).map_err(|error| error.to_string())
    }

    fn numbers(&mut self, sql: &str) -> Result<Vec<i64>, String> {
        self.query(sql).map_err(|error| error.to_string())
    }

    fn text(&mut self, sql: &str) -> Result<String, String> {
        let row: Option<::mysql::Row> = self.query_first(sql).map_err(|error| error.to_string())?;
        let row = row.ok_or("no row")?;
        row.get(row.len() - 1).ok_or_else(|| "no text".to_owned())
    }
}
