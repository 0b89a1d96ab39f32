//! The status as JSON: the names that dashboards were promised.

use std::time::Duration;

use queuepool::{
    ErrorClass, Mode, PrePing, ResetOnReturn, Retry, Role, ServerLimit, Settings, Status,
};
use serde_json::{Value, json};

use support::scripted::{Act, Server, eventually, millis, secs};

fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(2)
        .timeout(millis(1_500))
        .retry(Retry::default().max_attempts(1))
}

fn json_of<M: queuepool::Manager>(pool: &queuepool::Pool<M>) -> Value {
    let text = serde_json::to_string(&pool.status()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_promised_name_is_there_with_its_type() {
    let pool = Server::new().pool(settings());
    let held = pool.get().unwrap();
    let status = json_of(&pool);
    let names = |names: &[&str], is: fn(&Value) -> bool| {
        for name in names {
            assert!(status.get(name).is_some_and(is), "{name}: {status:#}");
        }
    };
    names(&["name", "pool_type", "health"], Value::is_string);
    names(
        &[
            "size",
            "checked_in",
            "checked_out",
            "overflow",
            "total",
            "max_overflow",
            "total_capacity",
            "active_connections",
            "idle_connections",
            "waiting_requests",
            "total_connections_created",
            "total_connections_closed",
            "connection_errors",
            "connection_timeouts",
            "validation_failures",
            "health_check_failures",
            "pool_exhausted_count",
            "overloaded_count",
            "peak_checked_out",
            "peak_total",
            "peak_waiting",
            "checkouts",
            "failed_checkouts",
            "waited",
            "checkins",
            "detached",
            "abandoned",
            "hung_connects",
            "in_connect_hook",
            "abandoned_connects",
            "refused_full",
        ],
        Value::is_u64,
    );
    names(
        &[
            "utilization",
            "capacity_utilization",
            "avg_connection_acquisition_time",
            "max_connection_acquisition_time",
        ],
        Value::is_f64,
    );
    names(&["leak_detected", "closed"], Value::is_boolean);
    names(&["at"], Value::is_string);
    names(&["uptime"], Value::is_f64);
    names(&["recommendations", "holders"], Value::is_array);
    names(
        &[
            "configuration",
            "closed_by_reason",
            "connection_acquisition_time",
            "connection_hold_time",
        ],
        Value::is_object,
    );
    for figure in ["count", "sum", "mean", "p50", "p90", "p99", "p999", "max"] {
        let times = &status["connection_acquisition_time"];
        assert!(times[figure].is_number(), "{figure}: {times:#}");
    }
    let buckets = &status["connection_acquisition_time"]["buckets"];
    assert_eq!(buckets[0][1], 1, "one checkout: {buckets:#}");
    names(
        &[
            "last_health_check",
            "last_health_check_error",
            "recent",
            "server_limit",
            "unreachable_for",
            "exhausted_for",
            "unsuited_for",
            "last_error",
            "last_error_at",
            "full_for",
            "full_since",
        ],
        Value::is_null,
    );
    drop(held);
}

#[test]
fn enums_are_lower_case_times_are_seconds_and_a_location_is_file_and_line() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings());
    drop(pool.get().unwrap());
    let out: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    let line = line!() - 1;
    clock.advance(millis(2_500));
    let status = json_of(&pool);
    assert_eq!(status["pool_type"], "QueuePool");
    assert_eq!(status["health"], "warning");
    assert_eq!(status["utilization"], 100.0);
    assert_eq!(status["capacity_utilization"], 75.0);
    let configuration = &status["configuration"];
    let typed = [
        "pool_size",
        "max_overflow",
        "timeout",
        "recycle",
        "pre_ping",
    ];
    assert_eq!(
        typed.map(|name| configuration[name].clone()),
        [json!(2), json!(2), json!(1.5), json!(3600.0), json!(true)]
    );
    assert_eq!(configuration["connect_timeout"], 10.0);
    assert_eq!(configuration["retry.max_attempts"], 1);
    assert_eq!(configuration["enable_pool_metrics"], false);
    assert_eq!(configuration["idle_timeout"], Value::Null);
    assert_eq!(configuration["pre_ping_window"], 0.5);
    assert_eq!(configuration["reset_on_return"], "rollback");
    assert_eq!(configuration.as_object().unwrap().len(), 37);
    let holder = &status["holders"][0];
    assert_eq!(holder["held_for"], 2.5);
    assert_eq!(holder["connection_id"], 1);
    assert_eq!(holder["location"], format!("{}:{line}", file!()));
    assert_eq!(
        holder["thread"],
        std::thread::current().name().unwrap_or_default()
    );
    drop(out);
    eventually("the overflow is closed", || pool.status().total == 2);
    let status = json_of(&pool);
    assert_eq!(status["health"], "healthy");
    assert_eq!(status["closed_by_reason"], json!({"overflow": 1}));
    assert_eq!(
        status["recommendations"],
        json!(["Pool is healthy. No action needed."])
    );
    assert_eq!(status["max_connection_hold_time"], 2.5);
}

