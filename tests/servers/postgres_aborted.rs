//! PostgreSQL on watched connections: a ping or reset that blocks is aborted on the thread that needs it. Nothing is abandoned, so
//! no thread hangs in the driver.

use std::time::{Duration, Instant};

use ::postgres::Client;
use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::ToSql;
use queuepool::{CloseReason, PrePing, Settings};

use crate::pool::size;
use crate::postgres_watched::watched;
use support::half_read::{COPY, ROWS, admin, ends, pid};
use support::scripted::{eventually, secs};
use support::servers::TestServer;

const NO_PARAMETERS: [&(dyn ToSql + Sync); 0] = [];
const LIMIT: Duration = Duration::from_millis(300);

fn settings() -> Settings {
    size(1, 0)
        .pre_ping(PrePing::Never)
        .health_check_timeout(LIMIT)
}

fn a_reset_that_is_not_answered_is_aborted<S: TestServer>() {
    let server = S::start();
    for how in ["BEGIN", "LISTEN news"] {
        let pool = watched(&server.url(), settings());
        let mut holder = pool.get().unwrap();
        holder.batch_execute(how).unwrap();
        server.pause();
        let begun = Instant::now();
        drop(holder);
        let taken = begun.elapsed();
        assert!(taken >= LIMIT && taken < LIMIT * 4, "{taken:?}");
        let status = pool.status();
        assert_eq!((status.abandoned, status.total), (0, 0), "{status:#?}");
        assert_eq!(status.closed_by_reason[&CloseReason::ResetFailed], 1);
        server.resume();
        let mut next = pool.get().unwrap();
        assert_eq!(next.query_one("SELECT 7", &[]).unwrap().get::<_, i32>(0), 7);
    }
}

fn a_validation_query_that_is_not_answered_is_aborted<S: TestServer>() {
    let server = S::start();
    let settings = settings()
        .pre_ping(PrePing::Always)
        .validation_query("SELECT 1");
    let pool = watched(&server.url(), settings);
    drop(pool.get().unwrap());
    server.pause();
    let begun = Instant::now();
    pool.get_timeout(secs(1)).unwrap_err();
    assert!(begun.elapsed() < secs(2), "{:?}", begun.elapsed());
    let closed = &pool.status().closed_by_reason;
    assert_eq!(closed[&CloseReason::ValidationFailed], 1, "{closed:?}");
    server.resume();
    pool.get().unwrap().batch_execute("SELECT 1").unwrap();
    eventually("nothing is abandoned", || pool.status().abandoned == 0);
}

/// The driver would wait for a leaked object for good.
fn a_leaked_reader_or_writer_costs_no_thread<S: TestServer>() {
    let server = S::start();
    let mut admin = admin(&server);
    admin
        .batch_execute("CREATE TABLE t (i int); GRANT ALL ON t TO app")
        .unwrap();
    let leaks: [fn(&mut Client); 4] = [
        |client| std::mem::forget(client.copy_in("COPY t FROM STDIN").unwrap()),
        |client| std::mem::forget(client.copy_out(COPY).unwrap()),
        |client| std::mem::forget(client.query_raw(ROWS, NO_PARAMETERS).unwrap()),
        // The driver stops to read only after the reset has begun.
        |client| {
            let slow = "SELECT repeat('x', 9000), pg_sleep(0.02) FROM generate_series(1, 100)";
            std::mem::forget(client.query_raw(slow, NO_PARAMETERS).unwrap());
        },
    ];
    for leak in leaks {
        let pool = watched(&server.url(), settings());
        let mut holder = pool.get().unwrap();
        let left = pid(&mut holder);
        leak(&mut holder);
        drop(holder);
        assert_eq!(pool.status().abandoned, 0);
        assert_ne!(pid(&mut pool.get().unwrap()), left);
        assert!(ends(&server, left));
        pool.close(secs(5)).unwrap();
    }
}

/// The driver reads on until a leaked reader has left it with more than it keeps. From then on it sends nothing either, even if the
/// whole answer has come.
fn a_leaked_reader_of_a_short_answer_hangs_nobody<S: TestServer>() {
    let server = S::start();
    for rows in (9..30).step_by(2) {
        let pool = watched(&server.url(), settings());
        let mut holder = pool.get().unwrap();
        let sql = format!("SELECT repeat('x', 1000) FROM generate_series(1, {rows})");
        std::mem::forget(holder.query_raw(&sql, NO_PARAMETERS).unwrap());
        // Reads what comes, as far as the driver can.
        let read = |client: &mut Client| {
            let mut notifications = client.notifications();
            let mut reading = notifications.timeout_iter(Duration::from_millis(20));
            reading.next().unwrap()
        };
        assert!(read(&mut holder).is_none());
        drop(holder);
        let mut next = pool.get().unwrap();
        assert_eq!(next.query_one("SELECT 7", &[]).unwrap().get::<_, i32>(0), 7);
    }
}

support::servers::on_each!([
    a_leaked_reader_of_a_short_answer_hangs_nobody,
    a_reset_that_is_not_answered_is_aborted,
    a_validation_query_that_is_not_answered_is_aborted,
    a_leaked_reader_or_writer_costs_no_thread,
]: installed = Postgres, newest = NewestPostgres);
