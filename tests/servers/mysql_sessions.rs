//! MariaDB and MySQL: what a session keeps, what a reset removes from it, and what the pool's own statements leave in it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, LocalInfileHandler, Opts, OptsBuilder};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::{Builder, CloseReason, Database, ErrorKind, PrePing, ResetOnReturn};

use crate::pool::size;
use support::scripted::millis;
use support::servers::{TestServer, on_each};

on_each!([
    a_rollback_begins_no_transaction_where_a_user_has_chained_them,
    full_brings_back_the_roles_of_the_login,
    a_file_handler_of_one_user_reads_nothing_for_the_next,
    after_a_panic_the_session_is_as_init_left_it,
    full_chooses_the_database_that_init_chose,
    full_leaves_autocommit_as_init_set_it,
    a_holders_ping_ends_no_transaction_of_his,
    a_ping_under_never_ends_no_transaction,
    a_keepalive_leaves_no_old_snapshot,
    a_validation_query_with_several_results_leaves_none_unread,
    a_validation_query_that_worked_and_then_fails_closes_its_connection,
]: mariadb = MariaDb, mysql_itself = MySql);

fn opts(url: &str) -> OptsBuilder {
    OptsBuilder::from_opts(Opts::from_url(url).unwrap())
}

fn one(opts: OptsBuilder) -> Builder<MySqlManager> {
    MySqlPool::builder(Opts::from(opts))
        .unwrap()
        .settings(size(1, 0).pre_ping(PrePing::Never))
}

fn resetting(opts: OptsBuilder, how: ResetOnReturn) -> MySqlPool {
    one(opts)
        .settings(size(1, 0).reset_on_return(how))
        .build()
        .unwrap()
}

fn run_as_admin<S: TestServer>(server: &S, statements: &[&str]) {
    let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
    for sql in statements {
        admin.query_drop(sql).unwrap();
    }
}

fn text(pool: &MySqlPool, sql: &str) -> Option<String> {
    pool.get().unwrap().query_first(sql).unwrap().unwrap()
}

fn a_rollback_begins_no_transaction_where_a_user_has_chained_them<S: TestServer>() {
    let server = S::start();
    run_as_admin(&server, &["CREATE TABLE app.kept (a int) ENGINE=InnoDB"]);
    // 1: each COMMIT and ROLLBACK begins the next transaction. 2: each of them ends the session.
    for completion_type in [1, 2] {
        let pool = resetting(opts(&server.url()), ResetOnReturn::Rollback);
        let mut connection = pool.get().unwrap();
        connection
            .query_drop(format!("SET completion_type = {completion_type}"))
            .unwrap();
        connection.query_drop("BEGIN").unwrap();
        drop(connection);
        pool.get()
            .unwrap()
            .query_drop("INSERT INTO kept VALUES (1)")
            .unwrap();
        assert_eq!(pool.status().total_connections_created, 1);
        let kept = text(&pool, "SELECT CAST(count(*) AS CHAR) FROM kept");
        assert_eq!(kept, Some(completion_type.to_string()));
    }
}

fn full_brings_back_the_roles_of_the_login<S: TestServer>() {
    let server = S::start();
    run_as_admin(
        &server,
        &[
            "CREATE ROLE auditor, clerk",
            "GRANT auditor TO app@'127.0.0.1'",
            "GRANT clerk TO app@'127.0.0.1'",
        ],
    );
    // On neither server does COM_RESET_CONNECTION touch the roles.
    let role = "SELECT CURRENT_ROLE()";
    let pool = resetting(opts(&server.url()), ResetOnReturn::Full);
    let of_login = text(&pool, role);
    pool.get().unwrap().query_drop("SET ROLE auditor").unwrap();
    assert_eq!(text(&pool, role), of_login);
    assert_eq!(pool.status().total_connections_created, 1);
    // A role that a connect hook has chosen stays chosen.
    let pool = one(opts(&server.url()))
        .settings(size(1, 0).reset_on_return(ResetOnReturn::Full))
        .on_connect(|connection, _| Ok(connection.query_drop("SET ROLE clerk")?))
        .build()
        .unwrap();
    let of_hook = text(&pool, role);
    assert!(of_hook.as_ref().is_some_and(|role| role.contains("clerk")));
    for other in ["auditor", "NONE"] {
        pool.get()
            .unwrap()
            .query_drop(format!("SET ROLE {other}"))
            .unwrap();
        assert_eq!(text(&pool, role), of_hook);
    }
    assert_eq!(pool.status().total_connections_created, 1);
}

