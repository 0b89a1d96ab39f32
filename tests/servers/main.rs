//! PostgreSQL, MariaDB and PgBouncer: real servers, started by the tests on private ports.

#[path = "../support/servers.rs"]
mod servers;

mod harness;
mod mysql_driver;
mod postgres_driver;
