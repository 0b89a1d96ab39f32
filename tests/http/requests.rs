//! The server speaks HTTP/1.1 the way clients do.

use queuepool::http::{respond, serve};

use crate::{registry_of, settings};
use support::http_client::{Client, get};
use support::scripted::Server;

#[test]
fn the_server_answers_what_respond_does() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry.clone()).unwrap();
    for target in [
        "/",
        "/health",
        "/health/",
        "/health/live",
        "/health/database",
        "/health/pool?pool=orders",
        "/health/db_pool",
        "/health/detailed",
        "/metrics",
        "/status",
        "/history?after=3",
        "/nowhere",
        "/health/pool?pool=x",
        "/health/pool?x",
    ] {
        let mut client = Client::connect(server.local_addr());
        let answer = client.get(target);
        let own = respond(&registry, target);
        assert_eq!(answer.status, own.status, "{target}");
        assert_eq!(answer.header("content-type"), Some(own.content_type));
        for (name, value) in own.headers {
            let name = name.to_ascii_lowercase();
            assert_eq!(answer.header(&name), Some(*value), "{target} {name}");
        }
        if answer.header("content-type") == Some("application/json") {
            let own: serde_json::Value = serde_json::from_str(&own.body).unwrap();
            assert_eq!(crate::keys(&answer.json()), crate::keys(&own), "{target}");
        }
    }
    server.stop();
}

#[test]
fn head_is_get_without_the_body() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    let mut client = Client::connect(server.local_addr());
    for (target, status) in [("/", 200), ("/health/database", 200), ("/nowhere", 404)] {
        client.ask("HEAD", target);
        let head = client.head().unwrap();
        assert_eq!(head.status, status);
        assert_eq!(head.header("cache-control"), Some("no-store"));
        if target != "/health/database" {
            // On the same connection, where a body would be taken for the next answer.
            let whole = client.get(target);
            assert_eq!(
                head.header("content-length"),
                whole.header("content-length")
            );
        }
    }
    server.stop();
}

#[test]
fn other_methods_are_405_and_told_which_there_are() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        for target in ["/status", "/nowhere"] {
            let mut client = Client::connect(server.local_addr());
            client.ask(method, target);
            let answer = client.answer().unwrap();
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.json()["error"].as_str().unwrap().contains("GET"));
        }
    }
    server.stop();
}

#[test]
fn requests_on_one_connection_are_answered_in_order_also_when_sent_at_once() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get("/health/live").status, 200);
    let targets = ["/health/database", "/nowhere", "/status", "/health/live"];
    let all: String = targets
        .iter()
        .map(|target| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    client.send(all);
    let answers: Vec<_> = targets.iter().map(|_| client.answer().unwrap()).collect();
    let codes: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(codes, [200, 404, 200, 200]);
    assert_eq!(answers[0].json()["status"], "reachable");
    assert!(answers[2].json()["pools"]["orders"].is_object());
    assert_eq!(answers[3].json()["status"], "ok");
    server.stop();
}

#[test]
fn an_old_client_and_one_that_says_close_are_answered_and_the_connection_ends() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    for request in [
        "GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ] {
        let mut client = Client::connect(server.local_addr());
        client.send(request);
        assert_eq!(client.answer().unwrap().status, 200);
        client.assert_closed();
    }
    server.stop();
}

#[test]
fn the_whole_address_is_a_target_too() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    let target = format!("http://{}/health/pool?pool=orders", server.local_addr());
    assert_eq!(get(server.local_addr(), &target).status, 200);
    server.stop();
}

#[test]
fn a_body_is_not_read() {
    let registry = registry_of(&Server::new().pool(settings()));
    let server = serve("0", registry).unwrap();
    for (method, status) in [("GET", 200), ("POST", 405)] {
        let mut client = Client::connect(server.local_addr());
        client.send(format!(
            "{method} /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nbegin"
        ));
        assert_eq!(client.answer().unwrap().status, status);
        client.assert_closed();
    }
    server.stop();
}
