//! PostgreSQL, MariaDB, MySQL and PgBouncer: real servers, started by the tests on private ports.

#[path = "../support/fork.rs"]
mod fork;
#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/servers.rs"]
mod servers;

/// Each of these functions is a test on each of these servers, in a module of the server's name.
macro_rules! on_each {
    ($tests:tt: $($name:ident = $server:ident),+) => {$(
        mod $name {
            crate::on_each!(@ $server $tests);
        }
    )+};
    (@ $server:ident [$($test:ident),+ $(,)?]) => {$(
        #[test]
        fn $test() {
            if crate::servers::$server::is_here() {
                super::$test::<crate::servers::$server>();
            }
        }
    )+};
}
pub(crate) use on_each;

mod any_connection;
mod harness;
mod limit;
mod logins;
mod mute;
mod mysql_driver;
mod pgbouncer;
mod pool;
mod pool_mysql;
mod pool_postgres;
mod postgres_driver;
