//! PostgreSQL: a validation_query that is wrong, and one that would leave a transaction open.

use ::postgres::{Client, SimpleQueryMessage};
use queuepool::postgres::PostgresPool;
use queuepool::{CloseReason, Database, ErrorKind, PrePing, ResetOnReturn, Settings};

use crate::pool::size;
use support::servers::Postgres;

fn settings(query: &str) -> Settings {
    let settings = size(3, 0).pre_ping(PrePing::Always);
    settings.validation_query(query)
}

fn pool(server: &Postgres, settings: Settings) -> PostgresPool {
    let builder = PostgresPool::builder(server.url()).unwrap();
    builder.settings(settings).build().unwrap()
}

fn is_in_transaction(client: &mut Client) -> bool {
    let sql = "SELECT now() <> statement_timestamp()";
    let messages = client.simple_query(sql).unwrap();
    messages.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
        _ => false,
    })
}

#[test]
fn a_query_that_the_server_refuses_is_a_validation_error_and_opens_no_connections() {
    let server = Postgres::start();
    for (query, words) in [
        ("SELEC 1", "syntax error at or near \"SELEC\""),
        (
            "SELECT 1 FROM nowhere",
            "relation \"nowhere\" does not exist",
        ),
        ("SELECT nothing()", "function nothing() does not exist"),
        (
            "SELECT 1 FROM pg_authid",
            "permission denied for table pg_authid",
        ),
        (
            "SELECT 1 FROM nowhere.t",
            "relation \"nowhere.t\" does not exist",
        ),
        (
            "CREATE TABLE nowhere.t ()",
            "schema \"nowhere\" does not exist",
        ),
        (
            "EXECUTE nothing",
            "prepared statement \"nothing\" does not exist",
        ),
        ("BEGIN; SELEC 1", "syntax error at or near \"SELEC\""),
        (
            "BEGIN; SELECT 1 FROM nowhere",
            "relation \"nowhere\" does not exist",
        ),
    ] {
        let pool = pool(&server, settings(query));
        // The first connection is new and is not tested.
        drop(pool.get().unwrap());
        for _ in 0..10 {
            let error = pool.get().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
            let text = error.to_string();
            assert!(text.contains(&format!("{query:?}")), "{text}");
            assert!(text.contains(words), "{text}");
        }
        let status = pool.status();
        assert_eq!(status.total_connections_created, 1, "{query}");
        assert_eq!(status.total_connections_closed, 0, "{query}");
    }
}

#[test]
fn a_query_that_has_worked_and_then_fails_closes_its_connection() {
    let server = Postgres::start();
    let pool = pool(&server, settings("SELECT 1 FROM ready"));
    let mut client = pool.get().unwrap();
    client.batch_execute("CREATE TABLE ready ()").unwrap();
    drop(client);
    drop(pool.get().unwrap());
    let mut client = pool.get().unwrap();
    client.batch_execute("DROP TABLE ready").unwrap();
    drop(client);
    let mut client = pool.get().unwrap();
    client.batch_execute("CREATE TABLE ready ()").unwrap();
    let status = pool.status();
    let closed = status.closed_by_reason.get(&CloseReason::ValidationFailed);
    assert_eq!((closed, status.total_connections_created), (Some(&1), 2));
}

#[test]
fn a_query_that_fails_for_what_it_finds_closes_its_connection() {
    let server = Postgres::start();
    let pool = pool(&server, settings("SELECT 1/0"));
    drop(pool.get().unwrap());
    drop(pool.get().unwrap());
    let status = pool.status();
    let closed = status.closed_by_reason.get(&CloseReason::ValidationFailed);
    assert_eq!((closed, status.total_connections_created), (Some(&1), 2));
}

#[test]
fn any_connections_ping_tells_a_refused_query_from_a_lost_connection() {
    let server = Postgres::start();
    let settings = settings("SELECT 1 FROM nowhere");
    let database = Database::open_with(&server.url(), settings).unwrap();
    let mut connection = database.get().unwrap();
    let error = connection.ping().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    assert!(error.to_string().contains("nowhere"), "{error}");
    connection.execute("CREATE TABLE nowhere ()").unwrap();
    connection.ping().unwrap();
    drop(connection);
    assert_eq!(database.status().total_connections_closed, 0);
}

const BEGINNERS: [&str; 4] = [
    "BEGIN; SELECT 1",
    "start transaction read only; SELECT 1",
    "BEGIN; SELECT 1; COMMIT",
    "/* begin */ SELECT 1",
];

#[test]
fn a_query_that_begins_a_transaction_leaves_none_open() {
    let server = Postgres::start();
    for query in BEGINNERS {
        for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
            let pool = pool(&server, settings(query).reset_on_return(how));
            for _ in 0..3 {
                let mut client = pool.get().unwrap();
                assert!(!is_in_transaction(&mut client), "{query} {how:?}");
            }
            assert!(pool.health_check().unwrap().reachable);
            assert!(!is_in_transaction(&mut pool.get().unwrap()));
            assert_eq!(pool.status().total_connections_created, 1);
        }
    }
}

#[test]
fn under_never_the_transaction_of_a_query_stays_open() {
    let server = Postgres::start();
    let settings = settings("BEGIN; SELECT 1").reset_on_return(ResetOnReturn::Never);
    let pool = pool(&server, settings);
    drop(pool.get().unwrap());
    assert!(is_in_transaction(&mut pool.get().unwrap()));
}

#[test]
fn a_query_that_begins_a_transaction_leaves_its_holders_alone() {
    let server = Postgres::start();
    for query in BEGINNERS {
        let settings = settings(query.trim_end_matches("; COMMIT"));
        let database = Database::open_with(&server.url(), settings).unwrap();
        let mut connection = database.get().unwrap();
        connection.ping().unwrap();
        let typed = connection.postgres().unwrap();
        assert!(!is_in_transaction(typed), "{query}");
        typed
            .batch_execute("DROP TABLE IF EXISTS t; BEGIN; CREATE TABLE t ()")
            .unwrap();
        connection.ping().unwrap();
        connection.execute("COMMIT").unwrap();
        assert_eq!(connection.query_i64("SELECT count(*) FROM t").unwrap(), 0);
    }
}
