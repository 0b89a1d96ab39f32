//! The reset `rollback` undoes what the flags in MariaDB's and MySQL's answers do not show, so all of it is always sent.

use ::mysql::prelude::Queryable;
use ::mysql::{ChangeUserOpts, Conn, Opts, TxOpts};
use queuepool::ResetOnReturn;

use crate::mysql_one_by_one::{Proxy, pool};
use support::servers::{TestServer, on_each};

on_each!([
    whatever_the_last_answer_said_all_is_rolled_back,
    a_result_that_was_forgotten_reaches_nobody,
    a_prepared_xa_transaction_binds_nobody,
    an_xa_transaction_that_a_deadlock_ended_binds_nobody,
    autocommit_is_restored_where_the_servers_default_is_off,
]: mariadb = MariaDb, mysql_itself = MySql);

type Action = (&'static str, fn(&mut Conn));

const ROLLED_BACK: &[&str] = &[
    "ROLLBACK AND NO CHAIN NO RELEASE; UNLOCK TABLES; SET autocommit=1; \
                                SELECT 0, @@global.read_only, @@global.innodb_read_only",
];

const TABLE: &str = "CREATE TABLE t (i int)";

fn run(connection: &mut Conn, statements: &[&str]) {
    for sql in statements {
        connection.query_drop(sql).unwrap();
    }
}

/// Asserts what the next user must find.
fn is_clean(next: &mut Conn) {
    let autocommit: Option<i64> = next.query_first("SELECT @@autocommit").unwrap();
    assert_eq!(autocommit, Some(1));
    // This fails while another table is locked, and inside a read-only transaction.
    next.query_drop("INSERT INTO other VALUES (1)").unwrap();
    next.query_drop("BEGIN").unwrap();
    next.query_drop("ROLLBACK").unwrap();
}

fn each_sends_all<S: TestServer>(actions: &[Action]) {
    let server = S::start();
    let proxy = Proxy::start(server.port(), |_| false);
    let pool = pool(proxy.opts(&server), ResetOnReturn::Rollback);
    run(
        &mut pool.get().unwrap(),
        &[
            TABLE,
            "CREATE TABLE other (i int)",
            "INSERT INTO t VALUES (1), (2)",
        ],
    );
    for (name, act) in actions {
        let mut connection = pool.get().unwrap();
        act(&mut connection);
        proxy.take();
        drop(connection);
        assert_eq!(proxy.take(), ROLLED_BACK, "{name}");
        is_clean(&mut pool.get().unwrap());
        let kept: Option<i64> = (pool.get().unwrap())
            .query_first("SELECT count(*) FROM t WHERE i = 99")
            .unwrap();
        assert_eq!(kept, Some(0), "{name}");
    }
    assert_eq!(pool.status().total_connections_created, 1);
}

fn whatever_the_last_answer_said_all_is_rolled_back<S: TestServer>() {
    let actions: &[Action] = &[
        ("nothing", |_| {}),
        ("a ping", |connection| connection.ping().unwrap()),
        ("rows", |connection| {
            let rows: Vec<i64> = connection.query("SELECT i FROM t").unwrap();
            assert_eq!(rows.len(), 2);
        }),
        ("a prepared statement", |connection| {
            let found: Option<i64> = connection
                .exec_first("SELECT i FROM t WHERE i = ?", (2,))
                .unwrap();
            assert_eq!(found, Some(2));
        }),
        ("a write", |connection| {
            run(connection, &["UPDATE t SET i = 1 WHERE i = 1"]);
        }),
        ("a transaction that was committed", |connection| {
            run(
                connection,
                &["BEGIN", "UPDATE t SET i = 2 WHERE i = 2", "COMMIT"],
            );
        }),
        ("a transaction that the driver rolls back", |connection| {
            let mut transaction = connection.start_transaction(TxOpts::default()).unwrap();
            transaction.query_drop("INSERT INTO t VALUES (99)").unwrap();
        }),
        ("autocommit off and on", |connection| {
            run(
                connection,
                &["SET autocommit = 0", "SELECT 1", "SET autocommit = 1"],
            );
        }),
        ("results read in part", |connection| {
            drop(connection.query_iter("SELECT i FROM t; SELECT 1").unwrap());
        }),
        ("locked tables", |connection| {
            run(connection, &["LOCK TABLES t WRITE"]);
        }),
        // The next transaction's, which the flags do not show.
        ("a transaction to come that may only read", |connection| {
            run(connection, &["SET TRANSACTION READ ONLY"]);
        }),
        ("an open transaction", |connection| {
            run(connection, &["BEGIN", "INSERT INTO t VALUES (99)"]);
        }),
        (
            "a transaction that was begun in one request with other statements",
            |connection| {
                run(
                    connection,
                    &["SELECT 1; START TRANSACTION; INSERT INTO t VALUES (99)"],
                );
            },
        ),
        ("a transaction without a statement", |connection| {
            run(connection, &["BEGIN"]);
        }),
        ("a read-only transaction", |connection| {
            run(connection, &["START TRANSACTION READ ONLY"]);
        }),
        ("a transaction chained to another", |connection| {
            run(
                connection,
                &["BEGIN", "COMMIT AND CHAIN", "INSERT INTO t VALUES (99)"],
            );
        }),
        ("a savepoint", |connection| {
            run(
                connection,
                &[
                    "BEGIN",
                    "INSERT INTO t VALUES (99)",
                    "SAVEPOINT s",
                    "ROLLBACK TO s",
                ],
            );
        }),
        ("a transaction whose guard was forgotten", |connection| {
            let mut transaction = connection.start_transaction(TxOpts::default()).unwrap();
            transaction.query_drop("INSERT INTO t VALUES (99)").unwrap();
            std::mem::forget(transaction);
        }),
        ("autocommit off", |connection| {
            run(
                connection,
                &["SET autocommit = 0", "INSERT INTO t VALUES (99)"],
            );
        }),
        ("autocommit off and a commit", |connection| {
            run(connection, &["SET autocommit = 0", "COMMIT"]);
        }),
        ("a refused statement", |connection| {
            connection
                .query_drop("SELECT nothing")
                .expect_err("no such column");
        }),
        ("a refused statement in a transaction", |connection| {
            run(connection, &["BEGIN", "INSERT INTO t VALUES (99)"]);
            connection
                .query_drop("SELECT nothing")
                .expect_err("no such column");
        }),
        ("a refused statement after others", |connection| {
            // query_drop does not report the answer to a later statement.
            run(
                connection,
                &["BEGIN; INSERT INTO t VALUES (99); SELECT nothing"],
            );
        }),
        ("a transaction of prepared statements", |connection| {
            run(connection, &["BEGIN"]);
            connection
                .exec_drop("INSERT INTO t VALUES (?)", (99,))
                .unwrap();
            connection.prep("SELECT ?").unwrap();
        }),
    ];
    each_sends_all::<S>(actions);
}

/// Its rows or further results are still to come, and the next answer is not the reset's.
fn a_result_that_was_forgotten_reaches_nobody<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), |_| false);
    let pool = pool(proxy.opts(&server), ResetOnReturn::Rollback);
    let actions: &[Action] = &[
        ("before the rows", |connection| {
            std::mem::forget(connection.query_iter("SELECT ''").unwrap());
        }),
        ("in the middle of the rows", |connection| {
            let mut result = connection
                .query_iter("SELECT '' UNION ALL SELECT ''")
                .unwrap();
            let mut rows = result.iter().unwrap();
            assert!(rows.next().is_some());
            std::mem::forget(rows);
            std::mem::forget(result);
        }),
        ("before more results", |connection| {
            std::mem::forget(connection.query_iter("DO 1; BEGIN").unwrap());
        }),
        ("before more results that come late", |connection| {
            std::mem::forget(connection.query_iter("DO 1; DO SLEEP(0.3); BEGIN").unwrap());
        }),
    ];
    for (number, (name, act)) in actions.iter().enumerate() {
        act(&mut pool.get().unwrap());
        let mut next = pool.get().unwrap();
        let got: Option<i64> = next.query_first("SELECT 42").unwrap();
        assert_eq!(got, Some(42), "{name}");
        drop(next);
        assert_eq!(
            pool.status().total_connections_created,
            number as u64 + 2,
            "{name}"
        );
    }
}