fn a_file_handler_of_one_user_reads_nothing_for_the_next<S: TestServer>() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let server = S::start_with(&["--local-infile=ON"]);
    run_as_admin(&server, &["CREATE TABLE app.lines (a int)"]);
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let pool = resetting(opts(&server.url()), how);
        let load = "LOAD DATA LOCAL INFILE 'any' INTO TABLE app.lines";
        let mut connection = pool.get().unwrap();
        let before = READ.load(SeqCst);
        connection.set_local_infile_handler(Some(LocalInfileHandler::new(|_, _| {
            READ.fetch_add(1, SeqCst);
            Ok(())
        })));
        connection.query_drop(load).unwrap();
        assert_eq!(READ.load(SeqCst), before + 1);
        drop(connection);
        let _ = pool.get().unwrap().query_drop(load);
        assert_eq!(READ.load(SeqCst), before + 1, "{how:?}");
    }
}

fn after_a_panic_the_session_is_as_init_left_it<S: TestServer>() {
    let server = S::start_with(&["--character-set-server=latin1"]);
    let look = "SELECT CONCAT_WS(' ', @@character_set_client, @@collation_connection, @@time_zone, @left, DATABASE())";
    for init in [
        vec![],
        vec![
            "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
            "SET time_zone = '+01:00' -- mine",
        ],
    ] {
        for how in [ResetOnReturn::Never, ResetOnReturn::Rollback] {
            let pool = resetting(opts(&server.url()).init(init.clone()), how);
            let fresh = text(&pool, look);
            let holder = std::thread::spawn({
                let pool = pool.clone();
                move || {
                    let mut connection = pool.get().unwrap();
                    connection
                        .query_drop("SET NAMES latin1, time_zone = '+09:00', @left = 1")
                        .unwrap();
                    std::panic::resume_unwind(Box::new("a holder's panic"));
                }
            });
            holder.join().unwrap_err();
            assert_eq!(text(&pool, look), fresh, "{how:?} {init:?}");
            assert_eq!(pool.status().total_connections_created, 1);
        }
    }
}

