//! The exact shape and status code of each path, for one pool.

use std::thread;
use std::time::Duration;

use queuepool::http::respond;
use queuepool::{ErrorClass, HealthCheck, PrePing, Registry, Settings};
use serde_json::{Value, json};

use crate::{ask, json, keys, registry_of, settings};
use support::scripted::{Act, Server, eventually, gated, millis, secs};

#[track_caller]
fn assert_time(value: &Value) {
    let time = value.as_str().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    humantime::parse_rfc3339(time).unwrap();
}

#[track_caller]
fn assert_seconds(value: &Value) {
    assert!(value.as_f64().unwrap() >= 0.0, "{value}");
}

#[test]
fn the_service_runs_whatever_its_pool_does_and_whatever_is_asked_with_it() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
    let pool = server.pool(settings());
    let registry = registry_of(&pool);
    pool.close(secs(1)).unwrap();
    for target in ["/health", "/health/", "/health/live", "/health/live?%zz&x"] {
        let (status, body) = ask(&registry, target);
        assert_eq!(status, 200);
        assert_eq!(keys(&body), ["status", "timestamp"]);
        assert_eq!(body["status"], "ok");
        assert_time(&body["timestamp"]);
    }
}

const DATABASE: [&str; 6] = [
    "age_seconds",
    "checked_at",
    "error",
    "reachable",
    "status",
    "took_seconds",
];

#[test]
fn a_database_that_answers_is_reachable() {
    let (status, body) = ask(
        &registry_of(&Server::new().pool(settings())),
        "/health/database",
    );
    assert_eq!(status, 200);
    assert_eq!(keys(&body), DATABASE);
    assert_eq!(body["status"], "reachable");
    assert_eq!(body["reachable"], true);
    assert_eq!(body["error"], Value::Null);
    assert_time(&body["checked_at"]);
    assert_seconds(&body["age_seconds"]);
    assert_seconds(&body["took_seconds"]);
}

#[test]
fn a_database_that_refuses_is_unreachable_and_503() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let (status, body) = ask(&registry_of(&server.pool(settings())), "/health/database");
    assert_eq!(status, 503);
    assert_eq!(keys(&body), DATABASE);
    assert_eq!(body["status"], "unreachable");
    assert_eq!(body["reachable"], false);
    assert_time(&body["checked_at"]);
    let error = body["error"].as_str().unwrap();
    assert!(error.contains("scripted Transient"), "{error}");
}

#[test]
fn a_mute_database_is_unreachable_when_the_checks_limit_is_over() {
    let server = Server::new();
    let pool = server.pool(settings().health_check_timeout(millis(50)));
    drop(pool.get().unwrap());
    let (gate, script) = gated(|_| true);
    server.on_ping(script);
    let waiting = gate.clone();
    server.on_connect(move |_| Act::Wait(waiting.clone()));
    let (status, body) = ask(&registry_of(&pool), "/health/database");
    assert_eq!((status, &body["status"]), (503, &json!("unreachable")));
    let error = body["error"].as_str().unwrap();
    assert!(error.contains("health_check_timeout"), "{error}");
    gate.open();
}

#[test]
fn a_closed_pool_cannot_reach_its_database_but_is_not_critical() {
    let pool = Server::new().pool(settings());
    let registry = registry_of(&pool);
    pool.close(secs(5)).unwrap();
    let (status, body) = ask(&registry, "/health/database");
    assert_eq!(status, 503);
    assert_eq!(keys(&body), DATABASE);
    assert_eq!(body["status"], "unreachable");
    assert!(body["error"].as_str().unwrap().contains("closed"), "{body}");
    assert_eq!(ask(&registry, "/health/pool").0, 200);
    assert_eq!(ask(&registry, "/health/db_pool").0, 200);
    assert_eq!(ask(&registry, "/health/detailed").0, 503);
}

#[test]
fn while_exhausted_the_database_is_as_it_was_when_last_asked() {
    let server = Server::new();
    let pool = server.pool(settings());
    let registry = registry_of(&pool);
    let before: HealthCheck = pool.health_check().unwrap();
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let pings = server.pings();
    let (status, body) = ask(&registry, "/health/database");
    assert_eq!((status, server.pings()), (200, pings));
    assert_eq!(body["status"], "skipped, exhausted");
    assert_eq!(body["reachable"], true);
    let checked = humantime::format_rfc3339_millis(before.checked_at.unwrap()).to_string();
    assert_eq!(body["checked_at"], checked);
    assert_seconds(&body["age_seconds"]);
    drop(held);
}