/// It belongs to the server and not to its session, so the next user may begin a transaction, on this connection or on
/// another.
fn a_prepared_xa_transaction_binds_nobody<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), |_| false);
    let pool = pool(proxy.opts(&server), ResetOnReturn::Rollback);
    run(
        &mut pool.get().unwrap(),
        &[TABLE, "CREATE TABLE other (i int)"],
    );
    let left: &[&[&str]] = &[
        &["XA START 'a'", "INSERT INTO t VALUES (99)"],
        &["XA START 'b'", "INSERT INTO t VALUES (99)", "XA END 'b'"],
        &[
            "XA START 'c'",
            "INSERT INTO t VALUES (99)",
            "XA END 'c'",
            "XA PREPARE 'c'",
        ],
    ];
    for statements in left {
        run(&mut pool.get().unwrap(), statements);
        is_clean(&mut pool.get().unwrap());
    }
    // Without this, the server would not stop before it has waited for the transaction.
    let ended = pool.get().unwrap().query_drop("XA ROLLBACK 'c'");
    ended.unwrap();
}

/// After one more answer the flags say that no transaction is open, but the session is still bound to it.
fn an_xa_transaction_that_a_deadlock_ended_binds_nobody<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), |_| false);
    let pool = pool(proxy.opts(&server), ResetOnReturn::Rollback);
    run(
        &mut pool.get().unwrap(),
        &[
            "CREATE TABLE t (i int PRIMARY KEY, v int)",
            "CREATE TABLE other (i int)",
            "INSERT INTO t VALUES (1, 0), (2, 0)",
        ],
    );
    let mut other = Conn::new(proxy.opts(&server)).unwrap();
    // The server ends the one of the two that has changed fewer rows.
    run(&mut other, &["BEGIN"]);
    for number in 10..60 {
        run(
            &mut other,
            &[&format!("INSERT INTO t VALUES ({number}, 0)")],
        );
    }
    run(&mut other, &["UPDATE t SET v = 2 WHERE i = 2"]);
    let mut connection = pool.get().unwrap();
    run(
        &mut connection,
        &["XA START 'x'", "UPDATE t SET v = 1 WHERE i = 1"],
    );
    std::thread::scope(|scope| {
        scope.spawn(|| run(&mut other, &["UPDATE t SET v = 2 WHERE i = 1"]));
        let ended = connection.query_drop("UPDATE t SET v = 1 WHERE i = 2");
        assert!(ended.unwrap_err().to_string().contains("1213"));
    });
    connection.query_drop("DO 1").unwrap();
    drop(connection);
    is_clean(&mut pool.get().unwrap());
}

/// MySQL then says after each login that autocommit is on.
fn autocommit_is_restored_where_the_servers_default_is_off<S: TestServer>() {
    let server = S::start();
    let mut direct = Conn::new(Opts::from_url(&server.admin_url()).unwrap()).unwrap();
    run(&mut direct, &["SET GLOBAL autocommit = 0"]);
    let proxy = Proxy::start(server.port(), |_| false);
    let opts = proxy.opts(&server).init(vec!["SET autocommit = 1"]);
    let pool = pool(opts, ResetOnReturn::Rollback);
    let mut connection = pool.get().unwrap();
    connection.change_user(ChangeUserOpts::DEFAULT).unwrap();
    drop(connection);
    let autocommit: Option<i64> = (pool.get().unwrap())
        .query_first("SELECT @@autocommit")
        .unwrap();
    assert_eq!(autocommit, Some(1));
    assert_eq!(pool.status().total_connections_created, 1);
}
