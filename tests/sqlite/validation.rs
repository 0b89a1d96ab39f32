//! A user's own validation_query: one that is wrong, one that fails later, and one that leaves something behind.

use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{CloseReason, Database, ErrorKind, Mode, Pool, PrePing, ResetOnReturn, Settings};

fn settings(query: &str) -> Settings {
    Settings::default()
        .mode(Mode::Queue)
        .pre_ping(PrePing::Always)
        .validation_query(query)
}

fn pool(settings: Settings) -> Pool<SqliteManager> {
    SqlitePool::builder("sqlite::memory:")
        .unwrap()
        .settings(settings)
        .build()
        .unwrap()
}

#[test]
fn one_that_is_refused_is_named_and_costs_no_connection() {
    for query in ["SELEC 1", "SELECT * FROM nowhere", "SELECT nothing"] {
        let pool = pool(settings(query));
        drop(pool.get().unwrap());
        for _ in 0..10 {
            let error = pool.get().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
            let text = error.to_string();
            assert!(text.contains(query), "{text}");
            assert!(
                text.contains("syntax error") || text.contains("no such"),
                "{text}"
            );
        }
        let status = pool.status();
        assert_eq!(status.total_connections_created, 1, "{status:#?}");
        assert_eq!(status.idle_connections, 1, "{status:#?}");
        assert_eq!(
            status.validation_failures, 1,
            "the query is sent once a second"
        );
        assert_eq!(pool.ping().unwrap_err().kind(), ErrorKind::Validation);
        let check = pool.health_check().unwrap();
        assert!(check.error.is_some_and(|error| error.contains(query)));
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

#[test]
fn one_that_is_refused_is_asked_again_after_a_second() {
    let pool = pool(settings("SELECT * FROM later"));
    drop(pool.get().unwrap());
    pool.get().unwrap_err();
    // On a connection that would need no test.
    let connection = pool.try_get();
    assert!(connection.is_err(), "the refusal still stands");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Validation);
}

#[test]
fn one_that_succeeded_before_and_fails_later_closes_its_connection() {
    let pool = pool(settings("SELECT * FROM there"));
    let connection = pool.get().unwrap();
    connection.execute_batch("CREATE TABLE there (a)").unwrap();
    drop(connection);
    drop(pool.get().unwrap());
    let connection = pool.get().unwrap();
    connection.execute_batch("DROP TABLE there").unwrap();
    drop(connection);
    // The connection whose test failed is closed, and another one is opened.
    drop(pool.get().unwrap());
    let status = pool.status();
    let failed = status.closed_by_reason.get(&CloseReason::ValidationFailed);
    assert_eq!(failed, Some(&1), "{status:#?}");
    assert_eq!(status.total_connections_created, 2);
}

#[test]
fn one_that_begins_a_transaction_leaves_none_except_under_never() {
    for (how, autocommit) in [
        (ResetOnReturn::Never, false),
        (ResetOnReturn::Rollback, true),
        (ResetOnReturn::Full, true),
    ] {
        let pool = pool(settings("BEGIN").reset_on_return(how));
        drop(pool.get().unwrap());
        assert_eq!(pool.get().unwrap().is_autocommit(), autocommit, "{how:?}");
    }
}

#[test]
fn a_holders_own_ping_leaves_his_transaction_open() {
    let database = Database::builder("sqlite::memory:")
        .settings(settings("SELECT 1"))
        .build()
        .unwrap();
    let mut connection = database.get().unwrap();
    connection.execute("BEGIN").unwrap();
    connection.ping().unwrap();
    assert!(!connection.sqlite().unwrap().is_autocommit());
}

#[test]
fn a_holders_own_ping_says_that_the_query_is_refused() {
    let database = Database::builder("sqlite::memory:")
        .settings(settings("SELEC 1"))
        .build()
        .unwrap();
    let mut connection = database.get().unwrap();
    let error = connection.ping().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    drop(connection);
    assert_eq!(
        database.status().total,
        1,
        "nothing is wrong with the connection"
    );
}
