//! PostgreSQL: what one user leaves behind and the next one finds, under each of `never`, `rollback` and `full`.

use ::postgres::{Client, NoTls};
use queuepool::ResetOnReturn::{Full, Never, Rollback};
use queuepool::postgres::PostgresPool;
use queuepool::{Builder, PrePing, ResetOnReturn, Settings};

use crate::pool::size;
use crate::postgres_watched::watched;
use support::half_read::pid;
use support::scripted::secs;
use support::servers::Postgres;

fn build(url: &str, settings: Settings) -> PostgresPool {
    PostgresPool::builder(url)
        .map(|builder| builder.settings(settings))
        .and_then(Builder::build)
        .unwrap()
}

fn settings(how: ResetOnReturn) -> Settings {
    size(1, 0)
        .pre_ping(PrePing::Never)
        .command_timeout(secs(77))
        .reset_on_return(how)
}

fn pool(url: &str, how: ResetOnReturn) -> PostgresPool {
    build(url, settings(how))
}

/// One on which every return is reset, and one that sends no reset that is not needed.
fn pools(url: &str, how: ResetOnReturn) -> [PostgresPool; 2] {
    [pool(url, how), watched(url, settings(how))]
}

/// The first column of the first row, as text. It is asked in a single request, and so in a transaction of its own if none
/// is open.
fn ask(client: &mut Client, sql: &str) -> String {
    let row = client.query_one(&format!("SELECT ({sql})::text"), &[]);
    row.unwrap().get(0)
}

/// What is left behind, how the next user sees it, and whether it stays under never, rollback and full.
struct Row {
    what: &'static str,
    leave: fn(&mut Client),
    is_left: fn(&mut Client) -> bool,
    stays: [bool; 3],
}

const ALL: [bool; 3] = [true, true, true];
const NOT_FULL: [bool; 3] = [true, true, false];
const NEVER: [bool; 3] = [true, false, false];

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap();
}

/// The table of `ResetOnReturn`.
const TABLE: &[Row] = &[
    Row {
        what: "an open transaction",
        leave: |client| run(client, "BEGIN; INSERT INTO t VALUES (1)"),
        // Outside a transaction, the first VACUUM is accepted.
        is_left: |client| client.batch_execute("VACUUM t").is_err(),
        stays: NEVER,
    },
    Row {
        what: "a failed transaction",
        leave: |client| {
            run(client, "BEGIN");
            client.batch_execute("SELECT 1/0").unwrap_err();
        },
        is_left: |client| client.batch_execute("SELECT 1").is_err(),
        stays: NEVER,
    },
    Row {
        what: "a locked table",
        leave: |client| run(client, "BEGIN; LOCK TABLE t"),
        is_left: |client| {
            let held = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND pid = pg_backend_pid()";
            ask(client, held) == "true"
        },
        stays: NEVER,
    },
    Row {
        what: "LISTEN",
        leave: |client| run(client, "LISTEN news"),
        is_left: |client| ask(client, "SELECT count(*) FROM pg_listening_channels()") == "1",
        stays: NEVER,
    },
    Row {
        what: "unread notifications",
        leave: |client| run(client, "LISTEN news; NOTIFY news"),
        is_left: |client| !client.notifications().is_empty(),
        stays: NEVER,
    },
    Row {
        what: "a session setting",
        leave: |client| run(client, "SET work_mem = '7MB'; SET search_path = nowhere"),
        is_left: |client| ask(client, "current_setting('work_mem')") == "7MB",
        stays: NOT_FULL,
    },
    Row {
        what: "the default of transactions",
        leave: |client| {
            run(
                client,
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            )
        },
        is_left: |client| ask(client, "current_setting('transaction_read_only')") == "on",
        stays: NOT_FULL,
    },
    Row {
        what: "the role",
        leave: |client| run(client, "SET ROLE app"),
        is_left: |client| ask(client, "current_user") == "app",
        stays: NOT_FULL,
    },
    Row {
        what: "the session's authorization",
        leave: |client| run(client, "SET SESSION AUTHORIZATION app"),
        is_left: |client| ask(client, "session_user") == "app",
        stays: NOT_FULL,
    },
    Row {
        what: "a cursor WITH HOLD",
        leave: |client| run(client, "DECLARE c CURSOR WITH HOLD FOR SELECT 1"),
        is_left: |client| ask(client, "SELECT count(*) FROM pg_cursors WHERE name = 'c'") == "1",
        stays: NOT_FULL,
    },
    Row {
        what: "an advisory lock",
        leave: |client| run(client, "SELECT pg_advisory_lock(7)"),
        is_left: |client| {
            let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
            ask(client, held) == "1"
        },
        stays: NOT_FULL,
    },
    Row {
        what: "a temporary table",
        leave: |client| run(client, "CREATE TEMP TABLE mine (i int)"),
        is_left: |client| ask(client, "to_regclass('pg_temp.mine') IS NOT NULL") == "true",
        stays: NOT_FULL,
    },
    Row {
        what: "a sequence's currval",
        leave: |client| run(client, "SELECT nextval('s')"),
        is_left: |client| client.batch_execute("SELECT currval('s')").is_ok(),
        stays: NOT_FULL,
    },
    Row {
        what: "statements prepared by SQL",
        leave: |client| {
            run(client, "PREPARE plain AS SELECT 1");
            run(
                client,
                "PREPARE \"a \"\"quoted\"\"; name'\\ \u{e9}\n\" AS SELECT 1",
            );
        },
        is_left: |client| {
            let left = "SELECT count(*) FROM pg_prepared_statements WHERE from_sql";
            ask(client, left) == "2"
        },
        stays: NOT_FULL,
    },
    Row {
        what: "the driver's own statements",
        leave: |client| drop(client.query("SELECT colour FROM pot", &[]).unwrap()),
        is_left: |client| {
            let left = "SELECT count(*) > 1 FROM pg_prepared_statements WHERE NOT from_sql";
            ask(client, left) == "true"
        },
        stays: ALL,
    },
    Row {
        what: "a loaded library",
        leave: |client| run(client, "LOAD 'auto_explain'"),
        is_left: |client| {
            let left = "SELECT count(*) > 0 FROM pg_settings WHERE name LIKE 'auto_explain.%'";
            ask(client, left) == "true"
        },
        stays: ALL,
    },
    Row {
        what: "the value of a custom setting",
        leave: |client| run(client, "SET my.own = 'mine'"),
        is_left: |client| ask(client, "coalesce(current_setting('my.own', true), '')") == "mine",
        stays: NOT_FULL,
    },
    Row {
        what: "the existence of a custom setting",
        leave: |client| run(client, "SET my.own = 'mine'"),
        is_left: |client| ask(client, "current_setting('my.own', true) IS NOT NULL") == "true",
        stays: ALL,
    },
    Row {
        what: "another statement limit",
        leave: |client| run(client, "SET statement_timeout = 0"),
        is_left: |client| ask(client, "current_setting('statement_timeout')") != "77s",
        stays: NOT_FULL,
    },
];