#[test]
fn the_last_error_has_its_words_and_an_rfc_3339_time() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let pool = server.pool(settings());
    pool.get().unwrap_err();
    let status = json_of(&pool);
    let words = status["last_error"].as_str().unwrap();
    assert!(words.contains("scripted Permanent"), "{words}");
    let time = status["last_error_at"].as_str().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    humantime::parse_rfc3339(time).unwrap();
}

#[test]
fn a_critical_pool_says_for_how_long_it_has_been_full() {
    let (pool, clock) = Server::new().pool_with_clock(settings());
    let out: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    clock.advance(millis(10_500));
    let status = json_of(&pool);
    assert_eq!(status["health"], "critical");
    assert_eq!(status["leak_detected"], true);
    assert_eq!(status["full_for"], 10.5);
    drop(out);
}

#[test]
fn the_servers_limit_says_how_many_instances_fit_and_what_remains() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(100, 3));
    let pool = server.pool(settings().pool_size(20).max_overflow(30));
    drop(pool.get().unwrap());
    pool.health_check().unwrap();
    assert_eq!(
        json_of(&pool)["server_limit"],
        json!({"max_connections": 100, "reserved": 3, "for_user_or_database": null, "instances": 1, "remaining": 47})
    );
}

#[test]
fn a_sample_has_its_names_and_tells_time_outs_at_capacity_apart() {
    let (pool, clock) = Server::new().pool_with_clock(settings());
    pool.sample();
    let out: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    pool.get_timeout(millis(5)).unwrap_err();
    for _ in 0..2 {
        clock.advance(millis(5_000));
        pool.sample();
    }
    drop(out);
    let samples = serde_json::to_value(pool.history(0)).unwrap();
    let names = samples[0].as_object().unwrap().keys();
    let mut expected = [
        "number",
        "at",
        "seconds",
        "checked_out",
        "peak_checked_out",
        "total",
        "peak_total",
        "waiting",
        "peak_waiting",
        "checkouts",
        "failed_checkouts",
        "waited",
        "connection_timeouts",
        "timeouts_at_capacity",
        "pool_exhausted_count",
        "connection_errors",
        "opened",
        "overflow_closed",
        "wait_p50",
        "wait_p99",
        "hold_p50",
        "hold_p99",
    ];
    expected.sort_unstable();
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let of = |name: &str| [0, 1].map(|sample: usize| samples[sample][name].clone());
    assert_eq!(of("timeouts_at_capacity"), [json!(1), json!(0)]);
    assert_eq!(of("peak_total"), [json!(4), json!(4)]);
    let recent = &json_of(&pool)["recent"];
    assert_eq!(
        ["connection_timeouts", "timeouts_at_capacity"].map(|name| recent[name].clone()),
        [json!(1), json!(1)]
    );
}