fn full_chooses_the_database_that_init_chose<S: TestServer>() {
    let server = S::start();
    run_as_admin(
        &server,
        &[
            "CREATE DATABASE other",
            "CREATE DATABASE `odd``name`",
            "GRANT ALL ON *.* TO app@'127.0.0.1'",
        ],
    );
    let database = "SELECT DATABASE()";
    for (own, init, chosen) in [
        (Some("app"), vec!["use other"], "other"),
        (None, vec!["SET @a = 1; USE other"], "other"),
        (Some("odd`name"), vec![], "odd`name"),
    ] {
        let opts = opts(&server.url()).db_name(own).init(init);
        let pool = resetting(opts, ResetOnReturn::Full);
        for _ in 0..2 {
            assert_eq!(text(&pool, database).as_deref(), Some(chosen));
            pool.get().unwrap().query_drop("USE mysql").unwrap();
        }
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

fn full_leaves_autocommit_as_init_set_it<S: TestServer>() {
    let server = S::start();
    let autocommit = "SELECT @@autocommit";
    for (init, wanted) in [(vec![], "1"), (vec!["SET autocommit = 0"], "0")] {
        let pool = resetting(opts(&server.url()).init(init), ResetOnReturn::Full);
        for others in ["SET autocommit = 0", "SET autocommit = 1"] {
            pool.get().unwrap().query_drop(others).unwrap();
            assert_eq!(text(&pool, autocommit).as_deref(), Some(wanted));
        }
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

const WITHOUT_AUTOCOMMIT: &str = "SET autocommit = 0";
const COUNT: &str = "SELECT count(*) FROM seen";

/// Creates a table. The pool's sessions read from it without autocommit, and so in a transaction; so does its
/// validation_query.
fn with_a_table<S: TestServer>(server: &S) -> Builder<MySqlManager> {
    run_as_admin(server, &["CREATE TABLE app.seen (a int) ENGINE=InnoDB"]);
    one(opts(&server.url()).init(vec![WITHOUT_AUTOCOMMIT]))
}

fn rows(connection: &mut Conn) -> i64 {
    connection.query_first(COUNT).unwrap().unwrap()
}

fn a_holders_ping_ends_no_transaction_of_his<S: TestServer>() {
    // Makes every login begin without autocommit.
    let server = S::start_with(&["--init-connect=SET autocommit = 0"]);
    run_as_admin(&server, &["CREATE TABLE app.seen (a int) ENGINE=InnoDB"]);
    let settings = size(1, 0).pre_ping(PrePing::Never).validation_query(COUNT);
    let database = Database::open_with(&server.url(), settings).unwrap();
    let mut connection = database.get().unwrap();
    connection.execute("INSERT INTO seen VALUES (1)").unwrap();
    connection.ping().unwrap();
    connection.execute("COMMIT").unwrap();
    assert_eq!(connection.query_i64(COUNT).unwrap(), 1);
    connection.execute("INSERT INTO seen VALUES (2)").unwrap();
    // After an error, the driver does not know the state of the session.
    connection.execute("SELEC 1").unwrap_err();
    connection.ping().unwrap();
    connection.execute("COMMIT").unwrap();
    assert_eq!(connection.query_i64(COUNT).unwrap(), 2);
}

fn a_ping_under_never_ends_no_transaction<S: TestServer>() {
    let server = S::start();
    let settings = size(1, 0)
        .pre_ping(PrePing::Always)
        .reset_on_return(ResetOnReturn::Never)
        .validation_query(COUNT);
    let pool = with_a_table(&server).settings(settings).build().unwrap();
    let mut connection = pool.get().unwrap();
    connection
        .query_drop("INSERT INTO seen VALUES (1)")
        .unwrap();
    drop(connection);
    assert_eq!(rows(&mut pool.get().unwrap()), 1);
}

fn a_keepalive_leaves_no_old_snapshot<S: TestServer>() {
    let server = S::start();
    let settings = size(1, 0)
        .pre_ping(PrePing::Never)
        .keepalive(millis(50))
        .validation_query("INSERT INTO seen VALUES (7)");
    let pool = with_a_table(&server).settings(settings).build().unwrap();
    drop(pool.get().unwrap());
    let pings = || {
        let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
        let (_, inserts): (String, u64) = admin
            .query_first("SHOW GLOBAL STATUS LIKE 'Com_insert'")
            .unwrap()
            .unwrap();
        inserts
    };
    let before = pings();
    support::scripted::eventually("three keepalives", || pings() >= before + 3);
    // The keepalives left nothing open and stored nothing.
    assert_eq!(rows(&mut pool.get().unwrap()), 0);
    assert_eq!(pool.status().total_connections_created, 1);
}

fn a_validation_query_with_several_results_leaves_none_unread<S: TestServer>() {
    let server = S::start();
    for query in ["SELECT 1; SELECT 2; SELECT 3", "SELECT 1 UNION SELECT 2"] {
        for how in [ResetOnReturn::Never, ResetOnReturn::Rollback] {
            let settings = size(1, 0)
                .pre_ping(PrePing::Always)
                .reset_on_return(how)
                .validation_query(query);
            let pool = one(opts(&server.url())).settings(settings).build().unwrap();
            for _ in 0..3 {
                assert_eq!(text(&pool, "SELECT 'mine'").as_deref(), Some("mine"));
            }
            assert_eq!(pool.status().total_connections_created, 1, "{query}");
        }
    }
}

fn a_validation_query_that_worked_and_then_fails_closes_its_connection<S: TestServer>() {
    let server = S::start();
    let settings = size(2, 0).pre_ping(PrePing::Always).validation_query(COUNT);
    run_as_admin(&server, &["CREATE TABLE app.seen (a int) ENGINE=InnoDB"]);
    let pool = one(opts(&server.url())).settings(settings).build().unwrap();
    let both = [(); 2].map(|()| pool.get().unwrap());
    drop(both);
    drop(pool.get().unwrap());
    run_as_admin(&server, &["DROP TABLE app.seen"]);
    // Both connections fail their test, and a new one is not tested.
    drop(pool.get().unwrap());
    support::scripted::eventually("both are closed", || {
        let closed = pool.status().closed_by_reason;
        closed.get(&CloseReason::ValidationFailed) == Some(&2)
    });
    let error = pool.ping().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    assert!(error.to_string().contains("seen"), "{error}");
}
