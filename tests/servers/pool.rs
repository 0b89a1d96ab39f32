//! What PostgreSQL, MariaDB and MySQL have in common when they are used through a pool. Each function here is a test of
//! `pool_postgres` and of `pool_mysql`.

use std::cell::{Cell, RefCell};
use std::error::Error as StdError;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use queuepool::{
    AnyConnection, CloseReason, Database, ErrorKind, PrePing, ResetOnReturn, Retry, Settings,
    Status,
};

use support::fork::in_child;
use support::scripted::{assert_laws, eventually, millis, secs, state};
use support::servers::{
    MariaDb, MySql, NewestPostgres, Postgres, TestServer, free_port, to_nowhere,
};

/// The server, and how it does what the tests need.
pub trait Backend: TestServer {
    /// A query for the id that a session has on the server.
    const SESSION: &str;
    /// Changes a session setting, and asks whether it is changed.
    const SET: &str;
    const IS_SET: &str;
    /// Takes ten seconds or more, and is stopped with an error by the `command_timeout`.
    const SLEEP: &str;

    /// Starts a server that accepts at most this many connections of `app`.
    fn start_for(connections: usize) -> Self;

    /// How many sessions the user `app` has.
    fn sessions(admin: &mut AnyConnection) -> i64;
    /// SQL that ends a session.
    fn end_session(session: i64) -> String;
    /// Connects with the driver alone.
    fn bare(url: &str) -> Result<Box<dyn Send>, Box<dyn StdError>>;
    /// Whether this is the driver's own error.
    fn is_drivers_own(error: &(dyn StdError + 'static)) -> bool;
    /// The error of an r2d2 pool with the same manager and a timeout of 2 s.
    fn error_of_r2d2(url: &str) -> String;

    /// The URL with another password or database.
    fn url_with(&self, from: &str, to: &str) -> String {
        let url = self.url();
        assert!(url.contains(from));
        url.replace(from, to)
    }

    fn with_wrong_password(&self) -> String {
        self.url_with(support::servers::PASSWORD_IN_URL, "wrong")
    }

    fn admin(&self) -> Database {
        Database::open_with(&self.admin_url(), size(1, 0)).unwrap()
    }
}

macro_rules! postgres_backend {
    ($server:ident) => {
        impl Backend for $server {
            const SESSION: &str = "SELECT pg_backend_pid()";
            const SET: &str = "SET work_mem = '1234kB'";
            const IS_SET: &str =
                "SELECT count(*) FROM pg_settings WHERE name = 'work_mem' AND setting = '1234'";
            const SLEEP: &str = "SELECT pg_sleep(10)";

            fn start_for(connections: usize) -> Self {
                let limit = format!("max_connections={}", connections + 3);
                $server::start_with(&[&limit, "superuser_reserved_connections=3"])
            }

            fn sessions(admin: &mut AnyConnection) -> i64 {
                admin
                    .query_i64("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")
                    .unwrap()
            }

            fn end_session(session: i64) -> String {
                format!("SELECT pg_terminate_backend({session}, 5000)")
            }

            fn bare(url: &str) -> Result<Box<dyn Send>, Box<dyn StdError>> {
                Ok(Box::new(::postgres::Client::connect(
                    url,
                    ::postgres::NoTls,
                )?))
            }

            fn is_drivers_own(error: &(dyn StdError + 'static)) -> bool {
                error.is::<::postgres::Error>()
            }

            fn error_of_r2d2(url: &str) -> String {
                error_of_r2d2(queuepool::postgres::PostgresManager::from_url(url).unwrap())
            }
        }
    };
}
postgres_backend!(Postgres);
postgres_backend!(NewestPostgres);

macro_rules! mysql_backend {
    ($server:ident, $sleep:expr) => {
        impl Backend for $server {
            const SESSION: &str = "SELECT CONNECTION_ID()";
            const SET: &str = "SET SESSION sort_buffer_size = 123904";
            const IS_SET: &str = "SELECT @@session.sort_buffer_size = 123904";
            const SLEEP: &str = $sleep;

            fn start_for(connections: usize) -> Self {
                $server::start_with(&[&format!("--max-connections={connections}")])
            }

            /// Not from information_schema.processlist: MariaDB 10.11.19 occasionally crashes when it frees the temporary
            /// table behind it (signal 11 in ha_maria::drop_table).
            fn sessions(admin: &mut AnyConnection) -> i64 {
                let admin = admin.mysql().unwrap();
                let rows: Vec<::mysql::Row> = admin.query("SHOW PROCESSLIST").unwrap();
                let of_app = rows.iter().filter(|row| {
                    let user: Option<String> = row.get("User");
                    user.as_deref() == Some("app")
                });
                of_app.count() as i64
            }

            fn end_session(session: i64) -> String {
                format!("KILL {session}")
            }

            fn bare(url: &str) -> Result<Box<dyn Send>, Box<dyn StdError>> {
                Ok(Box::new(::mysql::Conn::new(url)?))
            }

            fn is_drivers_own(error: &(dyn StdError + 'static)) -> bool {
                error.is::<::mysql::Error>()
            }

            fn error_of_r2d2(url: &str) -> String {
                error_of_r2d2(queuepool::mysql::MySqlManager::from_url(url).unwrap())
            }
        }
    };
}
mysql_backend!(MariaDb, "SELECT SLEEP(10)");
// On MySQL, a SLEEP that is stopped returns 1 and no error.
mysql_backend!(
    MySql,
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
     SELECT count(*) FROM n a, n b, n c"
);

fn error_of_r2d2<M: queuepool::Manager>(manager: M) -> String {
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .connection_timeout(secs(2))
        .build_unchecked(manager);
    let error = pool.get().err().expect("a refusal");
    error.to_string()
}

/// The tests of this module, run on one kind of server.
macro_rules! on {
    ($backend:ty: $($test:ident,)+) => {$(
        #[test]
        fn $test() {
            if <$backend>::is_here() {
                crate::pool::$test::<$backend>();
            }
        }
    )+};
}
pub(crate) use on;

/// Everything that `on!` has to be given, so that no test is forgotten for either server.
macro_rules! all_on {
    ($backend:ty) => {
        crate::pool::on! {
            $backend:
            a_killed_idle_connection_never_reaches_a_caller,
            of_five_connections_killed_at_once_one_is_pinged_and_all_are_replaced,
            a_killed_connection_fails_its_holder_once_and_is_not_kept,
            the_next_checkout_after_a_restart_works,
            while_the_server_is_down_the_error_is_connect_and_afterwards_all_is_well,
            a_caller_between_attempts_is_served_when_the_server_comes_up,
            a_wrong_password_is_told_at_once_and_r2d2_takes_its_whole_timeout,
            an_unknown_database_is_told_after_one_attempt,
            an_unreachable_port_is_tried_again_as_the_policy_says,
            an_open_transaction_is_rolled_back,
            a_failed_transaction_is_rolled_back,
            no_lock_outlives_the_return_even_where_other_connections_are_idle,
            session_state_stays_with_rollback_and_goes_with_full,
            a_guard_dropped_by_a_panicking_thread_is_reset_in_full,
            a_paused_server_holds_nobody_up_and_is_used_again_afterwards,
            a_full_server_is_tried_again_until_there_is_room,
            the_command_timeout_ends_a_statement_also_after_a_full_reset,
            the_server_never_sees_more_than_the_capacity_and_nobody_after_close,
            a_forked_child_leaves_the_connections_of_its_parent_alone,
            the_common_surface_works_and_tells_statement_from_connection,
        }
    };
}
pub(crate) use all_on;

pub fn size(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .timeout(secs(20))
}

pub fn once() -> Retry {
    Retry::default().max_attempts(1)
}

fn often() -> Retry {
    Retry::default()
        .max_attempts(1_000)
        .initial_delay(millis(20))
        .max_delay(millis(20))
}

fn open<B: Backend>(server: &B, settings: Settings) -> Database {
    Database::open_with(&server.url(), settings).unwrap()
}

fn session<B: Backend>(connection: &mut AnyConnection) -> i64 {
    connection.query_i64(B::SESSION).unwrap()
}

/// Uses and returns this many connections at once, and returns their sessions.
fn fill<B: Backend>(database: &Database, connections: usize) -> Vec<i64> {
    let mut out: Vec<_> = (0..connections).map(|_| database.get().unwrap()).collect();
    out.iter_mut().map(session::<B>).collect()
}

/// Ends sessions from the server's side, and returns when they are gone.
pub fn kill<B: Backend>(admin: &Database, sessions: &[i64]) {
    let mut admin = admin.get().unwrap();
    let before = B::sessions(&mut admin);
    for session in sessions {
        admin.execute(&B::end_session(*session)).unwrap();
    }
    let gone = std::cell::RefCell::new(admin);
    eventually("the sessions are gone", || {
        let left = B::sessions(&mut gone.borrow_mut());
        left <= before - sessions.len() as i64
    });
}

fn closed(status: &Status, reason: CloseReason) -> u64 {
    status
        .closed_by_reason
        .get(&reason)
        .copied()
        .unwrap_or_default()
}

/// Waits until no thread of the pool is still closing or opening a connection.
fn settled(database: &Database, checked_in: u64) {
    eventually("the pool is settled", || {
        let status = database.status();
        status.opening_connections == 0 && status.checked_in == checked_in
    });
    assert_laws(&database.status());
}

pub fn a_killed_idle_connection_never_reaches_a_caller<B: Backend>() {
    let server = B::start();
    let admin = server.admin();
    for pre_ping in [PrePing::Always, PrePing::IdleFor(Duration::ZERO)] {
        let database = open(&server, size(2, 0).pre_ping(pre_ping));
        for round in 1..=3 {
            let stale = fill::<B>(&database, 1);
            kill::<B>(&admin, &stale);
            let mut connection = database.get().unwrap();
            assert_ne!(session::<B>(&mut connection), stale[0]);
            drop(connection);
            let status = database.status();
            assert_eq!(closed(&status, CloseReason::Lost), round, "{status:#?}");
            assert_eq!(status.validation_failures, round);
            assert_eq!(status.connection_errors, 0);
            assert_laws(&status);
        }
        database.close(secs(10)).unwrap();
    }
}

pub fn of_five_connections_killed_at_once_one_is_pinged_and_all_are_replaced<B: Backend>() {
    let server = B::start();
    let admin = server.admin();
    let database = open(&server, size(5, 0).pre_ping(PrePing::Always));
    let stale = fill::<B>(&database, 5);
    assert_eq!(state(&database.status()), (5, 5, 0, 0));
    kill::<B>(&admin, &stale);
    let fresh = fill::<B>(&database, 5);
    assert!(
        fresh.iter().all(|session| !stale.contains(session)),
        "{stale:?} {fresh:?}"
    );
    settled(&database, 5);
    let status = database.status();
    assert_eq!(status.validation_failures, 1, "{status:#?}");
    assert_eq!(closed(&status, CloseReason::Lost), 1);
    assert_eq!(closed(&status, CloseReason::Invalidated), 4);
    assert_eq!(status.total_connections_created, 10);
    assert_eq!(state(&status), (5, 5, 0, 0));
}

pub fn a_killed_connection_fails_its_holder_once_and_is_not_kept<B: Backend>() {
    let server = B::start();
    let admin = server.admin();
    let database = open(&server, size(1, 0));
    let mut connection = database.get().unwrap();
    let own = session::<B>(&mut connection);
    kill::<B>(&admin, &[own]);
    let error = connection.execute("SELECT 1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
    assert_eq!(connection.ping().unwrap_err().kind(), ErrorKind::Connect);
    drop(connection);
    // The connection is still within its freshness window since it was opened, but is known to be broken without a ping.
    assert_ne!(session::<B>(&mut database.get().unwrap()), own);
    let status = database.status();
    assert_eq!(closed(&status, CloseReason::Lost), 1, "{status:#?}");
    assert_eq!(status.validation_failures, 0);
    assert_laws(&status);
}

pub fn the_next_checkout_after_a_restart_works<B: Backend>() {
    let mut server = B::start();
    let database = open(
        &server,
        size(3, 1).pre_ping(PrePing::IdleFor(Duration::ZERO)),
    );
    fill::<B>(&database, 3);
    let mut held = database.get().unwrap();
    session::<B>(&mut held);
    server.stop();
    server.start_again();
    let mut connection = database.get().unwrap();
    session::<B>(&mut connection);
    assert_eq!(
        held.execute("SELECT 1").unwrap_err().kind(),
        ErrorKind::Connect
    );
    drop(held);
    drop(connection);
    settled(&database, 1);
    let status = database.status();
    // Two were idle: one was pinged, and the other was dropped along with it. The third was found broken when it was
    // returned.
    assert_eq!(status.validation_failures, 1, "{status:#?}");
    assert_eq!(closed(&status, CloseReason::Lost), 2);
    assert_eq!(closed(&status, CloseReason::Invalidated), 1);
    assert_eq!(status.connection_errors, 0);
    assert_eq!(state(&status), (3, 1, 0, 0));
    assert_eq!(fill::<B>(&database, 4).len(), 4);
}

pub fn while_the_server_is_down_the_error_is_connect_and_afterwards_all_is_well<B: Backend>() {
    let mut server = B::start();
    let database = open(&server, size(2, 1).retry(once()).pre_ping(PrePing::Always));
    fill::<B>(&database, 2);
    server.stop();
    for _ in 0..3 {
        let begun = Instant::now();
        let error = database.get().unwrap_err();
        assert!(begun.elapsed() < secs(5), "{:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
        assert_eq!(database.ping().unwrap_err().kind(), ErrorKind::Connect);
    }
    settled(&database, 0);
    let status = database.status();
    assert_eq!(state(&status), (2, 0, 0, 0));
    assert_eq!(status.connection_errors, 6);
    assert!(status.last_error.is_some());
    server.start_again();
    assert_eq!(fill::<B>(&database, 3).len(), 3);
    database.ping().unwrap();
    settled(&database, 2);
}

pub fn a_caller_between_attempts_is_served_when_the_server_comes_up<B: Backend>() {
    let mut server = B::start();
    let database = open(&server, size(1, 0).retry(often()));
    server.stop();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| database.get().map(|mut any| session::<B>(&mut any)));
        eventually("two attempts fail", || {
            database.status().connection_errors >= 2
        });
        server.start_again();
        waiting.join().unwrap().unwrap();
    });
    settled(&database, 1);
    assert_eq!(database.status().connection_timeouts, 0);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub fn a_wrong_password_is_told_at_once_and_r2d2_takes_its_whole_timeout<B: Backend>() {
    let server = B::start();
    let url = server.with_wrong_password();
    let (mut bare, mut pooled) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        // A pool remembers the refusal, so each round has its own.
        let database = Database::open_with(&url, size(2, 1)).unwrap();
        let begun = Instant::now();
        B::bare(&url).err().expect("a refusal");
        bare.push(begun.elapsed());
        let begun = Instant::now();
        let error = database.get().unwrap_err();
        pooled.push(begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
        // One attempt each, where the default policy makes five; and the next caller needs none.
        database.get().unwrap_err();
        assert_eq!(database.status().connection_errors, 1);
        settled(&database, 0);
    }
    let (bare, pooled) = (median(bare), median(pooled));
    let kind = &url[..5];
    eprintln!("{kind}: wrong password: the driver alone {bare:?}, through the pool {pooled:?}");
    assert!(pooled < bare + millis(50), "{pooled:?} against {bare:?}");

    let begun = Instant::now();
    let text = B::error_of_r2d2(&url);
    assert!(begun.elapsed() >= secs(2), "{:?}: {text}", begun.elapsed());
}

pub fn an_unknown_database_is_told_after_one_attempt<B: Backend>() {
    let server = B::start();
    let database = Database::open_with(&to_nowhere(&server.url()), size(1, 0)).unwrap();
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
    assert_eq!(database.status().connection_errors, 1);
    assert!(!error.to_string().contains("QueuePool limit"), "{error}");
}

pub fn an_unreachable_port_is_tried_again_as_the_policy_says<B: Backend>() {
    // No server is started, because the address is enough.
    let scheme = match B::SESSION.contains("pg_") {
        true => "postgresql",
        false => "mysql",
    };
    let url = format!("{scheme}://app:secret@127.0.0.1:{}/app", free_port());
    for attempts in 1..=3 {
        let retry = Retry::default()
            .max_attempts(attempts)
            .initial_delay(millis(10))
            .multiplier(1.0);
        let database = Database::open_with(&url, size(1, 0).retry(retry)).unwrap();
        let error = database.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
        let status = database.status();
        assert_eq!(status.connection_errors, u64::from(attempts));
        assert_eq!(status.waiting_requests, 0);
        assert_eq!(state(&status), (1, 0, 0, 0));
    }
    // It is never tried past the checkout's own deadline.
    let database = Database::open_with(&url, size(1, 0).retry(often())).unwrap();
    let begun = Instant::now();
    let error = database.get_timeout(millis(300)).unwrap_err();
    let taken = begun.elapsed();
    assert!((millis(300)..millis(550)).contains(&taken), "{taken:?}");
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
}

pub fn an_open_transaction_is_rolled_back<B: Backend>() {
    let server = B::start();
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let database = open(&server, size(1, 0).reset_on_return(how));
        let mut connection = database.get().unwrap();
        connection.execute("DROP TABLE IF EXISTS t").unwrap();
        connection.execute("CREATE TABLE t (v int)").unwrap();
        connection.execute("BEGIN").unwrap();
        connection.execute("INSERT INTO t VALUES (1)").unwrap();
        let first = session::<B>(&mut connection);
        drop(connection);
        let mut connection = database.get().unwrap();
        assert_eq!(session::<B>(&mut connection), first);
        assert_eq!(connection.query_i64("SELECT count(*) FROM t").unwrap(), 0);
        // The transaction's lock is gone too, and the next statement is not part of it.
        connection.execute("INSERT INTO t VALUES (2)").unwrap();
        drop(connection);
        let mut connection = database.get().unwrap();
        assert_eq!(connection.query_i64("SELECT count(*) FROM t").unwrap(), 1);
    }
}

pub fn a_failed_transaction_is_rolled_back<B: Backend>() {
    let server = B::start();
    let database = open(&server, size(1, 0));
    let mut connection = database.get().unwrap();
    connection
        .execute("CREATE TABLE t (v int PRIMARY KEY)")
        .unwrap();
    connection.execute("BEGIN").unwrap();
    connection.execute("INSERT INTO t VALUES (1)").unwrap();
    let error = connection.execute("INSERT INTO t VALUES (1)").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement, "{error:?}");
    let first = session_unless_failed::<B>(&mut connection);
    drop(connection);
    let mut connection = database.get().unwrap();
    assert_eq!(connection.query_i64("SELECT count(*) FROM t").unwrap(), 0);
    assert!(first.is_none_or(|first| first == session::<B>(&mut connection)));
    assert_eq!(database.status().total_connections_created, 1);
}

/// PostgreSQL refuses every statement in a failed transaction.
fn session_unless_failed<B: Backend>(connection: &mut AnyConnection) -> Option<i64> {
    connection.query_i64(B::SESSION).ok()
}

fn leave_state_behind<B: Backend>(connection: &mut AnyConnection) {
    connection.execute(B::SET).unwrap();
    connection
        .execute("CREATE TEMPORARY TABLE scratch (v int)")
        .unwrap();
    assert_eq!(connection.query_i64(B::IS_SET).unwrap(), 1);
}

fn assert_state<B: Backend>(connection: &mut AnyConnection, is_left: bool) {
    assert_eq!(
        connection.query_i64(B::IS_SET).unwrap(),
        i64::from(is_left),
        "the setting"
    );
    assert_eq!(
        connection.query_i64("SELECT count(*) FROM scratch").is_ok(),
        is_left,
        "the table"
    );
}

pub fn no_lock_outlives_the_return_even_where_other_connections_are_idle<B: Backend>() {
    let server = B::start();
    let database = Database::open_with(&server.url(), size(3, 0)).unwrap();
    database.warm_up(3).unwrap();
    let other_database = Database::open_with(&server.url(), size(1, 0)).unwrap();
    let mut other = other_database.get().unwrap();
    other.execute("CREATE TABLE t (v int)").unwrap();
    other.execute("INSERT INTO t VALUES (1)").unwrap();
    for _ in 0..50 {
        let mut holder = database.get().unwrap();
        holder.execute("BEGIN").unwrap();
        holder.query_i64("SELECT v FROM t FOR UPDATE").unwrap();
        drop(holder);
        let seen = other.query_i64("SELECT v FROM t FOR UPDATE NOWAIT");
        assert_eq!(seen.unwrap(), 1);
    }
}

pub fn session_state_stays_with_rollback_and_goes_with_full<B: Backend>() {
    let server = B::start();
    for (how, is_left) in [
        (ResetOnReturn::Rollback, true),
        (ResetOnReturn::Full, false),
    ] {
        let database = open(&server, size(1, 0).reset_on_return(how));
        let mut connection = database.get().unwrap();
        leave_state_behind::<B>(&mut connection);
        let first = session::<B>(&mut connection);
        drop(connection);
        let mut connection = database.get().unwrap();
        assert_eq!(session::<B>(&mut connection), first);
        assert_state::<B>(&mut connection, is_left);
    }
}

pub fn a_guard_dropped_by_a_panicking_thread_is_reset_in_full<B: Backend>() {
    let server = B::start();
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Never] {
        let database = open(&server, size(1, 0).reset_on_return(how));
        let first = session::<B>(&mut database.get().unwrap());
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let mut connection = database.get().unwrap();
                    leave_state_behind::<B>(&mut connection);
                    panic!("on purpose");
                })
                .join()
        });
        assert!(panicked.is_err());
        let mut connection = database.get().unwrap();
        assert_eq!(session::<B>(&mut connection), first);
        assert_state::<B>(&mut connection, false);
    }
}