#[test]
fn a_status_is_read_back_as_it_was_written() {
    let server = Server::new();
    server.on_question(|_| Act::Succeed);
    *server.limit.lock() = Some(ServerLimit::new(100, 3));
    let pool = server.pool(settings());
    let held = [pool.get().unwrap(), pool.get().unwrap()];
    drop(pool.get().unwrap());
    pool.health_check().unwrap();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let also = pool.get();
    let status = pool.status();
    let written = serde_json::to_string(&status).unwrap();
    let read: Status = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
    assert_eq!(read.to_string(), status.to_string());
    assert_eq!(read.pool_type, "QueuePool");
    assert_eq!(read.configuration, status.configuration);
    assert_eq!(read.closed_by_reason, status.closed_by_reason);
    assert_eq!(status.server_limit.unwrap().max_connections, 100);
    assert_eq!(read.server_limit, status.server_limit);
    assert_eq!(read.holders.len(), status.holders.len());
    for (read, holder) in read.holders.iter().zip(&status.holders) {
        assert_eq!(read.line(), holder.line());
        assert!(read.line().starts_with(file!()), "{}", read.line());
    }
    drop((held, also));
    pool.close(secs(5)).unwrap();
    // What happened between one that was read back and one that was not.
    let since = pool.status().since(&read);
    assert!(since.checkins >= 2 && since.seconds >= 0.0, "{since:?}");
    let json = serde_json::to_string(&since).unwrap();
    let again: queuepool::Since = serde_json::from_str(&json).unwrap();
    assert_eq!(again.checkins, since.checkins);
}

#[test]
fn samples_and_limits_are_read_back_too() {
    let server = Server::new();
    let pool = server.pool(settings().enable_pool_metrics(true));
    for _ in 0..3 {
        drop(pool.get().unwrap());
        pool.sample();
    }
    let status = pool.status();
    let read: Status = serde_json::from_str(&serde_json::to_string(&status).unwrap()).unwrap();
    assert!(status.recent.is_some());
    assert_eq!(
        read.recent.map(|recent| recent.checkouts),
        status.recent.map(|recent| recent.checkouts)
    );
    let samples = pool.history(0);
    let written = serde_json::to_string(&samples).unwrap();
    let read: Vec<queuepool::Sample> = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
    let limit = ServerLimit::new(100, 3);
    let read: ServerLimit = serde_json::from_str(&serde_json::to_string(&limit).unwrap()).unwrap();
    assert_eq!(read, limit);
}

#[test]
fn settings_are_read_back_as_they_were_written() {
    let all = [
        Settings::default(),
        Settings::small(),
        Settings::production(),
        Settings::high_throughput(),
        Settings::default()
            .recycle(Duration::MAX)
            .pre_ping(PrePing::Never)
            .reset_on_return(ResetOnReturn::Full)
            .mode(Mode::Null)
            .role(Role::Primary)
            .max_waiting(7)
            .outage_timeout(millis(1_250))
            .idle_timeout(secs(61))
            .validation_query("SELECT 'off'")
            .retry(Retry::default().max_attempts(2).jitter(false)),
        Settings::default().pre_ping(PrePing::Always),
        Settings::default().pre_ping(PrePing::IdleFor(millis(1_500))),
    ];
    for settings in all {
        let written = serde_json::to_string(&settings).unwrap();
        let read: Settings = serde_json::from_str(&written).unwrap();
        assert_eq!(read, settings, "{written}");
    }
}

#[test]
fn settings_from_a_file_need_not_name_all_and_win_over_the_url() {
    let file =
        r#"{"pool_size": 3, "timeout": "1m", "retry.max_attempts": 2, "command_timeout": null}"#;
    let read: Settings = serde_json::from_str(file).unwrap();
    assert_eq!(read.pool_size, 3);
    assert_eq!(read.timeout, secs(60));
    assert_eq!(read.retry, Retry::default().max_attempts(2));
    assert_eq!(read.max_overflow, Settings::default().max_overflow);
    // 10 is the default, and is set all the same.
    let read: Settings = serde_json::from_str(r#"{"pool_size": 10}"#).unwrap();
    assert_eq!(read.pool_size, 10);
    #[cfg(feature = "sqlite")]
    {
        let url = "sqlite::memory:?pool_size=4&max_overflow=5&pool_mode=queue";
        let database = queuepool::Database::open_with(url, read).unwrap();
        let settings = database.settings();
        assert_eq!((settings.pool_size, settings.max_overflow), (10, 5));
    }
    for (wrong, words) in [
        (r#"{"pol_size": 3}"#, "unknown setting \"pol_size\""),
        (r#"{"pool_size": 2.5}"#, "invalid pool_size: expected"),
        (r#"{"pool_size": -1}"#, "invalid pool_size: expected"),
        (r#"{"timeout": null}"#, "invalid timeout: expected"),
        (r#"{"echo": "perhaps"}"#, "invalid echo: expected"),
        (r#"{"pre_ping_window": -1}"#, "negative"),
    ] {
        let error = serde_json::from_str::<Settings>(wrong)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
