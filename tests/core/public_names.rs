//! The names that code outside this repository compiles against, used as the design prints them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

#[allow(unused_imports)]
use queuepool::{
    AnyConnection, Builder, CloseReason, Connection, ConnectionInfo, Database, Driver, Error,
    ErrorKind, Health, Holder, Manager, Mode, Pool, PrePing, Registry, ResetOnReturn, Retry,
    Settings, Status,
};

struct Nothing;

impl r2d2::ManageConnection for Nothing {
    type Connection = u8;
    type Error = Infallible;

    fn connect(&self) -> Result<u8, Infallible> {
        Ok(7)
    }

    fn is_valid(&self, _: &mut u8) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u8) -> bool {
        false
    }
}

fn generic<M: Manager>(manager: M) -> Result<Pool<M>, Error> {
    let pool: Pool<M> = Pool::builder(manager)
        .name("orders")
        .settings(
            Settings::default()
                .pool_size(2)
                .max_overflow(3)
                .timeout(Duration::from_millis(300)),
        )
        .on_connect(|_conn: &mut M::Connection, _info: &ConnectionInfo| Ok(()))
        .on_checkout(|_conn, _info| Ok(()))
        .on_checkin(|_conn, _info| ())
        .on_reset(|_conn, _info| ())
        .on_invalidate(|_conn, _info| ())
        .on_close(|_info: &ConnectionInfo, _reason: CloseReason| ())
        .on_timeout(|_waited: Duration| ())
        .connection_customizer(Box::new(r2d2::NopConnectionCustomizer))
        .build()?;
    Ok(pool)
}

#[test]
fn a_pool_of_any_manager_has_its_calls() -> Result<(), Error> {
    let pool = generic(Nothing)?;
    let conn: Connection<Nothing> = pool.get()?;
    drop(pool.get_timeout(Duration::from_secs(1))?);
    let none: Option<Connection<Nothing>> = pool.try_get()?;
    drop(none);
    assert_eq!(
        (*conn, pool.name(), pool.settings().pool_size),
        (7, "orders", 2)
    );
    let status: Status = pool.status();
    let holder: &Holder = &status.holders[0];
    let _: (
        &Arc<str>,
        &'static std::panic::Location<'static>,
        Duration,
        u64,
    ) = (
        &holder.thread,
        holder.location,
        holder.held_for,
        holder.connection_id,
    );
    let _: (u64, u64, u64) = (status.checkouts, status.checkins, status.detached);
    let _: &ConnectionInfo = Connection::info(&conn);
    let mine: u8 = Connection::detach(conn);
    assert_eq!(mine, 7);
    Connection::invalidate(pool.get()?);
    pool.warm_up(1)?;
    pool.invalidate_all();
    let closed: Result<(), Error> = pool.close(Duration::from_secs(5));
    closed
}

#[test]
fn every_preset_and_choice_has_its_name() {
    let presets = [
        Settings::default(),
        Settings::small(),
        Settings::medium(),
        Settings::large(),
        Settings::medium_traffic(),
        Settings::high_traffic(),
        Settings::development(),
        Settings::production(),
        Settings::container(),
        Settings::high_throughput(),
    ];
    for settings in presets {
        settings.recycle_jitter(0.1).validate().unwrap();
    }
    let mode: Option<Mode> = Settings::default().mode;
    assert_eq!(mode, None);
    let _ = [
        PrePing::Never,
        PrePing::Always,
        PrePing::IdleFor(Duration::from_secs(1)),
    ];
    let _ = [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ];
    let _ = [
        ErrorKind::Timeout,
        ErrorKind::Connect,
        ErrorKind::Validation,
        ErrorKind::Closed,
        ErrorKind::Overloaded,
        ErrorKind::Settings,
        ErrorKind::Hook,
        ErrorKind::Statement,
        ErrorKind::Unsupported,
    ];
}

#[test]
fn databases_and_registries_have_theirs() -> Result<(), Error> {
    use queuepool::mysql::{MySqlManager, MySqlPool};
    use queuepool::postgres::{PostgresManager, PostgresPool};
    use queuepool::sqlite::{SqliteManager, SqlitePool};

    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(&format!(
        "sqlite:///{}",
        folder.path().join("app.db").display()
    ))?;
    let mut conn: AnyConnection = db.get()?;
    let rows: u64 = conn.execute("CREATE TABLE t (i)")?;
    let one: i64 = conn.query_i64("SELECT 1")?;
    conn.ping()?;
    assert_eq!((rows, one), (0, 1));
    drop(conn);
    let _: Option<&Pool<PostgresManager>> = db.postgres();
    let _: Option<&Pool<MySqlManager>> = db.mysql();
    let _: Option<&Pool<SqliteManager>> = db.sqlite();
    db.ping()?;
    let _: Status = db.status();
    let postgres: PostgresPool = PostgresPool::builder("postgres://app@127.0.0.1/app")?.build()?;
    let mysql: MySqlPool = MySqlPool::builder("mysql://app@127.0.0.1/app")?.build()?;
    let sqlite: SqlitePool = SqlitePool::builder("sqlite::memory:")?.build()?;
    let hooked = Database::builder("sqlite::memory:")
        .on_connect(|_info| Ok(()))
        .on_close(|_info, _reason| ())
        .build()?;
    let registry = Registry::new()
        .add("kg", db.clone())?
        .add("pg", postgres)?
        .add("my", mysql)?
        .add("lite", sqlite)?
        .add("hooked", hooked)?
        .add("any", generic(Nothing)?)?;
    assert!(registry.get("kg").is_some());
    assert_eq!(registry.status().len(), 6);
    db.close(Duration::from_secs(5))
}

