//! Pools on both sides: what works behind a PgBouncer in session mode and in transaction mode, and what each of its limits
//! looks like. This is the table "Behind PgBouncer" in the guide (src/guide/deployment.md), line by line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use ::postgres::types::Type;
use ::postgres::{Client, NoTls, SimpleQueryMessage};
use queuepool::postgres::PostgresPool;
use queuepool::{
    Builder, Clock, CloseReason, Error, ErrorKind, Mode, PrePing, ResetOnReturn, Retry, Settings,
    postgres::PostgresManager,
};

use crate::pool::size;
use support::scripted::{eventually, millis, secs};
use support::servers::{PgBouncer, Postgres};

const SESSION: &str = "session";
const TRANSACTION: &str = "transaction";

fn builder(bouncer: &PgBouncer, settings: Settings) -> Builder<PostgresManager> {
    let retry = Retry::default().max_attempts(2).initial_delay(millis(1));
    PostgresPool::builder(bouncer.url())
        .unwrap()
        .settings(settings.retry(retry).timeout(secs(20)))
}

fn pool(bouncer: &PgBouncer, settings: Settings) -> PostgresPool {
    builder(bouncer, settings).build().unwrap()
}

fn direct(server: &Postgres) -> Client {
    Client::connect(&server.url(), NoTls).unwrap()
}

/// The first column of the first row.
fn ask(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap_or_default().to_owned()
}

fn pid(client: &mut Client) -> String {
    ask(client, "SELECT pg_backend_pid()")
}

fn backends(server: &Postgres) -> String {
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid()";
    ask(&mut direct(server), others)
}

/// Keeps the server connection that was used last to itself, so that in transaction mode the next statement of anybody else
/// goes to another one.
fn occupy(client: &mut Client) {
    client.batch_execute("BEGIN").unwrap();
}

#[test]
fn rollback_ends_a_transaction_left_open_in_either_mode_and_never_hands_it_on() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start(&server, mode);
        for (how, ended) in [
            (ResetOnReturn::Rollback, true),
            (ResetOnReturn::Full, true),
            (ResetOnReturn::Never, false),
        ] {
            let pool = pool(&bouncer, size(1, 0).reset_on_return(how));
            pool.get()
                .unwrap()
                .batch_execute("BEGIN; SET LOCAL work_mem = '5MB'")
                .unwrap();
            let left = ask(&mut pool.get().unwrap(), "SHOW work_mem");
            assert_eq!(left == "4MB", ended, "{mode} {how:?}: {left}");
        }
    }
}

/// A setting, a temporary table and an advisory lock.
const SESSION_STATE: &str =
    "SET work_mem = '5MB'; CREATE TEMP TABLE mine (id int); SELECT pg_advisory_lock(7)";

/// How many of the three are there: the setting and the table as this client sees them, the lock as everybody does.
fn left_of_it(client: &mut Client) -> u32 {
    let sql = "SELECT (current_setting('work_mem') = '5MB')::int \
               + (to_regclass('pg_temp.mine') IS NOT NULL)::int \
               + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')::int";
    ask(client, sql).parse().unwrap()
}

#[test]
fn in_session_mode_a_session_is_a_connections_own_until_a_full_reset_or_its_end() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start(&server, SESSION);
    for (how, left) in [(ResetOnReturn::Rollback, 3), (ResetOnReturn::Full, 0)] {
        let pool = pool(&bouncer, size(2, 0).reset_on_return(how));
        let mut other = pool.get().unwrap();
        pool.get().unwrap().batch_execute(SESSION_STATE).unwrap();
        let mut next = pool.get().unwrap();
        assert_eq!(left_of_it(&mut next), left, "{how:?}");
        drop(next);
        assert_eq!(
            left_of_it(&mut other),
            left / 3,
            "only the lock is visible to others"
        );
        drop(other);
        pool.close(secs(10)).unwrap();
        // PgBouncer runs its own server_reset_query.
        let mut others = self::pool(&bouncer, size(1, 0)).get().unwrap();
        eventually("the session is reset", || {
            ask(
                &mut direct(&server),
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
            ) == "0"
        });
        assert_eq!(left_of_it(&mut others), 0);
    }
}

