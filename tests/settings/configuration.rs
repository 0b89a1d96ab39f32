//! The configuration suite: what users were promised of the defaults.

use std::time::Duration;

use queuepool::{PrePing, Settings};

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