pub fn a_paused_server_holds_nobody_up_and_is_used_again_afterwards<B: Backend>() {
    const PING: Duration = Duration::from_millis(200);
    /// Allows for scheduling on a busy machine, and for up to 100 ms for the close.
    const SLACK: Duration = Duration::from_millis(1_500);
    let server = B::start();
    let settings = size(4, 4)
        .pre_ping(PrePing::Always)
        .health_check_timeout(PING)
        .connect_timeout(secs(1))
        .retry(once());
    let database = open(&server, settings.clone());
    let other = open(&server, settings);
    fill::<B>(&database, 4);
    fill::<B>(&other, 2);
    let mut held = database.get().unwrap();
    session::<B>(&mut held);
    server.pause();

    // Three idle connections that are all silent: after three of them the caller gets an error.
    let begun = Instant::now();
    let error = database.get().unwrap_err();
    let taken = begun.elapsed();
    assert_eq!(error.kind(), ErrorKind::Validation, "{error:?}");
    assert!(taken >= PING * 3 && taken < PING * 3 + SLACK, "{taken:?}");
    assert_eq!(
        closed(&database.status(), CloseReason::Lost),
        0,
        "a silent connection is not a lost one"
    );

    let begun = Instant::now();
    drop(held);
    assert!(begun.elapsed() < PING + SLACK, "{:?}", begun.elapsed());

    // Nothing is idle now. The kernel accepts the connection, and nobody answers the login.
    let begun = Instant::now();
    let error = database.get().unwrap_err();
    let taken = begun.elapsed();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(taken < secs(1) + SLACK, "{taken:?}");

    let begun = Instant::now();
    drop(other);
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());

    server.resume();
    let mut connection = database.get().unwrap();
    session::<B>(&mut connection);
    drop(connection);
    eventually("the abandoned calls have ended", || {
        let status = database.status();
        status.abandoned == 0 && status.opening_connections == 0
    });
    assert_eq!(fill::<B>(&database, 8).len(), 8);
    eventually("the overflow is closed", || database.status().total == 4);
    assert_laws(&database.status());
}