#[test]
fn in_transaction_mode_what_a_session_has_set_meets_others_and_full_does_not_help() {
    let server = Postgres::start();
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let bouncer = PgBouncer::start(&server, TRANSACTION);
        let pool = pool(&bouncer, size(2, 0).reset_on_return(how));
        let (mut sets, mut occupies) = (pool.get().unwrap(), pool.get().unwrap());
        sets.batch_execute(SESSION_STATE).unwrap();
        occupy(&mut occupies);
        assert_eq!(
            left_of_it(&mut occupies),
            3,
            "its statements ran on the server connection that the other had used"
        );
        // The reset goes to another of the server connections.
        drop(sets);
        assert_eq!(left_of_it(&mut occupies), 3, "{how:?}");
    }
}

#[test]
fn in_transaction_mode_what_lives_within_a_transaction_is_nobody_elses() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start_with(&server, TRANSACTION, &["default_pool_size=1"]);
    let pool = pool(&bouncer, size(1, 0));
    let mut client = pool.get().unwrap();
    let mut transaction = client.transaction().unwrap();
    let state = "SET LOCAL work_mem = '5MB'; CREATE TEMP TABLE mine (id int) ON COMMIT DROP; \
                 SELECT pg_advisory_xact_lock(7)";
    transaction.batch_execute(state).unwrap();
    transaction.commit().unwrap();
    assert_eq!(left_of_it(&mut client), 0);
}

#[test]
fn a_prepared_statement_has_its_name_in_session_mode_and_loses_it_in_transaction_mode() {
    let server = Postgres::start();
    for (mode, keeps) in [(SESSION, true), (TRANSACTION, false)] {
        let bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(2, 0));
        let (mut client, mut occupies) = (pool.get().unwrap(), pool.get().unwrap());
        let statement = client.prepare("SELECT 7").unwrap();
        occupy(&mut occupies);
        match client.query(&statement, &[]) {
            Ok(rows) => assert!(keeps && rows.len() == 1),
            Err(error) => {
                assert!(!keeps);
                assert_eq!(error.code().unwrap().code(), "26000", "does not exist");
            }
        }
    }
}

#[test]
fn statements_without_a_name_and_those_of_a_transaction_work_in_either_mode() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(2, 0));
        let (mut client, mut occupies) = (pool.get().unwrap(), pool.get().unwrap());
        for _ in 0..2 {
            assert_eq!(ask(&mut client, "SELECT 7"), "7");
            let seven = client.query_typed("SELECT $1", &[(&7_i32, Type::INT4)]);
            assert_eq!(seven.unwrap()[0].get::<_, i32>(0), 7);
            let mut transaction = client.transaction().unwrap();
            let seven = transaction.query_one("SELECT $1::int4", &[&7_i32]);
            assert_eq!(seven.unwrap().get::<_, i32>(0), 7);
            transaction.commit().unwrap();
            occupy(&mut occupies);
        }
    }
}

#[test]
fn command_timeout_is_the_connections_own_in_session_mode_and_anybodys_in_transaction_mode() {
    let server = Postgres::start();
    for (mode, others) in [(SESSION, "0"), (TRANSACTION, "1min")] {
        let bouncer = PgBouncer::start(&server, mode);
        let limited = pool(&bouncer, size(1, 0).command_timeout(secs(60)));
        let mut client = limited.get().unwrap();
        assert_eq!(ask(&mut client, "SHOW statement_timeout"), "1min");
        let unlimited = pool(&bouncer, size(1, 0));
        let mut other = unlimited.get().unwrap();
        assert_eq!(ask(&mut other, "SHOW statement_timeout"), others, "{mode}");
    }
}

#[test]
fn a_limit_set_on_the_role_holds_in_either_mode() {
    let server = Postgres::start();
    let limit = "ALTER ROLE app SET statement_timeout = '60s'";
    direct(&server).batch_execute(limit).unwrap();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(1, 0).reset_on_return(ResetOnReturn::Full));
        for _ in 0..2 {
            assert_eq!(
                ask(&mut pool.get().unwrap(), "SHOW statement_timeout"),
                "1min"
            );
        }
    }
}

#[test]
fn the_application_name_follows_the_client_in_either_mode() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start(&server, mode);
        let [orders, stock] = ["orders", "stock"]
            .map(|name| builder(&bouncer, size(1, 0)).name(name).build().unwrap());
        let own = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        for _ in 0..2 {
            assert_eq!(ask(&mut orders.get().unwrap(), own), "orders");
            assert_eq!(ask(&mut stock.get().unwrap(), own), "stock");
        }
    }
}

