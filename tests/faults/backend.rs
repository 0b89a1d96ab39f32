//! The servers under faults, and how each of them does what the tests need.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::postgres::{PostgresDriver, PostgresManager};
use queuepool::{Driver, Manager};

use crate::subject::Session;
use support::servers::{MariaDb, Postgres};

pub trait Backend: Sized {
    /// Its name in the table.
    const NAME: &str;
    type Manager: Manager<Connection: Session>;
    type Driver: Driver<Self::Manager> + Default;

    /// Starts a server whose commits survive the death of its process.
    fn start() -> Self;
    /// Starts a server that accepts at most this many connections of `app`.
    fn start_for(connections: usize) -> Self;
    /// Starts a server that ends sessions of `app` after one idle second.
    fn start_impatient() -> Self;
    fn url(&self) -> String;
    fn port(&self) -> u16;
    fn stop(&mut self);
    fn kill(&mut self);
    fn start_again(&mut self);
    fn pause(&self);
    fn resume(&self);

    fn manager(url: &str, connect_timeout: Duration) -> Self::Manager;
    /// Logs in with the driver alone.
    fn bare(url: &str) -> Result<<Self::Manager as r2d2::ManageConnection>::Connection, String>;
    /// SQL that takes this long.
    fn sleep(time: Duration) -> String;
    /// The sessions of the user `app`.
    fn sessions(&self) -> Vec<i64>;
    /// Ends all sessions of the user `app`.
    fn end_sessions(&self);
    /// All numbers of the table `ledger`, the smallest first.
    fn ledger(&self) -> Vec<u64>;
}

/// Makes each function a test for PostgreSQL and one for MariaDB.
macro_rules! on_both {
    ($($test:ident,)+) => {
        mod postgres {
            $(
                #[test]
                fn $test() {
                    super::$test::<support::servers::Postgres>();
                }
            )+
        }

        mod mariadb {
            $(
                #[test]
                fn $test() {
                    super::$test::<support::servers::MariaDb>();
                }
            )+
        }
    };
}
pub(crate) use on_both;

impl Backend for Postgres {
    const NAME: &str = "PostgreSQL";
    type Manager = PostgresManager;
    type Driver = PostgresDriver;

    fn start() -> Self {
        Postgres::start_with(&["synchronous_commit=on"])
    }

    fn start_for(connections: usize) -> Self {
        let limit = format!("max_connections={}", connections + 3);
        Postgres::start_with(&[&limit, "superuser_reserved_connections=3"])
    }

    fn start_impatient() -> Self {
        let server = Postgres::start();
        let sql = "ALTER ROLE app SET idle_session_timeout = '1s'";
        Self::bare(&server.admin_url()).unwrap().run(sql).unwrap();
        server
    }

    fn url(&self) -> String {
        Postgres::url(self)
    }

    fn port(&self) -> u16 {
        Postgres::port(self)
    }

    fn stop(&mut self) {
        Postgres::stop(self);
    }

    fn kill(&mut self) {
        Postgres::kill(self);
    }

    fn start_again(&mut self) {
        Postgres::start_again(self);
    }

    fn pause(&self) {
        Postgres::pause(self);
    }

    fn resume(&self) {
        Postgres::resume(self);
    }

    fn manager(url: &str, connect_timeout: Duration) -> PostgresManager {
        let mut config: ::postgres::Config = url.parse().unwrap();
        config.connect_timeout(connect_timeout);
        PostgresManager::new(config).unwrap()
    }

    fn bare(url: &str) -> Result<::postgres::Client, String> {
        ::postgres::Client::connect(url, ::postgres::NoTls).map_err(|error| error.to_string())
    }

    fn sleep(time: Duration) -> String {
        format!("SELECT pg_sleep({})", time.as_secs_f64())
    }

    fn sessions(&self) -> Vec<i64> {
        let sql = "SELECT pid::bigint FROM pg_stat_activity WHERE usename = 'app'";
        let rows = Self::bare(&self.admin_url()).unwrap().query(sql, &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn end_sessions(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
        Self::bare(&self.admin_url()).unwrap().run(sql).unwrap();
    }

    fn ledger(&self) -> Vec<u64> {
        let sql = "SELECT number FROM ledger ORDER BY number";
        let rows = Self::bare(&self.url()).unwrap().query(sql, &[]);
        let numbers = rows.unwrap();
        numbers
            .iter()
            .map(|row| row.get::<_, i64>(0) as u64)
            .collect()
    }
}

impl Backend for MariaDb {
    const NAME: &str = "MariaDB";
    type Manager = MySqlManager;
    type Driver = MySqlDriver;

    fn start() -> Self {
        MariaDb::start_with(&["--innodb-flush-log-at-trx-commit=2"])
    }

    fn start_for(connections: usize) -> Self {
        MariaDb::start_with(&[&format!("--max-connections={connections}")])
    }

    fn start_impatient() -> Self {
        // This does not affect administrators, whose own sessions ask whether the others are gone.
        MariaDb::start_with(&["--init-connect=SET SESSION wait_timeout = 1"])
    }

    fn url(&self) -> String {
        MariaDb::url(self)
    }

    fn port(&self) -> u16 {
        MariaDb::port(self)
    }

    fn stop(&mut self) {
        MariaDb::stop(self);
    }

    fn kill(&mut self) {
        MariaDb::kill(self);
    }

    fn start_again(&mut self) {
        MariaDb::start_again(self);
    }

    fn pause(&self) {
        MariaDb::pause(self);
    }

    fn resume(&self) {
        MariaDb::resume(self);
    }

    fn manager(url: &str, connect_timeout: Duration) -> MySqlManager {
        let opts = ::mysql::OptsBuilder::from_opts(::mysql::Opts::from_url(url).unwrap());
        MySqlManager::new(opts.tcp_connect_timeout(Some(connect_timeout))).unwrap()
    }

    fn bare(url: &str) -> Result<::mysql::Conn, String> {
        ::mysql::Conn::new(url).map_err(|error| error.to_string())
    }

    fn sleep(time: Duration) -> String {
        format!("SELECT SLEEP({})", time.as_secs_f64())
    }

    /// Not from information_schema.processlist: MariaDB 10.11.19 occasionally crashes when it frees the temporary table
    /// behind it (signal 11 in ha_maria::drop_table).
    fn sessions(&self) -> Vec<i64> {
        let mut admin = Self::bare(&self.admin_url()).unwrap();
        let rows: Vec<::mysql::Row> = admin.query("SHOW PROCESSLIST").unwrap();
        rows.iter()
            .filter(|row| row.get::<String, _>("User").as_deref() == Some("app"))
            .map(|row| row.get("Id").unwrap())
            .collect()
    }

    fn end_sessions(&self) {
        let mut admin = Self::bare(&self.admin_url()).unwrap();
        for session in self.sessions() {
            // It may have ended by itself.
            let _ = admin.run(&format!("KILL {session}"));
        }
    }

    fn ledger(&self) -> Vec<u64> {
        let mut session = Self::bare(&self.url()).unwrap();
        session
            .query("SELECT number FROM ledger ORDER BY number")
            .unwrap()
    }
}
