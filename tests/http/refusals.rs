//! Wrong requests are refused with an explanation.

use queuepool::Registry;
use serde_json::json;

use crate::{ask, registry_of, settings};
use support::scripted::Server;

const OF_A_POOL: [&str; 4] = [
    "/health/database",
    "/health/pool",
    "/health/db_pool",
    "/health/detailed",
];

fn two() -> Registry {
    Registry::new()
        .add("kg", Server::new().pool(settings()))
        .unwrap()
        .add("by", Server::new().pool(settings()))
        .unwrap()
}

#[test]
fn an_unknown_path_is_404_and_lists_the_paths_which_all_work() {
    let registry = registry_of(&Server::new().pool(settings()));
    for target in [
        "/nowhere",
        "",
        "health/live",
        "/health/live/",
        "//",
        "/%2e%2e/status",
        "*",
    ] {
        let (status, body) = ask(&registry, target);
        assert_eq!(status, 404, "{target}");
        let paths = body["paths"].as_array().unwrap();
        assert_eq!(paths.len(), 10);
        for path in paths {
            let found = queuepool::http::respond(&registry, path.as_str().unwrap());
            assert_eq!(found.status, 200, "{path}");
        }
    }
}

#[test]
fn an_unknown_pool_is_404_and_names_those_that_there_are() {
    let registry = two();
    for path in OF_A_POOL.iter().chain(&["/history"]) {
        for name in ["kz", "", "KG", "kg%00"] {
            let (status, body) = ask(&registry, &format!("{path}?pool={name}"));
            assert_eq!(status, 404, "{path} {name}");
            assert_eq!(body["pools"], json!(["by", "kg"]));
        }
    }
}

#[test]
fn a_malformed_query_is_400_and_says_what_is_wrong() {
    let registry = two();
    let wrong = [
        ("pool", "no value"),
        ("pool=kg&x=1", "\"x\""),
        ("pool=%k", "percent"),
        ("pool=%", "percent"),
        ("pool=%6", "percent"),
        ("pool=%ff", "UTF-8"),
        ("%zz=kg", "percent"),
        ("pool=kg&pool=by", "twice"),
        ("Pool=kg", "\"Pool\""),
    ];
    for path in OF_A_POOL {
        for (query, words) in wrong {
            let (status, body) = ask(&registry, &format!("{path}?{query}"));
            assert_eq!(status, 400, "{path}?{query}");
            let error = body["error"].as_str().unwrap();
            assert!(error.contains(words), "{query}: {error}");
        }
    }
    for target in [
        "/metrics?pool=kg",
        "/status?pool=kg",
        "/health/pool?after=1",
    ] {
        assert_eq!(ask(&registry, target).0, 400, "{target}");
    }
    for after in ["-1", "x", "", "1.5", "18446744073709551616"] {
        let (status, body) = ask(&registry, &format!("/history?pool=kg&after={after}"));
        assert_eq!(status, 400, "{after}");
        assert!(body["error"].as_str().unwrap().contains("after"));
    }
}

#[test]
fn an_empty_query_and_stray_ampersands_are_none() {
    let registry = two();
    assert_eq!(ask(&registry, "/health/pool?").0, 200);
    let (status, body) = ask(&registry, "/health/pool?&pool=kg&");
    assert_eq!((status, &body["pool_type"]), (200, &json!("QueuePool")));
    assert_eq!(
        ask(&registry, "/history?pool=kg&after=18446744073709551615").0,
        200
    );
}

#[test]
fn a_history_is_of_one_pool() {
    let (status, body) = ask(&two(), "/history");
    assert_eq!((status, &body["pools"]), (400, &json!(["by", "kg"])));
    let (status, body) = ask(&Registry::new(), "/history");
    assert_eq!((status, &body["pools"]), (404, &json!([])));
}