#[test]
fn null_mode_costs_the_server_no_connection_for_each_checkout_and_keeps_to_its_capacity() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(2, 1).mode(Mode::Null));
        let first = pid(&mut pool.get().unwrap());
        for _ in 0..10 {
            assert_eq!(pid(&mut pool.get().unwrap()), first, "PgBouncer's own");
        }
        let out = [(); 3].map(|()| pool.get().unwrap());
        assert_eq!(
            pool.get_timeout(millis(50)).unwrap_err().kind(),
            ErrorKind::Timeout
        );
        drop(out);
        assert_eq!(pool.status().total_connections_created, 14);
        drop(bouncer);
        eventually("PgBouncer's server connections are gone", || {
            backends(&server) == "0"
        });
    }
}

#[test]
fn in_session_mode_each_open_connection_holds_one_of_the_servers_and_in_transaction_mode_none() {
    let server = Postgres::start();
    for (mode, held) in [(SESSION, "5"), (TRANSACTION, "1")] {
        let bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(5, 0));
        let mut all = [(); 5].map(|()| pool.get().unwrap());
        for client in &mut all {
            assert_eq!(ask(client, "SELECT 7"), "7");
        }
        drop(all);
        assert_eq!(pool.status().idle_connections, 5);
        assert_eq!(backends(&server), held, "{mode}");
        drop(bouncer);
        eventually("PgBouncer's server connections are gone", || {
            backends(&server) == "0"
        });
    }
}

fn driver_error(error: &Error) -> &::postgres::Error {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref().unwrap()
}

/// PgBouncer says so and hangs up. If both arrive together, the driver sees only the end of the connection.
fn is_query_wait_timeout(error: &::postgres::Error) -> bool {
    let said = error.as_db_error().map(|refusal| refusal.message());
    said == Some("query_wait_timeout") || error.is_closed()
}

/// How many clients wait for a server connection, as PgBouncer reports to `admin_users=app`.
fn waiting(bouncer: &PgBouncer) -> u32 {
    let mut config: ::postgres::Config = bouncer.url().parse().unwrap();
    let mut console = config.dbname("pgbouncer").connect(NoTls).unwrap();
    let messages = console.simple_query("SHOW POOLS").unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get("cl_waiting"),
        _ => None,
    });
    rows.map(|count| count.parse::<u32>().unwrap()).sum()
}

#[test]
fn a_checkout_does_not_wait_for_one_of_the_servers_connections_and_its_first_statement_does() {
    let server = Postgres::start();
    // In session mode, the first client that is served keeps the server connection.
    for (mode, size) in [(SESSION, size(1, 0)), (TRANSACTION, size(2, 0))] {
        let limits = ["default_pool_size=1", "admin_users=app"];
        let bouncer = PgBouncer::start_with(&server, mode, &limits);
        let mut other = Client::connect(&bouncer.url(), NoTls).unwrap();
        occupy(&mut other);
        let count = size.pool_size;
        let pool = pool(&bouncer, size.connect_timeout(millis(500)));
        let all: Vec<_> = (0..count).map(|_| pool.get().unwrap()).collect();
        let status = pool.status();
        assert_eq!((status.abandoned, status.connection_errors), (0, 0));
        std::thread::scope(|scope| {
            for mut client in all {
                scope.spawn(move || assert_eq!(ask(&mut client, "SELECT 7"), "7"));
            }
            eventually("all clients wait in PgBouncer", || {
                waiting(&bouncer) == count
            });
            other.batch_execute("COMMIT").unwrap();
            drop(other);
        });
        assert_eq!(pool.status().total_connections_created, u64::from(count));
    }
}

#[test]
fn command_timeout_is_a_statement_of_connecting_which_waits_for_one_of_the_servers_connections() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let limits = ["default_pool_size=1", "query_wait_timeout=1"];
        let bouncer = PgBouncer::start_with(&server, mode, &limits);
        let pool = pool(&bouncer, size(2, 0).command_timeout(secs(60)));
        let mut first = pool.get().unwrap();
        occupy(&mut first);
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(is_query_wait_timeout(driver_error(&error)), "{error:?}");
        assert!(bouncer.log_text().contains("query_wait_timeout"));
        assert_eq!(pool.status().connection_errors, 2, "it was tried again");
        // Our time limit ends the wait if it is shorter.
        let error = pool.get_timeout(millis(100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        first.batch_execute("ROLLBACK").unwrap();
        drop(first);
        assert_eq!(ask(&mut pool.get().unwrap(), "SELECT 7"), "7");
    }
}

