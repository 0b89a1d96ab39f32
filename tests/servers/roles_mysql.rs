//! MariaDB and MySQL servers in the wrong role: what follows a switch-over, and what is none. Nobody tells the pool of an error here
//! unless it says so.

use std::collections::BTreeSet;
use std::time::Instant;

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use queuepool::mysql::MySqlPool;
use queuepool::{
    CloseReason, Connection, Database, ErrorClass, ErrorKind, PrePing, ResetOnReturn, Retry, Role,
    Settings,
};

use support::proxy::Turns;
use support::scripted::{assert_laws, eventually, millis, secs};
use support::servers::{MariaDb, MySql, TestServer, on_each};

const WRITE: &str = "INSERT INTO ledger VALUES (1)";

/// While writes are refused, so many logins in a second show where logins lead.
const LOOKS_A_SECOND: u64 = 10;

fn settings() -> Settings {
    let retry = Retry::default().max_attempts(2).initial_delay(millis(1));
    Settings::default()
        .pool_size(4)
        .max_overflow(0)
        .retry(retry)
}

fn pool(url: &str, settings: Settings) -> MySqlPool {
    MySqlPool::builder(url)
        .unwrap()
        .settings(settings)
        .build()
        .unwrap()
}

fn start<S: TestServer>() -> S {
    let server = S::start();
    let mut owner = Conn::new(server.url().as_str()).unwrap();
    owner
        .query_drop("CREATE TABLE ledger (number int)")
        .unwrap();
    server
}

fn set_read_only<S: TestServer>(server: &S, on: bool) {
    let mut admin = Conn::new(server.admin_url().as_str()).unwrap();
    let sql = format!("SET GLOBAL read_only = {}", u8::from(on));
    admin.query_drop(sql).unwrap();
}

fn fill(pool: &MySqlPool) {
    drop([(); 4].map(|()| pool.get().unwrap()));
}

fn write(pool: &MySqlPool) -> bool {
    pool.get()
        .is_ok_and(|mut connection| connection.query_drop(WRITE).is_ok())
}

fn unsuited(pool: &MySqlPool) -> u64 {
    let reasons = pool.status().closed_by_reason;
    reasons.get(&CloseReason::Unsuited).copied().unwrap_or(0)
}

fn a_server_that_is_made_read_only_is_left_after_one_error<S: TestServer>() {
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let (old, new) = (start::<S>(), start::<S>());
        let proxy = Turns::start(&[old.port()]);
        let url = proxy.url(old.port(), &old.url());
        let pool = pool(&url, settings().reset_on_return(how));
        fill(&pool);
        let before = proxy.connects();
        set_read_only(&old, true);
        proxy.lead_to(&[new.port()]);
        let failed = (0..20).filter(|_| !write(&pool)).count();
        let status = pool.status();
        assert_eq!((failed, unsuited(&pool)), (1, 1), "{how:?}");
        assert_eq!(status.total_connections_created, 5, "{how:?}");
        assert!(proxy.connects() > before);
        assert_eq!(status.unsuited_for, None);
        assert_laws(&status);
    }
}

fn a_users_own_read_only_transaction_says_nothing_of_the_server<S: TestServer>() {
    let server = start::<S>();
    let pool = pool(&server.url(), settings());
    for _ in 0..40 {
        let mut connection = pool.get().unwrap();
        connection
            .query_drop("START TRANSACTION READ ONLY")
            .unwrap();
        let error = connection.query_drop(WRITE).unwrap_err();
        let class = Connection::note_error(&mut connection, &error);
        assert_eq!(class, ErrorClass::Statement, "{error}");
    }
    assert_eq!(pool.status().total_connections_created, 1);
}

fn the_error_of_a_read_only_server_is_confirmed_at_the_return<S: TestServer>() {
    let server = start::<S>();
    let database = Database::open_with(&server.url(), settings()).unwrap();
    drop([(); 4].map(|()| database.get().unwrap()));
    set_read_only(&server, true);
    let mut connection = database.get().unwrap();
    let error = connection.execute(WRITE).unwrap_err();
    let class = connection.note_error(&error);
    assert_eq!(class, ErrorClass::Unsuited, "{error}");
    drop(connection);
    eventually("all are replaced", || database.status().total == 0);
    assert!(database.status().unsuited_for.is_some());
    // The same again: two replacements, and then one a second. The logins that show where logins lead are handed to nobody.
    let started = Instant::now();
    let mut used = BTreeSet::new();
    while started.elapsed() < secs(3) {
        let mut connection = database.get().unwrap();
        used.insert(connection.info().id());
        connection.execute(WRITE).unwrap_err();
    }
    assert!(used.len() <= 2 + 2, "{used:?}");
    let created = database.status().total_connections_created;
    assert!(created <= 4 + 2 + 2 + 3 * LOOKS_A_SECOND, "{created}");
    set_read_only(&server, false);
    // The return sees it.
    drop(database.get().unwrap());
    database.get().unwrap().execute(WRITE).unwrap();
    assert_eq!(database.status().unsuited_for, None);
}

