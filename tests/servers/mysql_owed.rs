//! MariaDB and MySQL: an answer that the driver gave up on reaches nobody, and what resets restore.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Opts, OptsBuilder};
use queuepool::mysql::MySqlPool;
use queuepool::{CloseReason, Connection, Database, ErrorClass, ErrorKind, PrePing, ResetOnReturn};

use crate::pool::size;
use support::scripted::{eventually, secs};
use support::servers::{MySql, TestServer, on_each};

on_each!([
    a_late_answer_is_given_to_nobody,
    a_noted_time_out_closes_its_connection_without_a_question,
    a_row_too_large_spoils_its_connection_alone,
    an_any_connection_runs_nothing_after_a_statement_whose_answer_is_owed,
    autocommit_is_restored_as_login_init_and_hooks_left_it,
    full_brings_back_the_database_and_what_init_set,
    full_closes_a_connection_whose_database_its_login_did_not_have,
    a_validation_query_leaves_no_old_snapshot,
    a_validation_query_that_is_refused_is_named_and_costs_no_connection
]: mariadb = MariaDb, mysql_itself = MySql);

fn opts(url: &str) -> OptsBuilder {
    OptsBuilder::from_opts(Opts::from_url(url).unwrap())
}

fn pool(opts: OptsBuilder, how: ResetOnReturn) -> queuepool::Pool<queuepool::mysql::MySqlManager> {
    MySqlPool::builder(Opts::from(opts))
        .unwrap()
        .settings(size(1, 0).reset_on_return(how))
        .build()
        .unwrap()
}

fn a_late_answer_is_given_to_nobody<S: TestServer>() {
    let server = S::start();
    for (how, slow) in [
        (ResetOnReturn::Rollback, "SELECT SLEEP(1.3)"),
        (ResetOnReturn::Rollback, "DO SLEEP(1.3)"),
        (ResetOnReturn::Full, "DO SLEEP(1.3)"),
        (ResetOnReturn::Never, "DO SLEEP(1.3)"),
        (
            ResetOnReturn::Never,
            "SELECT CONCAT('secret of the first user', SLEEP(1.3))",
        ),
    ] {
        let opts = opts(&server.url()).read_timeout(Some(secs(1)));
        let pool = pool(opts, how);
        pool.get()
            .unwrap()
            .query_drop(slow)
            .expect_err("a time-out");
        for user in ["alice", "bob"] {
            let mut connection = pool.get().unwrap();
            for what in ["balance", "address"] {
                let wanted = format!("{what} of {user}");
                let got: Option<String> = connection
                    .query_first(format!("SELECT '{wanted}'"))
                    .unwrap();
                assert_eq!(got.as_deref(), Some(&*wanted), "{how:?} {slow}");
            }
        }
        // The others got the right answers, which cost no connection.
        assert_eq!(pool.status().total_connections_created, 2, "{how:?} {slow}");
    }
}

fn a_noted_time_out_closes_its_connection_without_a_question<S: TestServer>() {
    let server = S::start();
    let pool = pool(
        opts(&server.url()).read_timeout(Some(Duration::from_millis(200))),
        ResetOnReturn::Rollback,
    );
    let mut connection = pool.get().unwrap();
    let error = connection.query_drop("DO SLEEP(1)").unwrap_err();
    let class = Connection::note_error(&mut connection, &error);
    assert_eq!(class, ErrorClass::Owed);
    drop(connection);
    let status = pool.status();
    assert_eq!(status.closed_by_reason.get(&CloseReason::Owed), Some(&1));
    assert_eq!(status.total, 0);
}