#[test]
fn a_connection_that_waits_for_the_servers_in_use_is_ended_by_query_wait_timeout_alone() {
    let server = Postgres::start();
    let limits = ["default_pool_size=1", "query_wait_timeout=1"];
    let bouncer = PgBouncer::start_with(&server, TRANSACTION, &limits);
    let pool = pool(&bouncer, size(2, 0).command_timeout(millis(100)));
    let (mut first, mut second) = (pool.get().unwrap(), pool.get().unwrap());
    occupy(&mut first);
    let error = second.batch_execute("SELECT 1").unwrap_err();
    assert!(is_query_wait_timeout(&error), "{error:?}");
    assert!(bouncer.log_text().contains("query_wait_timeout"));
    second.batch_execute("SELECT 1").unwrap_err();
}

#[test]
fn a_pool_that_has_connections_goes_on_with_them_where_pgbouncer_takes_no_more() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let bouncer = PgBouncer::start_with(&server, mode, &["max_client_conn=2"]);
        let pool = pool(&bouncer, size(3, 0));
        let two = [pool.get().unwrap(), pool.get().unwrap()];
        let error = pool.get_timeout(Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(
            error
                .to_string()
                .contains("no more connections allowed (max_client_conn)"),
            "{error}"
        );
        let status = pool.status();
        assert!(status.refused_full >= 1);
        assert_eq!(status.database_error, None);
        assert_eq!(status.total, 2);
        drop(two);
        drop(pool.get().unwrap());
    }
}

#[test]
fn after_pgbouncer_was_restarted_the_next_checkout_has_a_new_connection() {
    let server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let mut bouncer = PgBouncer::start(&server, mode);
        let pool = pool(&bouncer, size(2, 0).pre_ping(PrePing::Always));
        drop((pool.get().unwrap(), pool.get().unwrap()));
        bouncer.stop();
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
        bouncer.start_again();
        assert_eq!(ask(&mut pool.get().unwrap(), "SELECT 7"), "7");
        let status = pool.status();
        assert_eq!(status.validation_failures, 1);
        let reasons = [CloseReason::Lost, CloseReason::Invalidated];
        let closed = reasons.map(|reason| status.closed_by_reason.get(&reason).copied());
        assert_eq!(closed, [Some(1), Some(1)]);
    }
}

#[test]
fn after_postgresql_was_restarted_connections_are_replaced_in_session_mode_and_stay_in_transaction_mode()
 {
    let mut server = Postgres::start();
    for (mode, replaced) in [(SESSION, true), (TRANSACTION, false)] {
        let bouncer = PgBouncer::start_with(&server, mode, &["server_login_retry=1"]);
        let pool = pool(&bouncer, size(2, 0).pre_ping(PrePing::Always));
        let mut both = [pool.get().unwrap(), pool.get().unwrap()];
        for client in &mut both {
            assert_eq!(ask(client, "SELECT 7"), "7");
        }
        drop(both);
        server.stop();
        server.start_again();
        assert_eq!(ask(&mut pool.get().unwrap(), "SELECT 7"), "7", "{mode}");
        let status = pool.status();
        assert_eq!(
            status.total_connections_closed > 0,
            replaced,
            "{mode}: {status:#?}"
        );
    }
}