#[test]
fn a_closed_pool_and_a_closed_database_say_so() -> Result<(), Error> {
    let pool = generic(Nothing)?;
    let other = pool.clone();
    assert!(!pool.is_closed());
    pool.close(Duration::from_secs(5))?;
    assert!(pool.is_closed() && other.is_closed());
    let db = Database::open("sqlite::memory:")?;
    assert!(!db.is_closed());
    db.close(Duration::from_secs(5))?;
    assert!(db.is_closed());
    Ok(())
}

/// They are parts of structs that derive it.
#[test]
fn every_builder_can_be_printed() -> Result<(), Error> {
    let small = Settings::default().pool_size(3);
    let pool = Pool::builder(Nothing)
        .name("orders")
        .settings(small.clone());
    let database = Database::builder("sqlite::memory:")
        .name("orders")
        .settings(small);
    for printed in [format!("{pool:?}"), format!("{database:?}")] {
        assert!(
            printed.contains("orders") && printed.contains("pool_size: 3"),
            "{printed}"
        );
    }
    let both = queuepool::ReadWrite::new(generic(Nothing)?).replica(generic(Nothing)?);
    assert!(format!("{both:?}").contains("replicas: 1"));
    Ok(())
}

/// The fields are numbers of seconds, as the metrics are.
#[test]
fn every_time_of_a_status_can_be_had_as_a_duration() -> Result<(), Error> {
    let pool = generic(Nothing)?;
    let earlier = pool.status();
    let held = pool.get()?;
    std::thread::sleep(Duration::from_millis(2));
    drop(held);
    let status = pool.status();
    let longest: Duration = status.max_connection_hold_time();
    assert!(longest >= Duration::from_millis(2));
    assert_eq!(longest.as_secs_f64(), status.max_connection_hold_time);
    assert_eq!(status.avg_connection_hold_time(), longest);
    assert_eq!(status.connection_hold_time.max_duration(), longest);
    assert_eq!(status.connection_hold_time.sum_duration(), longest);
    let waited = [
        status.avg_connection_acquisition_time(),
        status.max_connection_acquisition_time(),
    ];
    assert!(waited[0] <= waited[1]);
    let since = status.since(&earlier);
    assert_eq!(since.seconds().as_secs_f64(), since.seconds);
    Ok(())
}

/// What belongs to a driver of one's own, to hooks or to the status has a module, and the front page is short. The names at the root
/// stay what they were.
#[test]
fn the_names_in_modules_are_those_at_the_root() {
    fn same<T>(_: fn(&T), _: fn(&T)) {}
    same(|_: &queuepool::driver::Call| (), |_: &queuepool::Call| ());
    same(
        |_: &queuepool::driver::Extent| (),
        |_: &queuepool::Extent| (),
    );
    same(|_: &queuepool::driver::Reset| (), |_: &queuepool::Reset| ());
    same(
        |_: &queuepool::driver::Replication| (),
        |_: &queuepool::Replication| (),
    );
    same(
        |_: &queuepool::driver::ServerLimit| (),
        |_: &queuepool::ServerLimit| (),
    );
    same(
        |_: &queuepool::hooks::HookError| (),
        |_: &queuepool::HookError| (),
    );
    same(
        |_: &queuepool::status::HealthCheck| (),
        |_: &queuepool::HealthCheck| (),
    );
    same(
        |_: &queuepool::status::Histogram| (),
        |_: &queuepool::Histogram| (),
    );
    same(
        |_: &queuepool::status::Recent| (),
        |_: &queuepool::Recent| (),
    );
    same(
        |_: &queuepool::status::Sample| (),
        |_: &queuepool::Sample| (),
    );
    same(|_: &queuepool::status::Since| (), |_: &queuepool::Since| ());

    let root = include_str!("../../src/lib.rs");
    let shown = root
        .split("\npub use ")
        .skip(1)
        .zip(root.split("\npub use "))
        .filter(|(_, before)| !before.ends_with("#[doc(hidden)]"))
        .map(|(names, _)| names.split(';').next().unwrap_or_default())
        .map(|names| names.split(',').count())
        .sum::<usize>();
    assert!(
        (20..=30).contains(&shown),
        "{shown} names and r2d2 on the front page"
    );
}
