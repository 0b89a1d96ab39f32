//! PostgreSQL on watched connections: a reset is sent where there is something to reset, and only there.

use std::io::{Read, Write};
use std::time::Duration;

use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::{ToSql, Type};
use ::postgres::{Client, NoTls, SimpleQueryMessage};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::{Clock, Pool, PrePing, ResetOnReturn, Settings};

use crate::pool::size;
use support::half_read::{admin, leave_a_sleeper, pid};
use support::scripted::{millis, secs};
use support::servers::{PgBouncer, Postgres, TestServer};

const NO_PARAMETERS: [&(dyn ToSql + Sync); 0] = [];

pub fn watched(url: &str, settings: Settings) -> PostgresPool {
    let manager = PostgresManager::from_url(url)
        .unwrap()
        .watch_plain_connections(true);
    Pool::builder(manager).settings(settings).build().unwrap()
}

/// Does not ping, so that a return is all that the pool itself sends.
fn silent(how: ResetOnReturn) -> Settings {
    size(1, 0).pre_ping(PrePing::Never).reset_on_return(how)
}

/// What a holder does, and whether rollback and the proof of `never` are sent at its return.
struct Case {
    what: &'static str,
    hold: fn(&mut Client),
    is_sent: [bool; 2],
}

const NOTHING: [bool; 2] = [false, false];
const ROLLBACK: [bool; 2] = [true, false];
const BOTH: [bool; 2] = [true, true];

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap();
}

/// An error is given to the caller as soon as it has come, perhaps before the message after it, and then a reset is due.
fn read_the_rest(client: &mut Client) {
    client.is_valid(secs(60)).unwrap();
}

macro_rules! runs {
    ($sql:literal, $is_sent:ident) => {
        Case {
            what: $sql,
            hold: |client| run(client, $sql),
            is_sent: $is_sent,
        }
    };
}

