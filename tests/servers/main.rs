//! PostgreSQL, MariaDB, MySQL and PgBouncer: real servers, started by the tests on private ports.

mod any_connection;
mod carried_mysql;
mod carried_postgres;
mod credentials;
mod driver;
mod harness;
mod hosts;
mod hosts_mysql;
mod hosts_postgres;
mod limit;
mod logins;
mod mute;
mod mysql_driver;
mod mysql_errors;
mod mysql_late;
mod mysql_one_by_one;
mod mysql_owed;
mod mysql_rollback;
mod mysql_sessions;
mod pgbouncer;
mod pool;
mod pool_mysql;
mod pool_postgres;
mod postgres_aborted;
mod postgres_answers;
mod postgres_driver;
mod postgres_resets;
mod postgres_validation;
mod postgres_watched;
mod read_write;
mod roles_mysql;
mod roles_postgres;
mod rows;
mod ten_killed;
#[cfg(not(feature = "tls"))]
mod without_tls;