fn a_read_only_server_is_no_primary_and_one_that_accepts_writes_no_replica<S: TestServer>() {
    let server = start::<S>();
    set_read_only(&server, true);
    let primary = pool(&server.url(), settings().role(Role::Primary));
    let replica = pool(&server.url(), settings().role(Role::Replica));
    for _ in 0..10 {
        assert!(!write(&replica));
    }
    assert_eq!(replica.status().total_connections_created, 1);
    let error = primary.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_transient());
    assert!(
        error
            .to_string()
            .contains("the server is read-only, and role=primary"),
        "{error}"
    );
    set_read_only(&server, false);
    assert!(write(&primary));
    assert_eq!(
        Connection::info(&primary.get().unwrap()).read_only(),
        Some(false)
    );
    drop(replica);
    let replica = pool(&server.url(), settings().role(Role::Replica));
    let error = replica.get().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the server accepts writes, and role=replica"),
        "{error}"
    );
}

/// MariaDB's READ ONLY ADMIN and MySQL's CONNECTION_ADMIN: read_only is not for them, but the server tells of it all the same.
fn an_administrator_who_may_write_all_the_same_loses_no_statement<S: TestServer>() {
    let server = start::<S>();
    let pool = pool(&server.admin_url(), settings());
    fill(&pool);
    set_read_only(&server, true);
    let started = Instant::now();
    while started.elapsed() < secs(2) {
        assert!(write(&pool));
    }
    let created = pool.status().total_connections_created;
    assert!(created <= 4 + 2 + 2, "{created}");
    assert_laws(&pool.status());
}

on_each!([
    a_server_that_is_made_read_only_is_left_after_one_error,
    a_users_own_read_only_transaction_says_nothing_of_the_server,
    the_error_of_a_read_only_server_is_confirmed_at_the_return,
    a_read_only_server_is_no_primary_and_one_that_accepts_writes_no_replica,
    an_administrator_who_may_write_all_the_same_loses_no_statement,
]: mariadb = MariaDb, mysql = MySql);

#[test]
fn mysqls_super_read_only_is_confirmed_too() {
    if !MySql::is_here() {
        return;
    }
    let server = start::<MySql>();
    let pool = pool(&server.url(), settings().pre_ping(PrePing::Never));
    fill(&pool);
    let mut admin = Conn::new(server.admin_url().as_str()).unwrap();
    admin.query_drop("SET GLOBAL super_read_only = 1").unwrap();
    let mut connection = pool.get().unwrap();
    let error = connection.query_drop(WRITE).unwrap_err();
    let class = Connection::note_error(&mut connection, &error);
    assert_eq!(class, ErrorClass::Unsuited, "{error}");
    drop(connection);
    assert_eq!(unsuited(&pool), 1);
}

#[test]
fn a_galera_node_without_a_quorum_is_a_transient_failure_at_login_and_loses_no_session() {
    let [node, mut other] = MariaDb::start_galera_cluster();
    let mut admin = Conn::new(node.admin_url().as_str()).unwrap();
    let mut until = |variable: &str, word: &str| {
        let limit = Instant::now() + secs(20);
        loop {
            let row: Option<(String, String)> = admin
                .query_first(format!("SHOW STATUS LIKE '{variable}'"))
                .unwrap();
            if row.is_some_and(|(_, is)| is == word) {
                return;
            }
            assert!(Instant::now() < limit, "{variable} never becomes {word}");
            std::thread::sleep(millis(20));
        }
    };
    until("wsrep_cluster_size", "2");
    until("wsrep_ready", "ON");
    let pool = pool(&node.url(), settings());
    drop(pool.get().unwrap());
    other.kill();
    until("wsrep_ready", "OFF");
    let mut held = pool.get().unwrap();
    let error = held.query_drop("SELECT * FROM mysql.user").unwrap_err();
    assert!(error.to_string().contains("WSREP"), "{error}");
    let class = Connection::note_error(&mut held, &error);
    assert_eq!(class, ErrorClass::Transient);
    let error = pool.get().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        (ErrorKind::Connect, true)
    );
    assert!(error.to_string().contains("WSREP"), "{error}");
}
