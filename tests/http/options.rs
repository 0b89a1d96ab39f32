//! What is served where, and what the token opens.

use std::net::SocketAddr;
use std::thread;

use queuepool::http::{Options, Paths, Server as Http, serve, serve_with};
use queuepool::{ErrorClass, ErrorKind, Registry};

use crate::{registry_of, settings};
use support::http_client::{Answer, Client, get};
use support::scripted::{Act, Server, millis};

const TOKEN: &str = "mF_9.B5f-4.1JqM";

const PATHS: [(&str, Paths); 11] = [
    ("/", Paths::All),
    ("/health", Paths::Probes),
    ("/health/", Paths::Probes),
    ("/health/live", Paths::Probes),
    ("/health/database", Paths::Probes),
    ("/health/pool", Paths::Probes),
    ("/health/db_pool", Paths::Probes),
    ("/health/detailed", Paths::Probes),
    ("/metrics", Paths::Metrics),
    ("/status", Paths::All),
    ("/history", Paths::All),
];

fn registry() -> Registry {
    registry_of(&Server::new().pool(settings()))
}

fn at(address: &str, registry: Registry, options: Options) -> (Http, SocketAddr) {
    let server = serve_with(address, registry, options).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    (server, address)
}

/// As curl asks by the address.
fn ask(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"
    ));
    client.answer().unwrap()
}

#[track_caller]
fn assert_serves(address: SocketAddr, paths: Paths, headers: &str) {
    let served: Vec<&str> = PATHS
        .iter()
        .filter(|(path, needed)| *needed <= paths && *path != "/health/")
        .map(|(path, _)| *path)
        .collect();
    for (path, needed) in PATHS {
        let answer = ask(address, path, headers);
        if needed <= paths {
            assert_eq!(answer.status, 200, "{path} with {paths:?}");
        } else {
            assert_eq!(answer.status, 404, "{path} with {paths:?}");
            assert_eq!(answer.json()["paths"], serde_json::json!(served));
        }
    }
}

#[test]
fn on_loopback_all_is_served_and_elsewhere_probes_and_metrics() {
    let (server, address) = at("0", registry(), Options::default());
    assert_serves(address, Paths::All, "");
    server.stop();
    let (server, address) = at("0.0.0.0:0", registry(), Options::default());
    assert_serves(address, Paths::Metrics, "");
    server.stop();
    let server = serve("0.0.0.0:0", registry()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    assert_serves(address, Paths::Metrics, "");
    server.stop();
}

#[test]
fn the_paths_that_were_chosen_are_served_wherever_it_listens() {
    for listens_on in ["0", "0.0.0.0:0"] {
        for paths in [Paths::Probes, Paths::Metrics, Paths::All] {
            let (server, address) = at(listens_on, registry(), Options::default().paths(paths));
            assert_serves(address, paths, "");
            server.stop();
        }
    }
}

/// A pool that says something on every occasion: it leaks, at a line of this file, and its database refuses. Returns also what
/// must not be read.
fn telling(work: impl FnOnce(Registry) + Send) {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings());
    let tell = || {
        let _held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
        server.on_connect(|_| Act::Fail(ErrorClass::Transient));
        assert!(!pool.health_check().unwrap().reachable);
        pool.get_timeout(millis(1)).unwrap_err();
        clock.advance(millis(10_500));
        work(registry_of(&pool));
    };
    thread::scope(|scope| {
        let named = thread::Builder::new().name("secret-thread".to_owned());
        named.spawn_scoped(scope, tell).unwrap();
    });
}

const TOLD: [&str; 3] = ["secret-thread", file!(), "scripted"];

/// All that is served, one answer after the other.
fn everything(address: SocketAddr, headers: &str) -> String {
    let paths = PATHS.iter().map(|(path, _)| *path);
    paths
        .chain([
            "/health/database?pool=orders",
            "/health/detailed?pool=orders",
            "/nowhere",
        ])
        .map(|path| ask(address, path, headers).body + "\n")
        .collect()
}

