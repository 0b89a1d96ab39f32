//! MariaDB and MySQL through the pool: what they share with PostgreSQL, and what applies only to MariaDB.

use ::mysql::prelude::Queryable;
use queuepool::mysql::MySqlPool;
use queuepool::{Database, PrePing};

use crate::pool::{Backend, size};
use support::scripted::{eventually, millis};
use support::servers::{MariaDb, PASSWORD};

crate::pool::all_on!(MariaDb);

mod mysql_itself {
    crate::pool::all_on!(support::servers::MySql);
}

#[test]
fn a_connection_that_the_server_closed_for_its_idleness_never_reaches_a_caller() {
    let server = MariaDb::start();
    let settings = size(3, 0).pre_ping(PrePing::IdleFor(millis(500)));
    let database = Database::open_with(&server.url(), settings).unwrap();
    let mut connection = database.get().unwrap();
    connection.execute("SET SESSION wait_timeout = 1").unwrap();
    let session = connection.query_i64(MariaDb::SESSION).unwrap();
    drop(connection);
    let admin = server.admin();
    eventually("the server has closed the connection", || {
        MariaDb::sessions(&mut admin.get().unwrap()) == 0
    });
    let mut connection = database.get().unwrap();
    assert_ne!(connection.query_i64(MariaDb::SESSION).unwrap(), session);
}

#[test]
fn the_program_name_is_the_pools_name() {
    let server = MariaDb::start_with(&["--performance-schema=ON"]);
    let database = Database::builder(&server.url())
        .name("orders")
        .build()
        .unwrap();
    let sql = "SELECT count(*) FROM performance_schema.session_account_connect_attrs
        WHERE attr_name = 'program_name' AND attr_value = 'orders' AND processlist_id = CONNECTION_ID()";
    assert_eq!(database.get().unwrap().query_i64(sql).unwrap(), 1);
}

#[test]
fn a_typed_pool_is_built_from_the_drivers_own_options_and_lends_its_connection() {
    let server = MariaDb::start();
    let opts = ::mysql::OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(server.port())
        .user(Some("app"))
        .pass(Some(PASSWORD))
        .db_name(Some("app"));
    let pool = MySqlPool::builder(::mysql::Opts::from(opts))
        .unwrap()
        .settings(size(1, 0))
        .build()
        .unwrap();
    let mut connection = pool.get().unwrap();
    connection.query_drop("CREATE TABLE t (v int)").unwrap();
    let mut transaction = connection
        .start_transaction(::mysql::TxOpts::default())
        .unwrap();
    transaction
        .exec_drop("INSERT INTO t VALUES (?)", (7,))
        .unwrap();
    transaction.commit().unwrap();
    drop(connection);
    let row: Option<i64> = pool.get().unwrap().query_first("SELECT v FROM t").unwrap();
    assert_eq!(row, Some(7));
}