/// More than the driver accepts, which is as much as the server allows in a statement.
fn a_row_too_large_spoils_its_connection_alone<S: TestServer>() {
    let server = S::start_with(&["--max-allowed-packet=1M"]);
    const LARGE: &str = "SELECT REPEAT('a', 900000), REPEAT('b', 900000)";
    for how in [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ] {
        let pool = pool(opts(&server.url()), how);
        // The driver's query_drop loses the error, so nobody can note it.
        let _ = pool.get().unwrap().query_drop(LARGE);
        for _ in 0..3 {
            let got: Option<i64> = pool.get().unwrap().query_first("SELECT 42").unwrap();
            assert_eq!(got, Some(42), "{how:?}");
        }
        let database = Database::open_with(&server.url(), size(1, 0).reset_on_return(how)).unwrap();
        database
            .get()
            .unwrap()
            .execute(LARGE)
            .expect_err("too large");
        for _ in 0..3 {
            assert_eq!(database.get().unwrap().query_i64("SELECT 42").unwrap(), 42);
        }
        let closed = database.status().closed_by_reason;
        assert_eq!(
            closed.get(&CloseReason::Owed),
            Some(&1),
            "{how:?}: {closed:?}"
        );
    }
}

fn an_any_connection_runs_nothing_after_a_statement_whose_answer_is_owed<S: TestServer>() {
    let server = S::start_with(&["--max-allowed-packet=1M"]);
    let database = Database::open_with(&server.url(), size(1, 0)).unwrap();
    let mut connection = database.get().unwrap();
    let large = "SELECT REPEAT('a', 900000), REPEAT('b', 900000)";
    connection.execute(large).expect_err("too large");
    let error = connection.query_i64("SELECT 1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error.to_string().contains("drop this connection"),
        "{error}"
    );
    drop(connection);
    assert_eq!(database.get().unwrap().query_i64("SELECT 1").unwrap(), 1);
}

