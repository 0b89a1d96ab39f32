//! Reads and writes apart, on a PostgreSQL primary with a streaming standby and on a MariaDB pair.

use std::time::Duration;

use queuepool::postgres::PostgresPool;
use queuepool::read_write::Builder;
use queuepool::{Clock, Database, PrePing, ReadWrite, Settings};

use support::scripted::{eventually, millis, secs};
use support::servers::{MariaDb, Postgres};

const IS_STANDBY: &str = "SELECT pg_is_in_recovery()::int";
const COUNT: &str = "SELECT count(*) FROM orders";

/// Two connections, each tested before every use.
fn settings() -> Settings {
    let settings = Settings::default().pool_size(2).max_overflow(0);
    settings.pre_ping(PrePing::Always)
}

fn open(url: &str) -> Database {
    Database::open_with(url, settings()).unwrap()
}

/// Checked by hand, with a clock that stands still, so that a lag is what the test makes it.
fn by_hand(primary: &str, replica: &str) -> (Builder<Database>, Clock) {
    let clock = Clock::stopped();
    let described = ReadWrite::new(open(primary)).replica(open(replica));
    (described.clock(clock.clone()).checked_by_hand(), clock)
}

fn lag(apart: &ReadWrite<Database>) -> Option<Duration> {
    apart.status().replicas[0].replica_lag
}

fn why_passed_over(apart: &ReadWrite<Database>) -> Option<String> {
    apart.status().replicas[0].passed_over.clone()
}

/// Checks until the replica has replayed all that the primary has.
#[track_caller]
fn catch_up(apart: &ReadWrite<Database>) {
    eventually("the replica has caught up", || {
        apart.check();
        lag(apart) == Some(Duration::ZERO)
    });
}

#[test]
fn postgres_an_idle_primary_makes_no_lag_and_a_replay_that_is_paused_does() {
    let primary = Postgres::start();
    let standby = primary.start_standby();
    let (described, clock) = by_hand(&primary.url(), &standby.url());
    let described = described.max_lag(secs(10)).read_your_writes(true);
    let apart = described.build().unwrap();
    let reads_from_standby = || apart.read().unwrap().query_i64(IS_STANDBY).unwrap() == 1;

    let mut writer = apart.write().unwrap();
    writer.execute("CREATE TABLE orders (id int)").unwrap();
    drop(writer);
    clock.advance(secs(1));
    eventually("the standby has the table", || {
        apart.check();
        reads_from_standby()
    });
    // Whoever has begun to write, and leaves it at that, makes none either.
    let mut open_writer = open(&primary.url()).get().unwrap();
    let begin = "BEGIN; INSERT INTO orders VALUES (0)";
    open_writer.execute(begin).unwrap();
    for _ in 0..3 {
        clock.advance(secs(3600));
        catch_up(&apart);
    }
    open_writer.execute("ROLLBACK").unwrap();
    assert!(reads_from_standby());

    let mut admin = open(&standby.admin_url()).get().unwrap();
    admin.execute("SELECT pg_wal_replay_pause()").unwrap();
    let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int";
    let asking = open(&standby.admin_url());
    eventually("the replay is paused", || {
        asking.get().unwrap().query_i64(paused).unwrap() == 1
    });
    clock.advance(millis(1));
    let mut writer = apart.write().unwrap();
    writer.execute("INSERT INTO orders VALUES (1)").unwrap();
    drop(writer);
    let mark = apart.mark();
    // The tests' servers have synchronous_commit=off, so the row has been committed and may not be written yet.
    clock.advance(millis(1));
    apart.check();
    assert_eq!(apart.read().unwrap().query_i64(COUNT).unwrap(), 1);
    let asking = open(&primary.admin_url());
    let written = "SELECT (pg_current_wal_insert_lsn() = pg_current_wal_lsn())::int";
    eventually("the row is written", || {
        asking.get().unwrap().query_i64(written).unwrap() == 1
    });
    clock.advance(secs(5));
    apart.check();
    assert_eq!(lag(&apart).unwrap().as_secs(), 5);
    assert_eq!(why_passed_over(&apart), None, "it is within max_lag");
    // This thread, and whoever has the mark, sees the row; others may not.
    assert_eq!(apart.read().unwrap().query_i64(COUNT).unwrap(), 1);
    assert_eq!(
        apart.read_after(&mark).unwrap().query_i64(COUNT).unwrap(),
        1
    );
    let of_others = std::thread::scope(|scope| {
        let other = scope.spawn(|| apart.read().unwrap().query_i64(COUNT).unwrap());
        other.join().unwrap()
    });
    assert_eq!(of_others, 0);

    clock.advance(secs(6));
    apart.check();
    assert_eq!(lag(&apart).unwrap().as_secs(), 11);
    let why = why_passed_over(&apart).unwrap();
    assert!(why.contains("11.0s behind, and max_lag is 10s"), "{why}");
    let of_others = std::thread::scope(|scope| {
        let other = scope.spawn(|| apart.read().unwrap().query_i64(COUNT).unwrap());
        other.join().unwrap()
    });
    assert_eq!(of_others, 1, "from the primary");

    admin.execute("SELECT pg_wal_replay_resume()").unwrap();
    catch_up(&apart);
    assert!(reads_from_standby());
    let mut reader = apart.read_after(&mark).unwrap();
    assert_eq!(reader.query_i64(IS_STANDBY).unwrap(), 1);
    assert_eq!(reader.query_i64(COUNT).unwrap(), 1);
}

