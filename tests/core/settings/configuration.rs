//! The configuration suite: what users were promised of the defaults.

use std::time::Duration;

use queuepool::{PrePing, Settings};

use support::scripted::{Server, assert_laws, state};

#[test]
fn uses_a_queue_pool() {
    let pool = Server::new().pool(Settings::default());
    assert_eq!(pool.status().pool_type, "QueuePool");
    assert_eq!(state(&pool.status()), (10, 0, 0, 0));
    // Building opens nothing, so no server is needed.
    #[cfg(feature = "postgres")]
    {
        use queuepool::postgres::PostgresPool;
        let builder = PostgresPool::builder("postgresql://app@127.0.0.1:1/app").unwrap();
        assert_eq!(builder.build().unwrap().status().pool_type, "QueuePool");
    }
    #[cfg(feature = "mysql")]
    {
        use queuepool::mysql::MySqlPool;
        let builder = MySqlPool::builder("mysql://app@127.0.0.1:1/app").unwrap();
        assert_eq!(builder.build().unwrap().status().pool_type, "QueuePool");
    }
}

#[test]
fn size_at_least_10() {
    assert!(Settings::default().pool_size >= 10);
}

#[test]
fn overflow_at_least_20_and_twice_the_size() {
    let settings = Settings::default();
    assert!(settings.max_overflow >= 20);
    assert!(settings.max_overflow >= 2 * settings.pool_size);
}

#[test]
fn capacity_at_least_30() {
    let settings = Settings::default();
    assert!(settings.pool_size + settings.max_overflow >= 30);
}

#[test]
fn pre_ping_on() {
    assert_ne!(Settings::default().pre_ping, PrePing::Never);
}

#[test]
fn recycle_at_least_an_hour() {
    assert!(Settings::default().recycle >= Duration::from_secs(60 * 60));
}

#[test]
fn timeout_10_to_60_seconds() {
    let timeout = Settings::default().timeout;
    assert!((Duration::from_secs(10)..=Duration::from_secs(60)).contains(&timeout));
}

#[cfg(all(feature = "postgres", feature = "mysql"))]
#[test]
fn both_of_two_named_databases_configured() {
    let open = |url: &str| queuepool::Database::open(url).unwrap();
    let registry = queuepool::Registry::new()
        .add("kg", open("postgresql://app@127.0.0.1:1/kg"))
        .and_then(|registry| registry.add("by", open("mysql://app@127.0.0.1:1/by")))
        .unwrap();
    let status = registry.status();
    for name in ["kg", "by"] {
        let status = &status[name];
        assert_eq!(status.pool_type, "QueuePool");
        assert!(status.size >= 10 && status.max_overflow >= 20);
        assert!(status.total_capacity >= 30);
        assert_ne!(status.configuration.pre_ping, PrePing::Never);
        assert!(status.is_healthy());
    }
}

#[test]
fn connections_returned() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    for round in 1..=3 {
        let out: Vec<_> = (0..25).map(|_| pool.get().unwrap()).collect();
        assert_eq!(pool.status().checked_out, 25);
        drop(out);
        let status = pool.status();
        assert_eq!(state(&status), (10, 10, 0, 0));
        assert_eq!(status.checkins, round * 25);
        assert!(status.holders.is_empty());
        assert_laws(&status);
    }
    // An error of the user's own does not prevent the return of the connection.
    let fails = || -> Result<(), String> {
        let _connection = pool.get().map_err(|error| error.to_string())?;
        Err("on purpose".to_owned())
    };
    fails().unwrap_err();
    assert_eq!(pool.status().checked_out, 0);
    assert_eq!(server.resets(), 76, "each return is reset");
}

#[test]
fn echo_pool_off() {
    assert!(!Settings::default().echo_pool);
}

#[test]
fn defaults_production_ready() {
    const POSTGRESQL_LIMIT: u32 = 100;
    const MYSQL_WAIT_TIMEOUT: Duration = Duration::from_secs(8 * 60 * 60);

    let settings = Settings::default();
    assert!(settings.validate().is_ok());
    assert!(settings.pool_size + settings.max_overflow < POSTGRESQL_LIMIT);
    assert!(settings.recycle < MYSQL_WAIT_TIMEOUT);
    assert!(settings.connect_timeout < settings.timeout);
    assert!(settings.retry.max_attempts > 1);
    assert!(!settings.echo);
}