#[test]
fn without_all_no_answer_has_errors_threads_or_source_lines() {
    telling(|registry| {
        let (server, address) = at("0", registry.clone(), Options::default());
        let all = everything(address, "");
        for told in TOLD {
            assert!(all.contains(told), "{told} is nowhere to be hidden");
        }
        server.stop();
        let probes = Options::default().paths(Paths::Probes);
        let token = Options::default().paths(Paths::All).bearer(TOKEN);
        for (listens_on, options) in [
            ("0.0.0.0:0", Options::default()),
            ("0", probes),
            ("0.0.0.0:0", token),
        ] {
            let (server, address) = at(listens_on, registry.clone(), options);
            let all = everything(address, "");
            for told in TOLD {
                assert!(!all.contains(told), "{told} is in {all}");
            }
            server.stop();
        }
    });
}

#[test]
fn in_brief_the_shapes_and_the_codes_are_the_same_and_it_is_said_that_something_is_left_out() {
    telling(|registry| {
        let (full, in_full) = at("0", registry.clone(), Options::default());
        let (brief, in_brief) = at("0", registry, Options::default().paths(Paths::Probes));
        for path in [
            "/health/database",
            "/health/pool",
            "/health/db_pool",
            "/health/detailed",
        ] {
            let (all, less) = (ask(in_full, path, ""), ask(in_brief, path, ""));
            assert_eq!(all.status, less.status, "{path}");
            assert_eq!(
                crate::keys(&all.json()),
                crate::keys(&less.json()),
                "{path}"
            );
        }
        let body = ask(in_brief, "/health/detailed", "").json();
        assert_eq!(body["database"]["error"], "not shown here");
        assert_eq!(body["health_metrics"]["last_error"], "not shown here");
        let holders = body["current_state"]["holders"].as_array().unwrap();
        assert_eq!(holders.len(), 3);
        assert_eq!(holders[0]["thread"], "not shown here");
        assert!(holders[0]["held_for"].as_f64().unwrap() > 10.0);
        let advice = &body["current_state"]["recommendations"];
        assert_eq!(
            *advice,
            serde_json::json!(["There is advice, not shown here."])
        );
        full.stop();
        brief.stop();
    });
    let (server, address) = at("0.0.0.0:0", registry(), Options::default());
    let advice = ask(address, "/health/db_pool", "").json()["recommendations"].take();
    assert_eq!(
        advice,
        serde_json::json!(["Pool is healthy. No action needed."])
    );
    server.stop();
}

#[test]
fn without_the_token_the_probes_are_answered_and_nothing_else() {
    let options = Options::default().paths(Paths::All).bearer(TOKEN);
    let (server, address) = at("0.0.0.0:0", registry(), options);
    for (path, needed) in PATHS
        .into_iter()
        .chain([("/nowhere", Paths::All), ("/metrics?x=1", Paths::Metrics)])
    {
        let answer = ask(address, path, "");
        if needed == Paths::Probes {
            assert_eq!(answer.status, 200, "{path}");
        } else {
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(crate::keys(&answer.json()), ["error"]);
        }
    }
    assert_eq!(ask(address, "/health/nowhere", "").status, 404);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_serves(
            address,
            Paths::All,
            &format!("Authorization: {scheme} {TOKEN}\r\n"),
        );
    }
    server.stop();
}

