//! Several pools in one registry: each by its name, and all of them together.

use std::thread;

use queuepool::http::respond;
use queuepool::{ErrorClass, Registry};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::{ask, keys, registry_of, settings};
use support::http_client::get;
use support::scripted::{Act, Gate, Server, eventually, secs};

const OF_A_POOL: [&str; 4] = [
    "/health/database",
    "/health/pool",
    "/health/db_pool",
    "/health/detailed",
];

#[test]
fn without_a_name_each_pool_is_there_in_the_shape_it_has_alone() {
    let (kg, by) = (
        Server::new().pool(settings()),
        Server::new().pool(settings()),
    );
    let registry = Registry::new()
        .add("kg", &kg)
        .unwrap()
        .add("by", &by)
        .unwrap();
    for path in OF_A_POOL {
        let (status, body) = ask(&registry, path);
        assert_eq!((status, keys(&body)), (200, vec!["pools"]));
        assert_eq!(keys(&body["pools"]), ["by", "kg"]);
        let (_, alone) = ask(&registry_of(&kg), path);
        assert_eq!(keys(&body["pools"]["kg"]), keys(&alone));
        let (status, named) = ask(&registry, &format!("{path}?pool=kg"));
        assert_eq!((status, keys(&named)), (200, keys(&alone)));
    }
}

#[test]
fn one_that_is_unwell_makes_all_together_503_and_the_others_not() {
    let down = Server::new();
    down.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let full = Server::new().pool(settings());
    let _held: Vec<_> = (0..4).map(|_| full.get().unwrap()).collect();
    let registry = Registry::new()
        .add("down", down.pool(settings()))
        .unwrap()
        .add("full", full)
        .unwrap()
        .add("well", Server::new().pool(settings()))
        .unwrap();
    let codes = |path: &str| {
        let of = |pool| ask(&registry, &format!("{path}?pool={pool}")).0;
        (ask(&registry, path).0, of("down"), of("full"), of("well"))
    };
    assert_eq!(codes("/health/database"), (503, 503, 200, 200));
    assert_eq!(codes("/health/pool"), (503, 200, 503, 200));
    assert_eq!(codes("/health/db_pool"), (503, 200, 503, 200));
    assert_eq!(codes("/health/detailed"), (503, 503, 503, 200));
    let (_, body) = ask(&registry, "/health/detailed");
    assert_eq!(body["pools"]["well"]["status"], "ok");
    assert_eq!(body["pools"]["down"]["status"], "unavailable");
}

#[test]
fn an_empty_registry_is_well_and_has_no_pools() {
    let registry = Registry::new();
    for path in OF_A_POOL {
        assert_eq!(ask(&registry, path), (200, json!({"pools": {}})));
    }
    assert_eq!(ask(&registry, "/status").1["pools"], json!({}));
    assert_eq!(respond(&registry, "/metrics").status, 200);
}

#[test]
fn a_member_that_is_added_later_shows() {
    let registry = Registry::new()
        .add("kg", Server::new().pool(settings()))
        .unwrap();
    let server = queuepool::http::serve("0", registry.clone()).unwrap();
    let address = server.local_addr();
    assert_eq!(get(address, "/health/pool?pool=late").status, 404);
    let _ = registry
        .add("late", Server::new().pool(settings()))
        .unwrap();
    assert_eq!(get(address, "/health/pool?pool=late").status, 200);
    assert_eq!(
        keys(&get(address, "/health/database").json()["pools"]),
        ["kg", "late"]
    );
    assert!(get(address, "/metrics").body.contains("{pool=\"late\"}"));
    server.stop();
}

#[test]
fn a_name_of_odd_characters_is_found_percent_encoded() {
    let names = [
        ("a b", "a%20b"),
        ("a b+c", "a+b%2Bc"),
        ("ü/ß?&=#%", "%C3%BC%2F%C3%9F%3F%26%3D%23%25"),
        (
            "<img src=x onerror=alert(1)>",
            "%3Cimg%20src=x%20onerror=alert(1)%3E",
        ),
        ("\"\\\r\n\0", "%22%5c%0d%0a%00"),
        ("%41", "%2541"),
    ];
    let mut registry = Registry::new();
    for (name, _) in names {
        registry = registry.add(name, Server::new().pool(settings())).unwrap();
    }
    let server = queuepool::http::serve("0", registry.clone()).unwrap();
    for (name, encoded) in names {
        let answer = get(server.local_addr(), &format!("/history?pool={encoded}"));
        assert_eq!((answer.status, &answer.json()["pool"]), (200, &json!(name)));
        let (status, body) = ask(&registry, &format!("/health/database?pool={encoded}"));
        assert_eq!((status, &body["status"]), (200, &json!("reachable")));
    }
    let (_, body) = ask(&registry, "/health/db_pool");
    assert_eq!(body["pools"].as_object().unwrap().len(), names.len());
    server.stop();
}

#[test]
fn databases_are_asked_side_by_side() {
    let gate = Gate::new();
    let mut registry = Registry::new();
    for name in ["a", "b", "c"] {
        let server = Server::new();
        let pool = server.pool(settings().health_check_timeout(secs(20)));
        drop(pool.get().unwrap());
        let gate = gate.clone();
        server.on_ping(move |_| Act::Wait(gate.clone()));
        registry = registry.add(name, pool).unwrap();
    }
    thread::scope(|scope| {
        let all = scope.spawn(|| ask(&registry, "/health/database").0);
        eventually("all three are being asked", || gate.waiting() == 3);
        gate.open();
        assert_eq!(all.join().unwrap(), 200);
    });
}

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
        Builder::new_current_thread().build().unwrap(),
    ]
}

#[test]
fn on_an_async_runtimes_thread_what_may_block_is_refused_and_the_rest_works() {
    let registry = registry_of(&Server::new().pool(settings()));
    let two = Registry::new()
        .add("a", Server::new().pool(settings()))
        .unwrap()
        .add("b", Server::new().pool(settings()))
        .unwrap();
    for runtime in runtimes() {
        runtime.block_on(async {
            for registry in [&registry, &two] {
                for path in ["/health/database", "/health/detailed"] {
                    let (status, body) = ask(registry, path);
                    assert_eq!(status, 500, "{body}");
                    assert!(
                        body["error"].as_str().unwrap().contains("spawn_blocking"),
                        "{body}"
                    );
                }
                for path in [
                    "/",
                    "/health/live",
                    "/health/pool",
                    "/health/db_pool",
                    "/metrics",
                    "/status",
                ] {
                    assert_eq!(respond(registry, path).status, 200, "{path}");
                }
            }
            let registry = registry.clone();
            let answer = tokio::task::spawn_blocking(move || ask(&registry, "/health/detailed").0);
            assert_eq!(answer.await.unwrap(), 200);
        });
    }
}