const OBJECTS: &str = "CREATE TABLE t (i int); CREATE SEQUENCE s; \
                       CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE TABLE pot (colour colour); \
                       CREATE TYPE size AS ENUM ('s', 'm'); CREATE TABLE shirt (size size);";

/// As superuser, who may do all of this.
fn server() -> Postgres {
    let server = Postgres::start();
    run(&mut client(&server), OBJECTS);
    server
}

fn client(server: &Postgres) -> Client {
    Client::connect(&server.admin_url(), NoTls).unwrap()
}

#[test]
fn every_cell_of_the_table_of_what_never_rollback_and_full_undo() {
    let server = server();
    let mut wrong = Vec::new();
    for row in TABLE {
        let all = [Never, Rollback, Full].into_iter().zip(row.stays);
        for (how, stays, pool) in all
            .flat_map(|(how, stays)| pools(&server.admin_url(), how).map(|pool| (how, stays, pool)))
        {
            let mut holder = pool.get().unwrap();
            let before = pid(&mut holder);
            assert!(!(row.is_left)(&mut holder), "{} before", row.what);
            (row.leave)(&mut holder);
            drop(holder);
            let mut next = pool.get().unwrap();
            if (row.is_left)(&mut next) != stays {
                wrong.push(format!("{} under {how:?}: expected {stays}", row.what));
            }
            // The answer did not come from another connection.
            run(
                &mut next,
                "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ROLE",
            );
            assert_eq!(pid(&mut next), before, "{} under {how:?}", row.what);
            // What one row leaves behind must not reach the next row's test.
            drop(next);
            pool.close(secs(5)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Leaves behind, in one session, everything that the table says is undone.
fn leave_all(client: &mut Client) {
    for row in TABLE {
        if !matches!(
            row.what,
            "an open transaction" | "a failed transaction" | "a locked table"
        ) {
            (row.leave)(client);
            run(
                client,
                "RESET SESSION AUTHORIZATION; RESET ROLE; RESET search_path",
            );
            run(
                client,
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            );
        }
    }
}

#[test]
fn full_undoes_all_of_it_at_once_in_whatever_state_the_transaction_is() {
    let server = server();
    // A user's own versions of what `full` calls, which the session's search_path finds first.
    let traps = "CREATE SCHEMA trap; \
                 CREATE FUNCTION trap.pg_advisory_unlock_all() RETURNS int LANGUAGE sql AS 'SELECT 1/0'; \
                 CREATE VIEW trap.pg_prepared_statements AS SELECT 'x'::text AS name, true AS from_sql";
    run(&mut client(&server), traps);
    for last in [
        "SELECT 1",
        "BEGIN",
        "BEGIN; SET LOCAL search_path = trap; SET LOCAL ROLE app",
        "BEGIN READ ONLY",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT a; SELECT 1/0",
        "SET SESSION AUTHORIZATION app; SET search_path = trap, pg_catalog; BEGIN; SELECT 1/0",
        "SET standard_conforming_strings = off; SET backslash_quote = off; SET search_path = trap, pg_catalog",
        "SET client_encoding = 'LATIN1'; SET default_transaction_read_only = on",
        "SET SESSION AUTHORIZATION app; BEGIN; DECLARE d CURSOR FOR SELECT 1",
    ] {
        for pool in pools(&server.admin_url(), Full) {
            let mut holder = pool.get().unwrap();
            let before = pid(&mut holder);
            leave_all(&mut holder);
            for sql in last.split_inclusive(';') {
                // In some cases the last statement fails, as it is meant to.
                let _ = holder.batch_execute(sql);
            }
            drop(holder);
            let mut next = pool.get().unwrap();
            assert_eq!(pid(&mut next), before, "{last}");
            for row in TABLE {
                assert!(
                    row.stays[2] || !(row.is_left)(&mut next),
                    "{} after {last}",
                    row.what
                );
            }
            assert_eq!(ask(&mut next, "current_setting('client_encoding')"), "UTF8");
        }
    }
}

/// See neondatabase/neon#11165, rust-postgres/rust-postgres#636 and deadpool-rs/deadpool#57.
#[test]
fn the_second_table_with_an_enum_is_read_as_the_first_was() {
    let server = server();
    for how in [Never, Rollback, Full] {
        let pool = pool(&server.admin_url(), how);
        for sql in ["SELECT colour FROM pot", "SELECT size FROM shirt"] {
            pool.get().unwrap().query(sql, &[]).unwrap();
        }
    }
}

#[test]
fn notifications_of_one_user_reach_no_other() {
    let server = server();
    for (how, pool) in [Rollback, Full]
        .into_iter()
        .flat_map(|how| pools(&server.admin_url(), how).map(|pool| (how, pool)))
    {
        let mut holder = pool.get().unwrap();
        run(&mut holder, "LISTEN news");
        let many = "SELECT count(pg_notify('news', i::text)) FROM generate_series(1, 10000) i";
        run(&mut client(&server), many);
        drop(holder);
        run(&mut client(&server), many);
        let mut next = pool.get().unwrap();
        run(&mut next, "SELECT 1");
        assert_eq!(next.notifications().len(), 0, "{how:?}");
        // The next user's own notifications arrive as usual.
        run(&mut next, "LISTEN news; NOTIFY news, 'mine'");
        assert_eq!(next.notifications().len(), 1, "{how:?}");
    }
}

/// The strings of SQL that the server was sent since position `from` of its log.
fn strings(server: &Postgres, from: usize) -> Vec<String> {
    let log = server.log_text().split_off(from);
    let strings = log.lines().filter(|line| line.contains("statement: "));
    strings.map(str::to_owned).collect()
}

#[test]
fn a_reset_is_one_string_unless_the_transaction_had_failed_or_somebody_prepared() {
    let server = Postgres::start_with(&["log_statement=all", "log_min_messages=warning"]);
    for (how, leave, wanted) in [
        (Rollback, "SELECT 1", 1),
        (Rollback, "BEGIN; SELECT 1/0", 2),
        (Full, "SELECT 1", 1),
        (Full, "BEGIN; SELECT 1/0", 2),
        (Full, "PREPARE a AS SELECT 1; PREPARE b AS SELECT 1", 2),
        (Never, "BEGIN", 1),
    ] {
        let pool = pool(&server.url(), how);
        let mut holder = pool.get().unwrap();
        for sql in leave.split_inclusive(';') {
            let _ = holder.batch_execute(sql);
        }
        let from = server.log_text().len();
        drop(holder);
        let sent = strings(&server, from);
        assert_eq!(sent.len(), wanted, "{how:?} after {leave}: {sent:#?}");
    }
}