fn autocommit_is_restored_as_login_init_and_hooks_left_it<S: TestServer>() {
    let server = S::start();
    let autocommit = |connection: &mut ::mysql::Conn| -> Option<i64> {
        connection.query_first("SELECT @@autocommit").unwrap()
    };
    // Autocommit as the server sets it.
    let usual = pool(opts(&server.url()), ResetOnReturn::Rollback);
    usual
        .get()
        .unwrap()
        .query_drop("SET autocommit = 0")
        .unwrap();
    assert_eq!(autocommit(&mut usual.get().unwrap()), Some(1));
    // Autocommit as the Opts set it.
    let by_init = pool(
        opts(&server.url()).init(vec!["SET autocommit = 0"]),
        ResetOnReturn::Rollback,
    );
    by_init
        .get()
        .unwrap()
        .query_drop("SET autocommit = 1")
        .unwrap();
    assert_eq!(autocommit(&mut by_init.get().unwrap()), Some(0));
    // Autocommit as a hook sets it.
    let by_hook = MySqlPool::builder(server.url())
        .unwrap()
        .settings(size(1, 0))
        .on_connect(|connection, _| Ok(connection.query_drop("SET autocommit = 0")?))
        .build()
        .unwrap();
    by_hook
        .get()
        .unwrap()
        .query_drop("SET autocommit = 1")
        .unwrap();
    assert_eq!(autocommit(&mut by_hook.get().unwrap()), Some(0));
    for pool in [usual, by_init, by_hook] {
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

fn full_brings_back_the_database_and_what_init_set<S: TestServer>() {
    let server = S::start();
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    for sql in [
        "CREATE DATABASE other",
        "GRANT ALL ON other.* TO 'app'@'127.0.0.1'",
    ] {
        admin.get().unwrap().execute(sql).unwrap();
    }
    let opts = opts(&server.url()).init(vec!["SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci"]);
    let pool = pool(opts, ResetOnReturn::Full);
    let look = || -> (Option<String>, String) {
        let sql = "SELECT DATABASE(), @@collation_connection";
        pool.get().unwrap().query_first(sql).unwrap().unwrap()
    };
    let fresh = look();
    assert_eq!(fresh.1, "utf8mb4_unicode_ci");
    assert_eq!(look(), fresh);
    pool.get()
        .unwrap()
        .query_drop("USE other; SET NAMES latin1")
        .unwrap();
    assert_eq!(look(), fresh);
    assert_eq!(pool.status().total_connections_created, 1);
}

fn full_closes_a_connection_whose_database_its_login_did_not_have<S: TestServer>() {
    let server = S::start();
    let pool = pool(
        opts(&server.url()).db_name(None::<String>),
        ResetOnReturn::Full,
    );
    let database = || -> Option<String> {
        pool.get()
            .unwrap()
            .query_first("SELECT DATABASE()")
            .unwrap()
            .unwrap()
    };
    assert_eq!((database(), database()), (None, None));
    assert_eq!(pool.status().total_connections_created, 1);
    pool.get().unwrap().query_drop("USE app").unwrap();
    assert_eq!(database(), None);
    let closed = pool.status().closed_by_reason;
    assert_eq!(
        closed.get(&CloseReason::ResetFailed),
        Some(&1),
        "{closed:?}"
    );
}

fn a_validation_query_leaves_no_old_snapshot<S: TestServer>() {
    let server = S::start();
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    let run = |sql: &str| admin.get().unwrap().execute(sql).unwrap();
    run("CREATE TABLE app.seen (a int) ENGINE=InnoDB");
    let pool = MySqlPool::builder(Opts::from(
        opts(&server.url()).init(vec!["SET autocommit = 0"]),
    ))
    .unwrap()
    .settings(
        size(1, 0)
            .pre_ping(PrePing::Never)
            .validation_query("SELECT count(*) FROM seen"),
    )
    .build()
    .unwrap();
    drop(pool.get().unwrap());
    for rows in 1..=2 {
        assert!(pool.health_check().unwrap().reachable);
        pool.ping().unwrap();
        run("INSERT INTO app.seen VALUES (1)");
        let seen: Option<i64> = pool
            .get()
            .unwrap()
            .query_first("SELECT count(*) FROM seen")
            .unwrap();
        assert_eq!(seen, Some(rows));
    }
}

fn a_validation_query_that_is_refused_is_named_and_costs_no_connection<S: TestServer>() {
    let server = S::start();
    for query in [
        "SELEC 1",
        "SELECT * FROM nowhere",
        "SELECT * FROM mysql.user",
    ] {
        let settings = size(1, 0).pre_ping(PrePing::Always).validation_query(query);
        let pool = MySqlPool::builder(server.url())
            .unwrap()
            .settings(settings)
            .build()
            .unwrap();
        drop(pool.get().unwrap());
        for _ in 0..10 {
            let error = pool.get().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
            assert!(error.to_string().contains(query), "{error}");
        }
        assert_eq!(pool.status().total_connections_created, 1, "{query}");
    }
}

/// MySQL says so before it ends the session, so nothing can be concluded about the others.
#[test]
fn a_session_that_mysql_ended_for_its_idleness_says_nothing_of_the_others() {
    if !MySql::is_here() {
        return;
    }
    let server = MySql::start();
    let url = format!("{}?ssl-mode=DISABLED", server.url());
    let settings = size(3, 0).pre_ping(PrePing::Always);
    let database = Database::open_with(&url, settings).unwrap();
    let mut held = [(); 3].map(|()| database.get().unwrap());
    held[2].execute("SET SESSION wait_timeout = 1").unwrap();
    let [one, two, idle] = held;
    drop((one, two));
    // The one returned last is handed out next.
    drop(idle);
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    let of_app = "SELECT count(*) FROM information_schema.processlist WHERE user = 'app'";
    eventually("the server has ended it", || {
        admin.get().unwrap().query_i64(of_app).unwrap() == 2
    });
    drop([(); 3].map(|()| database.get().unwrap()));
    let status = database.status();
    assert_eq!(status.total_connections_created, 4, "{status:#?}");
    assert_eq!(status.total_connections_closed, 1, "{status:#?}");
}