pub fn a_full_server_is_tried_again_until_there_is_room<B: Backend>() {
    const ROOM: usize = 10; // the lowest limit that MariaDB accepts
    let server = B::start_for(ROOM);
    let url = server.url();
    let others = RefCell::new(Vec::new());
    // The session that saw the server start may take a moment to end.
    eventually("all its room is taken", || {
        others.borrow_mut().extend(B::bare(&url).ok());
        others.borrow().len() == ROOM
    });
    let mut others = others.into_inner();

    let impatient = open(&server, size(1, 0).retry(once()));
    let error = impatient.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");

    let database = open(&server, size(1, 0).retry(often()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| database.get().map(|mut any| session::<B>(&mut any)));
        eventually("two attempts are refused", || {
            database.status().connection_errors >= 2
        });
        others.pop();
        waiting.join().unwrap().unwrap();
    });
    settled(&database, 1);
}

pub fn the_command_timeout_ends_a_statement_also_after_a_full_reset<B: Backend>() {
    let server = B::start();
    let settings = size(1, 0)
        .command_timeout(millis(200))
        .reset_on_return(ResetOnReturn::Full);
    let database = open(&server, settings);
    for _ in 0..2 {
        let mut connection = database.get().unwrap();
        let begun = Instant::now();
        let error = connection.execute(B::SLEEP).unwrap_err();
        assert!(begun.elapsed() < secs(5), "{:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Statement, "{error:?}");
        session::<B>(&mut connection);
    }
    assert_eq!(database.status().total_connections_created, 1);
}

pub fn the_server_never_sees_more_than_the_capacity_and_nobody_after_close<B: Backend>() {
    const CAPACITY: i64 = 7;
    let server = B::start();
    let admin = server.admin();
    let database = open(&server, size(4, 3));
    let (start, done) = (Barrier::new(41), AtomicBool::new(false));
    let most = std::thread::scope(|scope| {
        let users: Vec<_> = (0..40)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..10 {
                        session::<B>(&mut database.get().unwrap());
                    }
                })
            })
            .collect();
        let observer = scope.spawn(|| {
            let mut connection = admin.get().unwrap();
            start.wait();
            let mut most = 0;
            while !done.load(SeqCst) {
                most = most.max(B::sessions(&mut connection));
            }
            most
        });
        users.into_iter().for_each(|user| user.join().unwrap());
        done.store(true, SeqCst);
        observer.join().unwrap()
    });
    let status = database.status();
    assert!((1..=CAPACITY).contains(&most), "{most}");
    assert!(status.peak_total <= CAPACITY as u64, "{status:#?}");
    assert_eq!(status.checkouts, 400);
    assert_laws(&status);
    database.close(secs(10)).unwrap();
    assert_eq!(database.status().total, 0);
    eventually("the server has forgotten all sessions", || {
        B::sessions(&mut admin.get().unwrap()) == 0
    });
    assert_eq!(database.get().unwrap_err().kind(), ErrorKind::Closed);
}

