//! The presets, figure by figure.

use std::time::Duration;

use queuepool::{PrePing, ResetOnReturn, Retry, Settings};

const MINUTE: Duration = Duration::from_secs(60);

fn presets() -> [(&'static str, Settings); 10] {
    [
        ("default", Settings::default()),
        ("small", Settings::small()),
        ("medium", Settings::medium()),
        ("large", Settings::large()),
        ("medium_traffic", Settings::medium_traffic()),
        ("high_traffic", Settings::high_traffic()),
        ("development", Settings::development()),
        ("production", Settings::production()),
        ("container", Settings::container()),
        ("high_throughput", Settings::high_throughput()),
    ]
}

#[test]
fn every_preset_is_valid() {
    for (name, settings) in presets() {
        assert!(settings.validate().is_ok(), "{name}");
    }
}

#[test]
fn sizes_are_as_promised() {
    let sizes = presets().map(|(_, settings)| (settings.pool_size, settings.max_overflow));
    let promised = [
        (10, 20),
        (5, 10),
        (10, 20),
        (20, 30),
        (20, 40),
        (50, 100),
        (20, 40),
        (5, 10),
        (5, 10),
        (100, 0),
    ];
    assert_eq!(sizes, promised);
}

#[test]
fn presets_differ_from_the_default_only_where_promised() {
    let sized = |pool_size, max_overflow| {
        Settings::default()
            .pool_size(pool_size)
            .max_overflow(max_overflow)
    };
    let production = sized(5, 10).recycle(30 * MINUTE).require_tls(true);
    let high_throughput = sized(100, 0)
        .min_pool_size(10)
        .command_timeout(MINUTE)
        .enable_pool_metrics(true);
    assert_eq!(Settings::medium(), Settings::default());
    assert_eq!(Settings::small(), sized(5, 10));
    assert_eq!(Settings::large(), sized(20, 30));
    assert_eq!(Settings::medium_traffic(), sized(20, 40));
    assert_eq!(Settings::high_traffic(), sized(50, 100).timeout(MINUTE));
    assert_eq!(Settings::development(), sized(20, 40).recycle(30 * MINUTE));
    assert_eq!(Settings::production(), production);
    assert_eq!(Settings::container(), production);
    assert_eq!(Settings::high_throughput(), high_throughput);
}

#[test]
fn the_default_is_as_promised() {
    let seconds = Duration::from_secs;
    let settings = Settings::default();
    assert_eq!(settings.timeout, seconds(30));
    assert_eq!(settings.recycle, seconds(3600));
    assert_eq!(settings.recycle_jitter, 0.1);
    assert_eq!(
        settings.pre_ping,
        PrePing::IdleFor(Duration::from_millis(500))
    );
    assert_eq!(settings.reset_on_return, ResetOnReturn::Rollback);
    assert_eq!(settings.mode, None);
    assert_eq!(settings.max_waiting, None);
    assert_eq!(settings.connect_timeout, seconds(10));
    assert_eq!(settings.command_timeout, None);
    assert_eq!((settings.idle_timeout, settings.keepalive), (None, None));
    assert_eq!((settings.warm_up, settings.min_pool_size), (0, 0));
    let retry = Retry::default()
        .max_attempts(5)
        .initial_delay(Duration::from_millis(500))
        .multiplier(2.0)
        .max_delay(seconds(30))
        .jitter(true);
    assert_eq!(settings.retry, retry);
    assert_eq!(settings.max_validation_failures, 3);
    assert_eq!(settings.validation_query, None);
    assert_eq!(settings.health_check_interval, seconds(10));
    assert_eq!(settings.health_check_timeout, seconds(5));
    assert!(!settings.enable_pool_metrics);
    assert_eq!(settings.metrics_collection_interval, seconds(5));
    assert_eq!(settings.warning_utilization, 70.0);
    assert_eq!(settings.critical_utilization, 90.0);
    assert_eq!(settings.leak_after, seconds(10));
    assert_eq!(settings.holder_warn_after, None);
    assert!(!settings.echo && !settings.echo_pool && !settings.require_tls);
}
