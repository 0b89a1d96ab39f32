//! diesel on a PostgreSQL server.

use diesel::pg::PgConnection;
use diesel::sql_types::Text;

use crate::servers::{PASSWORD, Postgres};

crate::both::all_on!(PgConnection, Postgres);

fn database() -> (Postgres, String) {
    let server = Postgres::start();
    let url = server.url();
    (server, url)
}

/// A ROLLBACK without a transaction is a warning here.
fn rolls_back_nothing() -> bool {
    true
}

diesel::define_sql_function! {
    fn pg_backend_pid() -> Integer;
}

fn pid(connection: &mut PgConnection) -> i32 {
    diesel::select(pg_backend_pid())
        .get_result(connection)
        .unwrap()
}

/// Ends a session as an administrator would.
fn kill(server: &Postgres, pid: i32) {
    let mut admin = PgConnection::establish(&server.admin_url()).unwrap();
    let sql = format!("SELECT pg_terminate_backend({pid}, 10000)");
    admin.batch_execute(&sql).unwrap();
}

#[test]
fn a_connection_that_the_server_killed_while_idle_is_replaced_before_its_next_use() {
    for (pool, server) in pools(size(2, 0).pre_ping(PrePing::Always)) {
        let mut out = [pool.get().unwrap(), pool.get().unwrap()];
        let pids = out.each_mut().map(|guard| pid(guard));
        drop(out);
        for pid in pids {
            kill(&server, pid);
        }
        assert!(!pids.contains(&pid(&mut pool.get().unwrap())));
        let status = pool.status();
        assert_eq!(status.validation_failures, 1, "{status:#?}");
        let reasons = [CloseReason::Lost, CloseReason::Invalidated];
        assert_eq!(
            reasons.map(|reason| status.closed_by_reason.get(&reason).copied()),
            [Some(1), Some(1)],
            "the other is replaced without a ping of its own"
        );
    }
}

#[test]
fn a_connection_that_the_server_kills_in_use_gives_diesels_error_and_is_not_kept() {
    for (pool, server) in pools(size(1, 0).pre_ping(PrePing::Never)) {
        let mut guard = pool.get().unwrap();
        let before = pid(&mut guard);
        kill(&server, before);
        add(&mut guard, 1).unwrap_err();
        drop(guard);
        assert_ne!(pid(&mut pool.get().unwrap()), before);
        assert_replaced(&pool);
    }
}

#[test]
fn a_transaction_begun_by_sql_that_failed_is_handed_on_failed_unless_the_driver_is_given() {
    let [without, with] = &pools(size(1, 0).pre_ping(PrePing::Never))[..] else {
        unreachable!("two pools")
    };
    for (pool, is_described) in [(&without.0, false), (&with.0, true)] {
        let mut guard = pool.get().unwrap();
        guard.batch_execute("BEGIN").unwrap();
        add(&mut guard, 1).unwrap();
        add(&mut guard, 1).unwrap_err();
        drop(guard);
        let next = add(&mut pool.get().unwrap(), 2);
        assert_eq!(next.is_ok(), is_described, "{next:?}");
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

#[test]
fn to_a_ping_a_failed_transaction_is_a_lost_connection_unless_the_driver_is_given() {
    let [without, with] = &pools(size(2, 0).pre_ping(PrePing::Always))[..] else {
        unreachable!("two pools")
    };
    for (pool, is_described) in [(&without.0, false), (&with.0, true)] {
        let (kept, mut failed) = (pool.get().unwrap(), pool.get().unwrap());
        failed.batch_execute("BEGIN").unwrap();
        failed.batch_execute("nonsense").unwrap_err();
        drop(kept);
        drop(failed);
        add(&mut pool.get().unwrap(), 2).unwrap();
        let status = pool.status();
        let closed = if is_described { 0 } else { 2 };
        assert_eq!(status.total_connections_closed, closed, "{status:#?}");
    }
}

#[test]
fn prepared_statements_and_the_time_zone_that_diesel_sets_stay_through_resets() {
    let (_server, url) = database();
    let pool = described::<PgConnection>(&url, size(1, 0));
    for _ in 0..3 {
        let mut guard = pool.get().unwrap();
        pid(&mut guard);
        let zone = diesel::dsl::sql::<Text>("SELECT current_setting('TimeZone')");
        assert_eq!(zone.get_result::<String>(&mut *guard).unwrap(), "UTC");
    }
    assert_eq!(pool.status().total_connections_created, 1);
}

#[test]
fn a_return_leaves_no_warning_in_the_servers_log() {
    let (server, url) = database();
    let pool = described::<PgConnection>(&url, size(1, 0));
    pid(&mut pool.get().unwrap());
    pool.close(Duration::from_secs(10)).unwrap();
    let log = server.log_text();
    assert!(!log.contains("WARNING"), "{log}");
}

#[test]
fn a_wrong_password_is_retried_unless_the_driver_is_given_and_shows_nowhere() {
    let (_server, url) = database();
    let url = url.replace("s3cret", "wr0ng");
    let retry = queuepool::Retry::default().max_attempts(3);
    let settings = size(1, 0).retry(retry.initial_delay(Duration::from_millis(1)));
    for (pool, attempts) in [
        (undescribed::<PgConnection>(&url, settings.clone()), 3),
        (described::<PgConnection>(&url, settings.clone()), 1),
    ] {
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(
            error.to_string().contains("authentication failed"),
            "{error}"
        );
        let status = pool.status();
        assert_eq!(status.connection_errors, attempts);
        let source = std::error::Error::source(&error).unwrap();
        let texts = format!("{error} {error:?} {source:?} {status} {status:?} {pool:?}");
        for secret in ["wr0ng", "word", PASSWORD] {
            let without = texts.replace("password", "");
            assert!(!without.contains(secret), "{texts}");
        }
    }
}

#[test]
fn a_malformed_url_which_libpq_quotes_shows_nowhere_with_the_driver() {
    for url in [
        "postgresql://app:s3cret/word@127.0.0.1:5432/app",
        "postgresql://app:s3cret%zz@127.0.0.1/app",
        "app:s3cret@127.0.0.1/app",
    ] {
        let quoted = PgConnection::establish(url).err().unwrap().to_string();
        assert!(
            quoted.contains("s3cret"),
            "libpq no longer quotes the password: {quoted}"
        );
        let pool = described::<PgConnection>(url, size(1, 0));
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        let status = pool.status();
        assert_eq!(status.connection_errors, 1);
        let source = std::error::Error::source(&error).unwrap();
        let texts = format!("{error} {error:?} {source:?} {status} {status:?} {pool:?}");
        assert!(!texts.contains("s3cret"), "{texts}");
    }
}

#[test]
fn a_server_that_is_down_is_tried_again_and_told_in_whole_lines() {
    let (mut server, url) = database();
    server.stop();
    let retry = queuepool::Retry::default().initial_delay(Duration::from_millis(1));
    let pool = described::<PgConnection>(&url, size(1, 0).retry(retry.max_attempts(2)));
    let error = pool.get().unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
    // libpq ends each of its messages with a line feed.
    assert_eq!(error.to_string().trim_end(), error.to_string());
    assert_eq!(pool.status().connection_errors, 2);
    server.start_again();
    assert_ne!(pid(&mut pool.get().unwrap()), 0);
}