const CASES: &[Case] = &[
    Case {
        what: "nothing",
        hold: |_| (),
        is_sent: NOTHING,
    },
    runs!("SELECT 1", NOTHING),
    runs!("", NOTHING),
    runs!("INSERT INTO t VALUES (1)", NOTHING),
    runs!("BEGIN; SELECT 1; COMMIT", NOTHING),
    runs!("BEGIN; SELECT 1; ROLLBACK", NOTHING),
    runs!("BEGIN; SAVEPOINT a; RELEASE a; COMMIT", NOTHING),
    runs!("BEGIN", ROLLBACK),
    runs!("BEGIN; COMMIT; BEGIN", ROLLBACK),
    runs!("START TRANSACTION READ ONLY", ROLLBACK),
    runs!("BEGIN; SAVEPOINT a; ROLLBACK TO a", ROLLBACK),
    runs!("COMMIT AND NO CHAIN", NOTHING),
    runs!("BEGIN; COMMIT AND CHAIN", ROLLBACK),
    runs!(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; RESET ALL",
        NOTHING
    ),
    runs!("SET default_transaction_isolation = serializable", NOTHING),
    runs!(
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH c; CLOSE c",
        NOTHING
    ),
    runs!("PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p", NOTHING),
    runs!(
        "CREATE TEMP TABLE x (i int); ALTER TABLE x ADD j int; TRUNCATE x; DROP TABLE x",
        NOTHING
    ),
    runs!("NOTIFY news", NOTHING),
    runs!("LISTEN news", ROLLBACK),
    runs!("LISTEN news; UNLISTEN news", ROLLBACK),
    runs!("DO $$ BEGIN EXECUTE 'LISTEN news'; END $$", ROLLBACK),
    runs!("CALL listens()", ROLLBACK),
    Case {
        what: "statements prepared by the driver, held and dropped",
        hold: |client| {
            let held = client.prepare("SELECT $1::int").unwrap();
            for _ in 0..3 {
                client.query_one(&held, &[&7]).unwrap();
                client.execute("SELECT $1::int", &[&7]).unwrap();
            }
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a typed statement",
        hold: |client| {
            let typed = client.query_typed("SELECT $1", &[(&7, Type::INT4)]);
            assert_eq!(typed.unwrap().len(), 1);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "long messages in both directions",
        hold: |client| {
            let long = "x".repeat(3_000_000);
            let row = client.query_one("SELECT $1 || $1", &[&long]).unwrap();
            assert_eq!(row.get::<_, String>(0).len(), 6_000_000);
            let many = "SELECT i, repeat('y', i % 300) FROM generate_series(1, 20000) i";
            assert_eq!(client.query(many, &[]).unwrap().len(), 20_000);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a transaction that is committed",
        hold: |client| {
            let mut transaction = client.transaction().unwrap();
            let mut inner = transaction.savepoint("a").unwrap();
            inner.execute("SELECT 1", &[]).unwrap();
            inner.rollback().unwrap();
            transaction.commit().unwrap();
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a transaction that is dropped",
        hold: |client| drop(client.transaction().unwrap()),
        is_sent: NOTHING,
    },
    Case {
        what: "a transaction that is leaked",
        hold: |client| std::mem::forget(client.transaction().unwrap()),
        is_sent: ROLLBACK,
    },
    Case {
        what: "a portal in a transaction that is committed",
        hold: |client| {
            let mut transaction = client.transaction().unwrap();
            let sql = "SELECT * FROM generate_series(1, 100)";
            let portal = transaction.bind(sql, &[]).unwrap();
            assert_eq!(transaction.query_portal(&portal, 10).unwrap().len(), 10);
            drop(portal);
            transaction.commit().unwrap();
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a refused statement",
        hold: |client| {
            client.batch_execute("SELECT 1; SELECT 1/0").unwrap_err();
            read_the_rest(client);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a statement that is refused when it is prepared",
        hold: |client| {
            client.query("SELECT nothing", &[]).unwrap_err();
            read_the_rest(client);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a failed transaction",
        hold: |client| {
            run(client, "BEGIN");
            client.batch_execute("SELECT 1/0").unwrap_err();
            read_the_rest(client);
        },
        is_sent: ROLLBACK,
    },
    Case {
        what: "a failed transaction that is rolled back",
        hold: |client| {
            run(client, "BEGIN");
            client.batch_execute("SELECT 1/0").unwrap_err();
            run(client, "ROLLBACK");
        },
        is_sent: NOTHING,
    },
    Case {
        what: "a cancelled statement",
        hold: |client| {
            let sql = "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)";
            client.batch_execute(sql).unwrap_err();
            read_the_rest(client);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "rows read to the end",
        hold: |client| {
            let rows = client.query_raw("SELECT * FROM generate_series(1, 9)", NO_PARAMETERS);
            assert_eq!(rows.unwrap().count().unwrap(), 9);
        },
        is_sent: NOTHING,
    },
    Case {
        what: "rows not read to the end",
        hold: |client| {
            let sql = "SELECT * FROM generate_series(1, 10000)";
            drop(client.query_raw(sql, NO_PARAMETERS).unwrap());
        },
        is_sent: BOTH,
    },
    Case {
        what: "an answer of which nothing is read halfway",
        hold: |client| {
            drop(
                client
                    .query_raw("SELECT tells_and_waits()", NO_PARAMETERS)
                    .unwrap(),
            )
        },
        is_sent: BOTH,
    },
    Case {
        what: "a ping that was not waited for",
        hold: |client| {
            let busy = "SELECT repeat('x', 1000), CASE WHEN i > 99 THEN pg_sleep(0.2) END \
                        FROM generate_series(1, 100) i";
            drop(client.query_raw(busy, NO_PARAMETERS).unwrap());
            client.is_valid(Duration::from_millis(1)).unwrap_err();
        },
        is_sent: BOTH,
    },
    Case {
        what: "a ping",
        hold: |client| client.is_valid(secs(60)).unwrap(),
        is_sent: NOTHING,
    },
    Case {
        what: "a copy out of a table, read to its end",
        hold: |client| {
            let mut all = Vec::new();
            let mut reader = client.copy_out("COPY t TO STDOUT").unwrap();
            reader.read_to_end(&mut all).unwrap();
        },
        is_sent: BOTH,
    },
    Case {
        what: "a copy out of a table as a plain statement",
        hold: |client| drop(client.simple_query("COPY t TO STDOUT").unwrap_err()),
        is_sent: BOTH,
    },
    Case {
        what: "a copy out of a table, not read",
        hold: |client| drop(client.copy_out("COPY t TO STDOUT").unwrap()),
        is_sent: BOTH,
    },
    Case {
        what: "a copy into a table",
        hold: |client| {
            let mut writer = client.copy_in("COPY t FROM STDIN").unwrap();
            writer.write_all(b"2\n3\n").unwrap();
            assert_eq!(writer.finish().unwrap(), 2);
        },
        is_sent: BOTH,
    },
    Case {
        what: "a copy into a table that is given up",
        hold: |client| {
            let mut writer = client.copy_in("COPY t FROM STDIN").unwrap();
            writer.write_all(b"2\n3\n").unwrap();
            writer.flush().unwrap();
        },
        is_sent: BOTH,
    },
    Case {
        what: "a copy into a table of something else",
        hold: |client| {
            let mut writer = client.copy_in("COPY t FROM STDIN").unwrap();
            writer.write_all(b"x\n").unwrap();
            writer.finish().unwrap_err();
        },
        is_sent: BOTH,
    },
    Case {
        what: "a file on the server",
        hold: |client| run(client, "COPY t TO '/dev/null'"),
        is_sent: BOTH,
    },
];

const OBJECTS: &str = "CREATE TABLE t (i int); CREATE TABLE secret (); \
     CREATE PROCEDURE listens() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'LISTEN news'; END $$; \
     CREATE FUNCTION tells_and_waits() RETURNS int LANGUAGE plpgsql AS \
     $$ BEGIN RAISE NOTICE 'sends what there is'; PERFORM pg_sleep(0.2); RETURN 1; END $$; \
     CREATE FUNCTION listens_too() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'LISTEN news'; RETURN 1; END $$;";

/// A server that logs every statement.
fn server<S: TestServer>() -> S {
    let server = S::start_with(&["log_statement=all", "log_min_messages=warning"]);
    let mut client = Client::connect(&server.admin_url(), NoTls).unwrap();
    run(&mut client, OBJECTS);
    server
}

/// The strings of SQL that the server was sent in the meantime, without those that the driver itself prepares.
fn sent<S: TestServer>(server: &S, meanwhile: impl FnOnce()) -> Vec<String> {
    let from = server.log_text().len();
    meanwhile();
    let log = server.log_text().split_off(from);
    let strings = log.lines().filter(|line| line.contains("statement: "));
    strings.map(str::to_owned).collect()
}

/// The next user finds no transaction, and is given its own answers.
fn is_clean(client: &mut Client, round: i32, how: ResetOnReturn) {
    for number in [round, round + 1000] {
        let sql = format!("SELECT {number}");
        let answer = client.simple_query(&sql);
        let row = answer.as_ref().ok().and_then(|messages| {
            messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
        });
        // In a failed transaction that never has left, nothing is answered.
        if how == ResetOnReturn::Rollback || answer.is_ok() {
            assert_eq!(row, Some(&*number.to_string()));
        }
    }
    if how == ResetOnReturn::Rollback {
        run(client, "VACUUM t");
    }
}

fn a_reset_is_sent_exactly_where_there_is_something_to_reset<S: TestServer>() {
    let server: S = server();
    let mut wrong = Vec::new();
    let both = [ResetOnReturn::Rollback, ResetOnReturn::Never];
    for (round, case) in CASES.iter().enumerate() {
        for (how, is_sent) in both.into_iter().zip(case.is_sent) {
            let pool = watched(&server.admin_url(), silent(how));
            let mut holder = pool.get().unwrap();
            let before = pid(&mut holder);
            (case.hold)(&mut holder);
            let strings = sent(&server, || drop(holder));
            if strings.is_empty() == is_sent {
                wrong.push(format!("{} under {how:?}: {strings:?}", case.what));
            }
            let mut next = pool.get().unwrap();
            is_clean(&mut next, round as i32, how);
            let _ = next.batch_execute("ROLLBACK");
            assert_eq!(pid(&mut next), before, "{}", case.what);
            drop(next);
            // What was reset once is not reset again.
            if how == ResetOnReturn::Rollback {
                let mut next = pool.get().unwrap();
                run(&mut next, "SELECT 1");
                let strings = sent(&server, || drop(next));
                assert_eq!(strings.len(), 0, "after {}: {strings:?}", case.what);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The driver gives each later statement the answer before its own. Neither message nor status shows it before the next statement.
fn after_a_copy_that_is_refused_nobody_is_given_anothers_answer<S: TestServer>() {
    let server: S = server();
    for how in [
        ResetOnReturn::Rollback,
        ResetOnReturn::Never,
        ResetOnReturn::Full,
    ] {
        let pool = watched(&server.url(), silent(how));
        for round in 0..30 {
            let mut holder = pool.get().unwrap();
            let copy = match round % 3 {
                0 => "SELECT 1",
                _ => "COPY secret FROM STDIN",
            };
            drop(holder.copy_in(copy).map(drop).unwrap_err());
            if round % 2 == 0 {
                // It may be given the answer to another statement: the holder only harms itself.
                let _ = holder.simple_query("SELECT 'mine'");
            }
            drop(holder);
            is_clean(&mut pool.get().unwrap(), round, ResetOnReturn::Never);
            let mut next = pool.get().unwrap();
            assert_eq!(next.query_one("SELECT 7", &[]).unwrap().get::<_, i32>(0), 7);
        }
    }
}

fn under_full_nothing_is_sent_only_if_nothing_was<S: TestServer>() {
    let server: S = server();
    let settings = silent(ResetOnReturn::Full).command_timeout(secs(77));
    let pool = watched(&server.url(), settings);
    for _ in 0..2 {
        let strings = sent(&server, || drop(pool.get().unwrap()));
        // The first is the limit that is set at the login.
        assert!(
            strings
                .iter()
                .all(|sql| sql.contains("SET statement_timeout")),
            "{strings:?}"
        );
    }
    for sql in ["SELECT 1", "SET work_mem = '7MB'"] {
        let mut holder = pool.get().unwrap();
        run(&mut holder, sql);
        assert!(!sent(&server, || drop(holder)).is_empty(), "{sql}");
        let holder = pool.get().unwrap();
        assert_eq!(sent(&server, || drop(holder)), [] as [String; 0], "{sql}");
    }
    // The driver closes the statement together with the next one, which counts as something.
    let mut holder = pool.get().unwrap();
    drop(holder.prepare("SELECT 1").unwrap());
    assert!(!sent(&server, || drop(holder)).is_empty());
}

/// A `LISTEN` that a function executes leaves no trace: the session listens on until a notification has come. It reaches nobody who
/// gets the connection later.
fn what_was_notified_between_two_users_reaches_neither<S: TestServer>() {
    let server: S = server();
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Never] {
        let pool = watched(&server.admin_url(), silent(how));
        let mut holder = pool.get().unwrap();
        run(&mut holder, "SELECT listens_too()");
        assert_eq!(sent(&server, || drop(holder)), [] as [String; 0]);
        let mut other = Client::connect(&server.admin_url(), NoTls).unwrap();
        let many = "SELECT count(pg_notify('news', repeat('x', i))) FROM generate_series(1, 500) i";
        run(&mut other, many);
        let mut next = pool.get().unwrap();
        let rows = next
            .query("SELECT * FROM generate_series(1, 3)", &[])
            .unwrap();
        assert_eq!(rows.len(), 3);
        let unread = next.notifications().len();
        match how {
            ResetOnReturn::Never => assert_eq!(unread, 500),
            _ => assert_eq!(unread, 0),
        }
        drop(next);
        let mut next = pool.get().unwrap();
        let sql = "SELECT count(*) FROM pg_listening_channels()";
        let channels: i64 = next.query_one(sql, &[]).unwrap().get(0);
        assert_eq!(channels, i64::from(how == ResetOnReturn::Never));
        // A user's own notifications arrive as usual.
        run(&mut next, "LISTEN news; NOTIFY news, 'mine'");
        assert!(!next.notifications().is_empty());
    }
}

support::servers::on_each!([
    a_reset_is_sent_exactly_where_there_is_something_to_reset,
    after_a_copy_that_is_refused_nobody_is_given_anothers_answer,
    under_full_nothing_is_sent_only_if_nothing_was,
    what_was_notified_between_two_users_reaches_neither,
]: installed = Postgres, newest = NewestPostgres);

/// PgBouncer says itself that it is ready after a login, and answers some requests itself.
#[test]
fn behind_a_pgbouncer_of_either_mode_a_reset_is_sent_where_it_is_due() {
    let server: Postgres = server();
    admin(&server)
        .batch_execute("GRANT ALL ON t TO app; CREATE ROLE listener")
        .unwrap();
    for mode in ["session", "transaction"] {
        let bouncer = PgBouncer::start(&server, mode);
        for (how, which) in [(ResetOnReturn::Rollback, 0), (ResetOnReturn::Never, 1)] {
            let pool = watched(&bouncer.url(), silent(how));
            for sql in [
                "SELECT 1",
                "BEGIN",
                "BEGIN; SELECT 1; COMMIT",
                "INSERT INTO t VALUES (1)",
            ] {
                let mut holder = pool.get().unwrap();
                run(&mut holder, sql);
                let strings = sent(&server, || drop(holder));
                let wanted = [sql == "BEGIN", false][which];
                assert_eq!(
                    !strings.is_empty(),
                    wanted,
                    "{mode} {how:?} {sql}: {strings:?}"
                );
                let mut next = pool.get().unwrap();
                is_clean(&mut next, 1, ResetOnReturn::Never);
                if how == ResetOnReturn::Never {
                    let _ = next.batch_execute("ROLLBACK");
                }
            }
            let mut holder = pool.get().unwrap();
            drop(holder.copy_out("COPY t TO STDOUT").unwrap());
            assert!(!sent(&server, || drop(holder)).is_empty());
            is_clean(&mut pool.get().unwrap(), 2, ResetOnReturn::Never);
        }
    }
}

/// Holds for each kind of stream: what is not watched is reset as ever.
#[test]
fn a_connection_that_is_not_watched_is_always_reset() {
    let server: Postgres = server();
    let url = server.url();
    let socket = server.directory().display().to_string().replace('/', "%2F");
    let by_socket = url.replace("127.0.0.1", &socket);
    let (_, rest) = url.split_once('@').unwrap();
    assert!(!rest.is_empty());
    for pool in [
        PostgresPool::builder(&*url)
            .unwrap()
            .settings(silent(ResetOnReturn::Rollback))
            .build()
            .unwrap(),
        watched(&by_socket, silent(ResetOnReturn::Rollback)),
    ] {
        let mut holder = pool.get().unwrap();
        run(&mut holder, "SELECT 1");
        assert_eq!(sent(&server, || drop(holder)).len(), 1);
    }
}

#[test]
fn a_statement_that_has_stopped_to_answer_is_cancelled_and_its_connection_closed() {
    let server = Postgres::start();
    let settings = silent(ResetOnReturn::Rollback).health_check_timeout(Duration::from_millis(300));
    let pool = watched(&server.url(), settings);
    let mut holder = pool.get().unwrap();
    let left = pid(&mut holder);
    leave_a_sleeper(&mut holder);
    drop(holder);
    assert_ne!(pid(&mut pool.get().unwrap()), left);
    assert!(support::half_read::ends(&server, left));
}

/// Only an answer in the meantime makes a return a proof that the connection is alive.
#[test]
fn a_return_without_an_answer_does_not_put_off_the_ping() {
    let server: Postgres = server();
    for (sql, pings) in [(None, 1), (Some("SELECT 1"), 0)] {
        let clock = Clock::stopped();
        let manager = PostgresManager::from_url(&server.url())
            .unwrap()
            .watch_plain_connections(true);
        let pool = Pool::builder(manager)
            .settings(size(1, 0).pre_ping(PrePing::IdleFor(millis(500))))
            .clock(clock.clone())
            .build()
            .unwrap();
        let mut holder = pool.get().unwrap();
        clock.advance(millis(400));
        if let Some(sql) = sql {
            run(&mut holder, sql);
        }
        drop(holder);
        clock.advance(millis(200));
        let strings = sent(&server, || drop(pool.get().unwrap()));
        assert_eq!(strings.len(), pings, "{sql:?}: {strings:?}");
        // The answer to the ping itself is not the holder's.
        if pings == 1 {
            clock.advance(millis(400));
            let strings = sent(&server, || drop(pool.get().unwrap()));
            assert_eq!(strings, [] as [String; 0]);
            clock.advance(millis(200));
            let strings = sent(&server, || drop(pool.get().unwrap()));
            assert_eq!(strings.len(), 1, "{strings:?}");
        }
    }
}

/// The driver closes such a connection when it reads the answer that is left over, and that may be after the question was refused.
#[test]
fn a_copy_that_is_refused_in_a_transaction_leaves_the_next_user_no_connection_that_is_about_to_close()
 {
    let server = Postgres::start();
    for watches in [false, true] {
        let manager = PostgresManager::from_url(&server.url()).unwrap();
        let pool = Pool::builder(manager.watch_plain_connections(watches))
            .settings(silent(ResetOnReturn::Never))
            .build()
            .unwrap();
        run(
            &mut pool.get().unwrap(),
            "CREATE TABLE IF NOT EXISTS kept (a int)",
        );
        for _ in 0..200 {
            let mut user = pool.get().unwrap();
            run(&mut user, "START TRANSACTION READ ONLY");
            assert!(user.copy_in("COPY kept FROM STDIN").is_err());
            drop(user);
            let mut next = pool.get().unwrap();
            let answer = next.simple_query("SELECT 7");
            let refused = |error: &::postgres::Error| {
                error.code() == Some(&::postgres::error::SqlState::IN_FAILED_SQL_TRANSACTION)
            };
            assert!(answer.as_ref().map_or_else(refused, |_| true), "{answer:?}");
            queuepool::Connection::invalidate(next);
        }
    }
}