#[test]
fn exhausted_with_a_database_that_failed_last_is_503() {
    let server = Server::new();
    let pool = server.pool(settings());
    let registry = registry_of(&pool);
    let mut held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    // The fourth connect is refused, so that the check learns of an outage; then it is let in without the check noticing.
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    assert!(!pool.health_check().unwrap().reachable);
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    thread::scope(|scope| {
        let last = scope.spawn(|| pool.get().unwrap());
        eventually("the last place is taken", || gate.waiting() == 1);
        let (status, body) = ask(&registry, "/health/database");
        gate.open();
        held.push(last.join().unwrap());
        assert_eq!(status, 503);
        assert_eq!(body["status"], "skipped, exhausted");
        assert_eq!(body["reachable"], false);
        assert!(
            body["error"].as_str().unwrap().contains("scripted"),
            "{body}"
        );
    });
}

#[test]
fn exhausted_before_any_check_says_so_with_nulls() {
    let pool = Server::new().pool(settings());
    let _held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let (status, body) = ask(&registry_of(&pool), "/health/database");
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"status": "skipped, exhausted", "reachable": true, "checked_at": null, "age_seconds": null,
               "took_seconds": null, "error": null})
    );
}

#[test]
fn the_pool_has_exactly_its_five_keys() {
    let pool = Server::new().pool(settings().pool_size(3).max_overflow(4));
    let registry = registry_of(&pool);
    let _held = pool.get().unwrap();
    let (status, body) = ask(&registry, "/health/pool");
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "pool_type": "QueuePool",
            "active_connections": 1,
            "available_connections": 6,
            "utilization": 33.3,
            "configuration": {"pool_size": 3, "max_overflow": 4, "timeout": 20, "recycle": 3600, "pre_ping": true},
        })
    );
}

#[test]
fn db_pool_has_exactly_the_promised_shape() {
    let server = Server::new();
    let pool = server.pool(settings().pool_size(3).max_overflow(4));
    let registry = registry_of(&pool);
    let mut held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    held.truncate(2);
    let (status, mut body) = ask(&registry, "/health/db_pool");
    assert_eq!(status, 200);
    assert_time(&body["timestamp"].take());
    assert_eq!(
        body,
        json!({
            "timestamp": null,
            "pool_status": {
                "size": 3, "checked_out": 2, "checked_in": 2, "overflow": 1, "max_overflow": 4, "utilization": 66.7,
                "health": "healthy", "total_capacity": 7,
            },
            "recommendations": ["Pool is healthy. No action needed."],
            "leak_detected": false,
            "configuration": {"pool_size": 3, "max_overflow": 4, "timeout": 20, "recycle": 3600, "pre_ping": true},
        })
    );
}

#[test]
fn a_configuration_is_in_whole_seconds_rounded_up_and_a_recycle_of_never_is_null() {
    let settings = settings()
        .timeout(millis(300))
        .recycle(Duration::MAX)
        .pre_ping(PrePing::Never);
    let registry = registry_of(&Server::new().pool(settings));
    for path in ["/health/pool", "/health/db_pool"] {
        assert_eq!(
            ask(&registry, path).1["configuration"],
            json!({"pool_size": 2, "max_overflow": 2, "timeout": 1, "recycle": null, "pre_ping": false})
        );
    }
}

#[test]
fn exactly_a_critical_pool_is_503() {
    let pool = Server::new().pool(settings().pool_size(4).max_overflow(6));
    let registry = registry_of(&pool);
    let mut held = Vec::new();
    for out in 1..=10 {
        held.push(pool.get().unwrap());
        // Nine of ten are 90 %, which is not above 90 %.
        let expected = if out == 10 { 503 } else { 200 };
        for path in ["/health/pool", "/health/db_pool", "/health/detailed"] {
            assert_eq!(ask(&registry, path).0, expected, "{path} at {out} of 10");
        }
        assert_eq!(ask(&registry, "/health/database").0, 200);
    }
    let (_, body) = ask(&registry, "/health/db_pool");
    assert_eq!(body["pool_status"]["health"], "critical");
    assert_eq!(body["pool_status"]["utilization"], 100.0);
    assert_eq!(body["pool_status"]["overflow"], 6);
    drop(held);
    eventually("all connections are back", || {
        ask(&registry, "/health/db_pool").0 == 200
    });
}

#[test]
fn a_leak_shows_with_its_holder() {
    let (pool, clock) = Server::new().pool_with_clock(settings());
    let _held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    clock.advance(millis(10_500));
    let (status, body) = ask(&registry_of(&pool), "/health/db_pool");
    assert_eq!((status, &body["leak_detected"]), (503, &json!(true)));
    let advice = body["recommendations"].to_string();
    assert!(advice.contains(file!()), "{advice}");
}