#[test]
fn postgres_a_standby_that_is_stopped_or_frozen_is_left_at_once_and_used_again() {
    let primary = Postgres::start();
    let mut standby = primary.start_standby();
    let pool = |url: &str| {
        let described = PostgresPool::builder(url).unwrap();
        described.settings(settings()).build().unwrap()
    };
    let described = ReadWrite::new(pool(&primary.url())).replica(pool(&standby.url()));
    let apart = described.build().unwrap();
    let is_standby = || {
        let mut client = apart.read().unwrap();
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]).unwrap();
        row.get::<_, bool>(0)
    };
    let is_used = || apart.status().replicas[0].passed_over.is_none();
    assert!(is_standby());

    standby.stop();
    for _ in 0..100 {
        assert!(!is_standby());
    }
    let why = apart.status().replicas[0].passed_over.clone();
    assert!(why.unwrap().starts_with("it failed: "));
    let status = apart.replicas()[0].status();
    assert_eq!(status.checkouts, 1, "no caller had another of it");
    // Those of the first caller and of the checks, which try again for as long as they may.
    let tries = status.connection_errors;
    assert!(tries < 50, "{tries} for 100 reads");
    standby.start_again();
    eventually("it is used again", is_used);
    assert!(is_standby());

    standby.pause();
    for _ in 0..100 {
        assert!(!is_standby());
    }
    standby.resume();
    eventually("it is used again", || is_used() && is_standby());
}

/// A primary, and a replica of it that catches up.
fn mariadb_pair() -> (MariaDb, MariaDb) {
    let start = |id: &str| MariaDb::start_with(&[id, "--log-bin", "--log-slave-updates"]);
    let (primary, replica) = (start("--server-id=1"), start("--server-id=2"));
    let mut admin = open(&replica.admin_url()).get().unwrap();
    admin.execute(&primary.to_replicate_this()).unwrap();
    drop(admin);
    (primary, replica)
}