#[test]
fn while_postgresql_is_down_the_health_check_says_so_although_pgbouncer_lets_clients_in() {
    let mut server = Postgres::start();
    for mode in [SESSION, TRANSACTION] {
        let limits = ["server_login_retry=1", "query_wait_timeout=2"];
        let bouncer = PgBouncer::start_with(&server, mode, &limits);
        let settings = size(2, 0).health_check_timeout(millis(500));
        let pool = pool(&bouncer, settings.clone());
        let limited = self::pool(&bouncer, settings.command_timeout(secs(60)));
        for pool in [&pool, &limited] {
            assert_eq!(ask(&mut pool.get().unwrap(), "SELECT 7"), "7");
        }
        server.stop();
        // The first check pings an idle connection, the others one that they open.
        for _ in 0..3 {
            let check = pool.health_check().unwrap();
            assert!(!check.reachable && !check.skipped, "{mode}: {check:?}");
            pool.invalidate_all();
        }
        let status = pool.status();
        assert_eq!((status.abandoned, status.connection_errors), (0, 0));
        let mut let_in = pool.get().unwrap();
        let error = let_in.batch_execute("SELECT 7").unwrap_err();
        let known = error
            .as_db_error()
            .is_some_and(|refusal| refusal.message().ends_with("(server_login_retry)"));
        assert!(known || is_query_wait_timeout(&error), "{mode}: {error:?}");
        drop(let_in);
        limited.invalidate_all();
        let error = limited.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{mode}: {error}");
        server.start_again();
        eventually("the server is back", || {
            pool.health_check().unwrap().reachable
        });
        assert_eq!(ask(&mut pool.get().unwrap(), "SELECT 7"), "7");
    }
}

#[test]
fn in_transaction_mode_server_lifetime_renews_the_servers_connections_under_ours() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start_with(&server, TRANSACTION, &["server_lifetime=1"]);
    let pool = pool(&bouncer, size(1, 0));
    let first = pid(&mut pool.get().unwrap());
    eventually("a different server connection", || {
        pid(&mut pool.get().unwrap()) != first
    });
    assert_eq!(pool.status().total_connections_created, 1);
}

#[test]
fn in_session_mode_a_servers_connection_lives_as_long_as_ours_and_recycle_ends_both() {
    let server = Postgres::start();
    // PgBouncer leaves at least server_lifetime divided by the pool's size between closing two connections.
    let limits = ["server_lifetime=1", "default_pool_size=1000"];
    let bouncer = PgBouncer::start_with(&server, SESSION, &limits);
    let clock = Clock::stopped();
    let pool = builder(&bouncer, size(1, 0).recycle(secs(1800)))
        .clock(clock.clone())
        .build()
        .unwrap();
    let first = pid(&mut pool.get().unwrap());
    let other = pid(&mut self::pool(&bouncer, size(1, 0)).get().unwrap());
    let is_there = |pid: &str| {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        ask(&mut direct(&server), &sql) == "1"
    };
    eventually(
        "the lifetime of a free server connection has passed",
        || !is_there(&other),
    );
    assert_eq!(pid(&mut pool.get().unwrap()), first);
    clock.advance(Duration::from_secs(1801));
    eventually("a new server connection", || {
        pid(&mut pool.get().unwrap()) != first
    });
    assert_eq!(pool.status().total_connections_created, 2);
}

/// Several instances share a budget of server connections: each may have its usual sizes, and the server never sees more than
/// `max_db_connections`.
#[test]
fn a_pgbouncer_shares_a_budget_among_instances_that_together_may_have_more() {
    let server = Postgres::start();
    let limits = [
        "max_db_connections=8",
        "default_pool_size=8",
        "max_client_conn=200",
    ];
    let bouncer = PgBouncer::start_with(&server, TRANSACTION, &limits);
    let instances: Vec<_> = (0..4).map(|_| pool(&bouncer, size(10, 20))).collect();
    let most = AtomicU64::new(0);
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut direct = direct(&server);
            while goes_on.load(SeqCst) {
                let others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid()";
                most.fetch_max(ask(&mut direct, others).parse().unwrap(), SeqCst);
            }
        });
        let callers: Vec<_> = instances
            .iter()
            .flat_map(|pool| {
                (0..15).map(move |_| {
                    move || {
                        for _ in 0..10 {
                            ask(&mut pool.get().unwrap(), "SELECT pg_sleep(0.01)");
                        }
                    }
                })
            })
            .map(|work| scope.spawn(work))
            .collect();
        let ended: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
        goes_on.store(false, SeqCst);
        ended.into_iter().for_each(|caller| caller.unwrap());
    });
    assert!(most.load(SeqCst) <= 8, "{most:?}");
    for pool in &instances {
        let status = pool.status();
        assert_eq!((status.refused_full, status.connection_errors), (0, 0));
    }
    let clients: u64 = instances.iter().map(|pool| pool.status().peak_total).sum();
    assert!(clients > 8, "more than the server has seen: {clients}");
}
