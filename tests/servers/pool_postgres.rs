//! PostgreSQL through the pool: what it shares with MariaDB, and what applies only to PostgreSQL.

use queuepool::postgres::PostgresPool;
use queuepool::{Database, Mode};

use crate::pool::size;
use support::servers::{PASSWORD, PgBouncer, Postgres};

crate::pool::all_on!(Postgres);

mod newest {
    crate::pool::all_on!(support::servers::NewestPostgres);
}

#[test]
fn the_application_name_is_the_pools_name() {
    let server = Postgres::start();
    let database = Database::builder(&server.url())
        .name("orders")
        .build()
        .unwrap();
    let name = "SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND application_name = ";
    let mut connection = database.get().unwrap();
    assert_eq!(connection.query_i64(&format!("{name}'orders'")).unwrap(), 1);
    let unnamed = PostgresPool::builder(server.url())
        .unwrap()
        .build()
        .unwrap();
    let row = unnamed
        .get()
        .unwrap()
        .query_one(&format!("{name}'db_pool'"), &[]);
    assert_eq!(row.unwrap().get::<_, i64>(0), 1);
}

#[test]
fn a_typed_pool_is_built_from_the_drivers_own_configuration_and_lends_its_client() {
    let server = Postgres::start();
    let mut config = ::postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(server.port())
        .user("app")
        .password(PASSWORD)
        .dbname("app");
    let pool = PostgresPool::builder(config)
        .unwrap()
        .settings(size(1, 0))
        .build()
        .unwrap();
    let mut client = pool.get().unwrap();
    client.batch_execute("CREATE TABLE t (v int)").unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction
        .execute("INSERT INTO t VALUES ($1)", &[&7])
        .unwrap();
    transaction.commit().unwrap();
    drop(client);
    let row = pool
        .get()
        .unwrap()
        .query_one("SELECT v FROM t", &[])
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[test]
fn a_return_without_a_transaction_leaves_no_warning_in_the_servers_log() {
    let server = Postgres::start();
    let database = Database::open_with(&server.url(), size(1, 0)).unwrap();
    for _ in 0..3 {
        database.get().unwrap().execute("SELECT 1").unwrap();
    }
    database.close(support::scripted::secs(10)).unwrap();
    let log = server.log_text();
    assert!(!log.contains("WARNING"), "{log}");
}

#[test]
fn a_pool_works_behind_a_pgbouncer_of_either_mode() {
    let server = Postgres::start();
    for mode in ["session", "transaction"] {
        let bouncer = PgBouncer::start(&server, mode);
        let database = Database::open_with(&bouncer.url(), size(2, 2)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let mut connection = database.get().unwrap();
                        assert_eq!(connection.query_i64("SELECT 7").unwrap(), 7);
                    }
                });
            }
        });
        assert_eq!(database.status().connection_errors, 0);
    }
}

#[test]
fn in_null_mode_no_lock_outlives_the_return() {
    let server = Postgres::start();
    let pool = PostgresPool::builder(server.url())
        .unwrap()
        .settings(size(1, 0).mode(Mode::Null))
        .build()
        .unwrap();
    let mut other = ::postgres::Client::connect(&server.url(), ::postgres::NoTls).unwrap();
    other
        .batch_execute("CREATE TABLE t (v int); INSERT INTO t VALUES (1)")
        .unwrap();
    for _ in 0..50 {
        let mut holder = pool.get().unwrap();
        holder
            .batch_execute("BEGIN; SELECT v FROM t FOR UPDATE")
            .unwrap();
        drop(holder);
        other
            .batch_execute("SELECT v FROM t FOR UPDATE NOWAIT")
            .unwrap();
    }
}