#[test]
fn mariadb_a_replica_that_applies_nothing_has_an_unknown_lag_and_is_passed_over() {
    let (primary, replica) = mariadb_pair();
    let (described, clock) = by_hand(&primary.admin_url(), &replica.admin_url());
    let apart = described.max_lag(secs(10)).build().unwrap();
    let server = "SELECT @@server_id";
    let mut writer = apart.write().unwrap();
    writer.execute("CREATE TABLE orders (id int)").unwrap();
    drop(writer);
    let mark = apart.mark();
    clock.advance(millis(1));
    eventually("the replica has the table, by its GTID", || {
        apart.check();
        apart.read_after(&mark).unwrap().query_i64(server).unwrap() == 2
    });
    assert_eq!(lag(&apart), Some(Duration::ZERO));
    assert_eq!(apart.read().unwrap().query_i64(COUNT).unwrap(), 0);

    let mut admin = open(&replica.admin_url()).get().unwrap();
    admin.execute("STOP SLAVE SQL_THREAD").unwrap();
    let mut writer = apart.write().unwrap();
    writer.execute("INSERT INTO orders VALUES (1)").unwrap();
    drop(writer);
    let mark = apart.mark();
    clock.advance(millis(1));
    apart.check();
    assert_eq!(lag(&apart), None);
    let why = why_passed_over(&apart).unwrap();
    assert!(why.contains("its lag is unknown"), "{why}");
    let mut reader = apart.read().unwrap();
    assert_eq!(reader.query_i64(server).unwrap(), 1);
    assert_eq!(reader.query_i64(COUNT).unwrap(), 1);
    drop(reader);

    admin.execute("START SLAVE SQL_THREAD").unwrap();
    eventually("the replica has the row, by its GTID", || {
        apart.check();
        apart.read_after(&mark).unwrap().query_i64(server).unwrap() == 2
    });
    assert_eq!(
        apart.read_after(&mark).unwrap().query_i64(COUNT).unwrap(),
        1
    );
}

#[test]
fn mariadb_without_max_lag_a_mark_still_tells_a_replica_that_applies_nothing() {
    let (primary, replica) = mariadb_pair();
    let (described, clock) = by_hand(&primary.admin_url(), &replica.admin_url());
    let apart = described.read_your_writes(true).build().unwrap();
    let server = "SELECT @@server_id";
    let mut admin = open(&replica.admin_url()).get().unwrap();
    admin.execute("STOP SLAVE SQL_THREAD").unwrap();
    // What is written on the replica itself has numbers of the same domain, and must not be taken for the primary's.
    for number in 0..20 {
        let sql = format!("CREATE TABLE of_the_replica_{number} (id int)");
        admin.execute(&sql).unwrap();
    }
    apart.check();
    assert_eq!(apart.read().unwrap().query_i64(server).unwrap(), 2);
    clock.advance(millis(1));
    let mut writer = apart.write().unwrap();
    writer.execute("CREATE TABLE orders (id int)").unwrap();
    drop(writer);
    clock.advance(millis(1));
    apart.check();
    assert_eq!(apart.read().unwrap().query_i64(server).unwrap(), 1);
    admin.execute("START SLAVE SQL_THREAD").unwrap();
    eventually("the replica has the table", || {
        apart.check();
        apart.read().unwrap().query_i64(server).unwrap() == 2
    });
    assert_eq!(apart.read().unwrap().query_i64(COUNT).unwrap(), 0);
}

#[test]
fn mariadb_a_user_who_may_not_ask_is_told_which_privilege_is_missing() {
    let (primary, replica) = mariadb_pair();
    let mut admin = open(&primary.admin_url()).get().unwrap();
    admin
        .execute("CREATE USER reader IDENTIFIED BY 'r'; GRANT SELECT ON app.* TO reader")
        .unwrap();
    drop(admin);
    let url = format!("mysql://reader:r@127.0.0.1:{}/app", replica.port());
    eventually("the user is there", || open(&url).get().is_ok());
    let (described, _clock) = by_hand(&primary.admin_url(), &url);
    let apart = described.max_lag(secs(10)).build().unwrap();
    apart.check();
    let why = why_passed_over(&apart).unwrap();
    assert!(why.contains("REPLICA MONITOR"), "{why}");
    let status = apart.replicas()[0].status();
    assert_eq!(status.total_connections_closed, 0, "the connection is good");
}