#[test]
fn detailed_is_service_database_and_pool_with_the_whole_status() {
    let server = Server::new();
    let pool = server.pool(settings());
    let registry = registry_of(&pool);
    let (status, body) = ask(&registry, "/health/detailed");
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    assert_eq!(
        keys(&body),
        [
            "current_state",
            "database",
            "health_metrics",
            "pool",
            "service",
            "status",
            "timestamp"
        ]
    );
    assert_eq!(body["service"], json!({"status": "ok"}));
    assert_eq!(keys(&body["database"]), DATABASE);
    assert_eq!(body["pool"], ask(&registry, "/health/pool").1);
    assert_time(&body["timestamp"]);
    // Every field of the status is in one of the two, or elsewhere in the answer.
    let mut found = [keys(&body["current_state"]), keys(&body["health_metrics"])].concat();
    found.extend(["at", "configuration", "name", "pool_type"]);
    found.sort_unstable();
    let all = serde_json::to_value(pool.status()).unwrap();
    assert_eq!(found, keys(&all));
    for name in ["checked_out", "total", "health", "holders", "leak_detected"] {
        assert!(body["current_state"].get(name).is_some(), "{name}");
    }
    for name in [
        "active_connections",
        "waiting_requests",
        "total_connections_created",
        "connection_timeouts",
    ] {
        assert!(body["health_metrics"].get(name).is_some(), "{name}");
    }

    server.on_ping(|_| Act::Fail(ErrorClass::Lost));
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let (status, body) = ask(&registry, "/health/detailed");
    assert_eq!((status, &body["status"]), (503, &json!("unavailable")));
    assert_eq!(body["service"]["status"], "ok");
    assert_eq!(body["database"]["reachable"], false);
    assert_eq!(body["current_state"]["health"], "healthy");
}

#[test]
fn metrics_are_the_registrys_prometheus_text() {
    let registry = registry_of(&Server::new().pool(settings()));
    let response = respond(&registry, "/metrics");
    assert_eq!(response.status, 200);
    assert_eq!(response.content_type, queuepool::prometheus::CONTENT_TYPE);
    assert_eq!(response.body, queuepool::prometheus::text(&registry));
    assert!(response.body.contains("db_pool_size{pool=\"orders\"} 2"));
}

#[test]
fn status_has_every_pool_as_it_prints_itself() {
    let pool = Server::new().pool(settings());
    let _held = pool.get().unwrap();
    let (status, body) = ask(&registry_of(&pool), "/status");
    assert_eq!(status, 200);
    assert_eq!(keys(&body), ["pools", "timestamp", "version"]);
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_time(&body["timestamp"]);
    let all = serde_json::to_value(pool.status()).unwrap();
    assert_eq!(keys(&body["pools"]["orders"]), keys(&all));
    assert_eq!(body["pools"]["orders"]["checked_out"], 1);
}

#[test]
fn history_goes_on_after_the_sample_that_is_named() {
    let monitored = Settings::default()
        .enable_pool_metrics(true)
        .metrics_collection_interval(secs(1000));
    let pool = Server::new().pool(monitored);
    let registry = registry_of(&pool);
    // The monitor takes its first sample when it starts; the next one is measured from it.
    eventually("there are three samples", || {
        pool.sample();
        pool.history(0).len() >= 3
    });
    let (status, body) = ask(&registry, "/history?pool=orders");
    assert_eq!(status, 200);
    assert_eq!(
        keys(&body),
        ["interval_seconds", "monitor", "pool", "samples"]
    );
    assert_eq!(
        (&body["pool"], &body["monitor"]),
        (&json!("orders"), &json!(true))
    );
    assert_eq!(body["interval_seconds"], 1000.0);
    let all = body["samples"].as_array().unwrap();
    assert_eq!(all[0], serde_json::to_value(pool.history(0)[0]).unwrap());
    let (_, body) = ask(&registry, "/history?after=2&pool=orders");
    assert_eq!(body["samples"].as_array().unwrap(), &all[2..]);
    assert_eq!(
        ask(&registry, "/history").1["samples"].as_array().unwrap(),
        all
    );

    let without = Registry::new()
        .add("a", Server::new().pool(settings()))
        .unwrap();
    let (status, body) = ask(&without, "/history?pool=a");
    assert_eq!(
        (status, &body["monitor"], &body["samples"]),
        (200, &json!(false), &json!([]))
    );
}

#[test]
fn every_answer_is_not_to_be_stored_or_guessed_at_and_the_page_is_bound() {
    let registry = registry_of(&Server::new().pool(settings()));
    for target in [
        "/",
        "/health/live",
        "/metrics",
        "/nowhere",
        "/health/pool?x",
    ] {
        let headers = respond(&registry, target).headers;
        assert!(headers.contains(&("Cache-Control", "no-store")), "{target}");
        assert!(
            headers.contains(&("X-Content-Type-Options", "nosniff")),
            "{target}"
        );
        let bound = headers.iter().any(|(name, value)| {
            *name == "Content-Security-Policy" && value.contains("default-src 'none'")
        });
        assert_eq!(bound, target == "/", "{target}");
    }
    let page = respond(&registry, "/?from=bookmark");
    assert_eq!(
        (page.status, page.content_type),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.body.starts_with("<!DOCTYPE html>"), "{}", page.body);
    let _ = json(&respond(&registry, "/nowhere"));
}