pub fn a_forked_child_leaves_the_connections_of_its_parent_alone<B: Backend>() {
    let server = B::start();
    let database = open(&server, size(2, 0).pre_ping(PrePing::Always));
    let sessions = fill::<B>(&database, 2);
    let mut held = database.get().unwrap();
    let held_session = session::<B>(&mut held);
    held.execute("BEGIN").unwrap();
    // What the child drops are copies: in the parent everything is still there.
    let inherited = Cell::new(Some((database, held)));
    in_child(|| {
        let (database, held) = inherited.take().unwrap();
        assert_eq!(
            database.get().unwrap_err().kind(),
            ErrorKind::Unsupported,
            "the parent's"
        );
        drop(held);
        drop(database);
        let refused = Database::open_with(&server.url(), size(2, 0)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    });
    let (database, mut held) = inherited.take().unwrap();
    assert_eq!(session::<B>(&mut held), held_session);
    held.execute("COMMIT").unwrap();
    let mut other = database.get().unwrap();
    assert!(sessions.contains(&session::<B>(&mut other)));
    drop((held, other));
    assert_eq!(database.status().total_connections_created, 2);
    assert_eq!(database.status().total_connections_closed, 0);
}

pub fn the_common_surface_works_and_tells_statement_from_connection<B: Backend>() {
    let server = B::start();
    let database = open(&server, size(1, 0));
    let mut connection = database.get().unwrap();
    connection
        .execute("CREATE TABLE t (v int, w varchar(10))")
        .unwrap();
    assert_eq!(
        connection
            .execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
            .unwrap(),
        2
    );
    assert_eq!(connection.query_i64("SELECT sum(v) FROM t").unwrap(), 3);
    assert_eq!(connection.execute("DELETE FROM t WHERE v > 1").unwrap(), 1);
    connection.ping().unwrap();
    for sql in [
        "SELEC 1",
        "SELECT v FROM nowhere",
        "SELECT v FROM t WHERE v > 5",
        "SELECT NULL",
        "SELECT w FROM t",
    ] {
        let error = connection.query_i64(sql).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Statement, "{sql}: {error:?}");
    }
    let error = connection.execute("SELEC 1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement, "{error:?}");
    assert!(B::is_drivers_own(error.source().unwrap()), "{error:?}");
    connection.ping().unwrap();
    let is_postgres = database.postgres().is_some();
    assert_eq!(connection.postgres().is_some(), is_postgres);
    assert_eq!(connection.mysql().is_some(), !is_postgres);
    assert!(connection.sqlite().is_none());
    drop(connection);
    database.ping().unwrap();
    assert_eq!(database.status().checkouts, 1, "a probe is not a checkout");
}