#[test]
fn a_wrong_token_opens_nothing() {
    let (server, address) = at("0", registry(), Options::default().bearer(TOKEN));
    let twice = format!("Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}");
    let wrong = [
        "Bearer wrong".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        TOKEN.to_owned(),
        format!("Bearer{TOKEN}"),
        format!("Basic {TOKEN}"),
        format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]),
        format!("Bearer {}", &TOKEN[..1]),
        format!("Bearer {}", &TOKEN[1..]),
        format!("Bearer {TOKEN}x"),
        format!("Bearer {TOKEN}{TOKEN}"),
        format!("Bearer {TOKEN}, Bearer {TOKEN}"),
        format!("Bearer {}", TOKEN.to_uppercase()),
        format!("Bearer \"{TOKEN}\""),
        twice,
    ];
    for value in wrong {
        for path in ["/metrics", "/status", "/", "/health/live", "/nowhere"] {
            let answer = ask(address, path, &format!("Authorization: {value}\r\n"));
            assert_eq!(answer.status, 401, "{value:?} for {path}");
            assert!(!answer.body.contains(TOKEN), "{}", answer.body);
        }
    }
    assert_eq!(
        ask(
            address,
            "/metrics",
            &format!("Authorization: Bearer {TOKEN}\r\n")
        )
        .status,
        200
    );
    server.stop();
}

#[test]
fn a_token_does_not_open_what_is_not_served() {
    let (server, address) = at("0.0.0.0:0", registry(), Options::default().bearer(TOKEN));
    assert_serves(
        address,
        Paths::Metrics,
        &format!("Authorization: Bearer {TOKEN}\r\n"),
    );
    server.stop();
}

#[test]
fn neither_debug_nor_an_error_has_the_token() {
    let options = Options::default().bearer(TOKEN).hosts(["orders.internal"]);
    let printed = format!("{options:?} {options:#?}");
    assert!(!printed.contains(TOKEN), "{printed}");
    assert!(
        printed.contains("orders.internal") && printed.contains("not shown"),
        "{printed}"
    );
    assert!(format!("{:?}", Options::default()).contains("bearer: None"));
    for options in [
        Options::default().bearer(format!("{TOKEN}\n")),
        Options::default().bearer(TOKEN).hosts(["http://orders"]),
    ] {
        let error = serve_with("0", registry(), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    }
}

/// The requests of the fragments for Compose and Kubernetes in the guide, as curl, kubelet and Prometheus send them.
#[test]
fn the_probes_of_compose_and_kubernetes_are_answered() {
    let (server, address) = at(
        "0.0.0.0:0",
        registry(),
        Options::default()
            .paths(Paths::All)
            .bearer(TOKEN)
            .hosts(["app"]),
    );
    let port = address.port();
    for (request, status) in [
        // curl -fsS http://127.0.0.1:8080/health/database
        (
            format!(
                "GET /health/database HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n"
            ),
            200,
        ),
        // httpGet: { path: /health/live, port: 8080 }, to the pod's address
        (
            format!(
                "GET /health/live HTTP/1.1\r\nHost: 10.42.0.7:{port}\r\nUser-Agent: kube-probe/1.33\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            ),
            200,
        ),
        (
            format!(
                "GET /health/database HTTP/1.1\r\nHost: [fd00::7]:{port}\r\nUser-Agent: kube-probe/1.33\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            ),
            200,
        ),
        // Prometheus, by the name of the service in Compose and by the pod's address in Kubernetes
        (
            format!(
                "GET /metrics HTTP/1.1\r\nHost: app:{port}\r\nUser-Agent: Prometheus/3.5.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            ),
            200,
        ),
        (
            format!(
                "GET /metrics HTTP/1.1\r\nHost: 10.42.0.7:{port}\r\nUser-Agent: Prometheus/3.5.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            ),
            200,
        ),
        (
            format!(
                "GET /metrics HTTP/1.1\r\nHost: app:{port}\r\nUser-Agent: Prometheus/3.5.0\r\n\r\n"
            ),
            401,
        ),
        // kubectl port-forward, and a browser at http://localhost:8080
        (
            format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: Mozilla/5.0\r\n\r\n"),
            421,
        ),
    ] {
        let mut client = Client::connect(address);
        client.send(&request);
        assert_eq!(client.answer().unwrap().status, status, "{request}");
    }
    assert_eq!(
        get(address, "/health/live").status,
        421,
        "localhost is no name of it here"
    );
    server.stop();
}
