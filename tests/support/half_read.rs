//! An answer from PostgreSQL that nobody reads to its end, and how the pool deals with it.

use std::time::{Duration, Instant};

use ::postgres::types::ToSql;
use ::postgres::{Client, NoTls};
use queuepool::postgres::PostgresPool;
use queuepool::{CloseReason, PrePing, Settings};

use crate::servers::{Postgres, TestServer};

/// 20 GB, which no return can read to the end.
pub const COPY: &str = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 20000) i, generate_series(1, 1000) j) TO STDOUT";
/// The same amount as rows.
pub const ROWS: &str =
    "SELECT repeat('x', 1000) FROM generate_series(1, 20000) i, generate_series(1, 1000) j";

/// Leaves a statement that has answered with 99 rows and sends the last one after a minute.
pub fn leave_a_sleeper(client: &mut Client) {
    let sql = "SELECT repeat('x', 1000), CASE WHEN i > 99 THEN pg_sleep(60) END \
               FROM generate_series(1, 100) i";
    let none: [&(dyn ToSql + Sync); 0] = [];
    drop(client.query_raw(sql, none).unwrap());
}

const LIMIT: Duration = Duration::from_millis(300);

/// A pool of one connection, with a reset that may take 300 ms. It does not ping, because a ping would find a statement
/// that still runs.
pub fn pool_of_one(url: &str) -> PostgresPool {
    pool(url, 1)
}

/// The same with `places` connections.
pub fn pool(url: &str, places: u32) -> PostgresPool {
    let settings = Settings::default()
        .pool_size(places)
        .max_overflow(0)
        .pre_ping(PrePing::Never)
        .health_check_timeout(LIMIT);
    let builder = PostgresPool::builder(url).unwrap();
    builder.settings(settings).build().unwrap()
}

pub fn admin(server: &impl TestServer) -> Client {
    Client::connect(&server.admin_url(), NoTls).unwrap()
}

pub fn pid(client: &mut Client) -> i32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]);
    row.unwrap().get(0)
}

/// Whether the session `pid` ends within five seconds. If it does, so do the call on this side that waited for it, and its
/// thread.
pub fn ends(server: &impl TestServer, pid: i32) -> bool {
    let mut admin = admin(server);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let sql = "SELECT FROM pg_stat_activity WHERE pid = $1";
        if admin.query(sql, &[&pid]).unwrap().is_empty() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Asserts that whoever leaves an answer half read waits no longer than the limit, that the next caller gets another
/// connection, and that the statement is ended on the server together with its connection.
pub fn is_cancelled_and_closed(server: &Postgres, url: &str, leave: impl FnOnce(&mut Client)) {
    let pool = pool_of_one(url);
    let mut client = pool.get().unwrap();
    let left = pid(&mut client);
    leave(&mut client);
    let begun = Instant::now();
    drop(client);
    let returned = begun.elapsed();
    assert!(returned < LIMIT * 4, "the return took {returned:?}");
    let mut next = pool.get_timeout(Duration::from_secs(10)).unwrap();
    let row = next.query_one("SELECT 7", &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
    assert!(ends(server, left), "the session has not ended");
    drop(next);
    let status = pool.status();
    let closed = status.closed_by_reason.get(&CloseReason::ResetFailed);
    assert_eq!(closed, Some(&1), "{status:#?}");
    assert_eq!((status.total, status.total_connections_created), (1, 2));
    pool.close(Duration::from_secs(5)).unwrap();
    assert_eq!(pool.status().abandoned, 0);
}
