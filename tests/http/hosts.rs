//! Only who asks for this server by an address or one of its names is let in.

use std::net::SocketAddr;

use queuepool::Registry;
use queuepool::http::{Options, Server as Http, serve, serve_with};

use crate::{registry_of, settings};
use support::http_client::{Answer, Client};
use support::scripted::Server;

fn registry() -> Registry {
    registry_of(&Server::new().pool(settings()))
}

/// Reachable from other machines too, as in a container.
fn in_a_container(options: Options) -> (Http, SocketAddr) {
    let server = serve_with("0.0.0.0:0", registry(), options).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    (server, address)
}

/// Sends a request as it stands here.
fn answer_to(address: SocketAddr, request: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(request);
    client.answer().unwrap()
}

fn status_for(address: SocketAddr, host: &str) -> u16 {
    answer_to(
        address,
        &format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
    .status
}

#[test]
fn a_web_site_whose_name_leads_here_reads_nothing() {
    let server = serve("0", registry()).unwrap();
    let address = server.local_addr();
    for path in [
        "/",
        "/health/live",
        "/status",
        "/metrics",
        "/history",
        "/nowhere",
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: rebound.example:{}\r\n\r\n",
            address.port()
        );
        let answer = answer_to(address, &request);
        assert_eq!(answer.status, 421, "{path}");
        let body = answer.json();
        assert_eq!(crate::keys(&body), ["error"]);
        assert!(body["error"].as_str().unwrap().contains("rebound.example"));
    }
    for host in [
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "rebound.localhost",
        "test",
        "0x7f.0.0.1",
        "127.1",
    ] {
        assert_eq!(status_for(address, host), 421, "{host}");
    }
    server.stop();
}

#[test]
fn on_loopback_localhost_and_addresses_are_let_in() {
    let server = serve("0", registry()).unwrap();
    let address = server.local_addr();
    for host in [
        "localhost",
        "LocalHost:1234",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:80",
        "10.0.0.1",
    ] {
        assert_eq!(status_for(address, host), 200, "{host}");
    }
    server.stop();
}

#[test]
fn elsewhere_addresses_and_the_names_that_were_given_are_let_in() {
    let (server, address) = in_a_container(Options::default().hosts(["orders.internal", "App."]));
    for host in [
        "10.42.0.7:8080",
        "[fd00::7]:8080",
        "127.0.0.1",
        "orders.internal:8080",
        "ORDERS.internal",
        "app:8080",
    ] {
        assert_eq!(status_for(address, host), 200, "{host}");
    }
    for host in [
        "localhost",
        "localhost:8080",
        "internal",
        "x.orders.internal",
        "orders.internal.example",
    ] {
        assert_eq!(status_for(address, host), 421, "{host}");
    }
    server.stop();
    let server = serve_with(
        "0",
        registry(),
        Options::default().hosts(["orders.internal"]),
    )
    .unwrap();
    for (host, status) in [("localhost", 200), ("orders.internal", 200), ("app", 421)] {
        assert_eq!(status_for(server.local_addr(), host), status, "{host}");
    }
    server.stop();
}

#[test]
fn no_host_two_hosts_and_a_malformed_one_are_400() {
    let server = serve("0", registry()).unwrap();
    for headers in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: rebound.example\r\n",
        "Host: rebound.example\r\nHost: localhost\r\n",
        "Host: localhost, rebound.example\r\n",
        "Host: rebound.example@localhost\r\n",
        "Host: localhost@rebound.example\r\n",
        "Host: localhost:80:80\r\n",
        "Host: localhost:x\r\n",
        "Host: ::1\r\n",
        "Host: http://localhost\r\n",
        "Host: l\u{f6}calhost\r\n",
        "X-Forwarded-Host: localhost\r\n",
    ] {
        for version in ["1.0", "1.1"] {
            let request = format!("GET /health/live HTTP/{version}\r\n{headers}\r\n");
            let answer = answer_to(server.local_addr(), &request);
            assert_eq!(answer.status, 400, "{request:?}");
            assert!(answer.json()["error"].as_str().unwrap().contains("Host"));
        }
    }
    server.stop();
}

#[test]
fn a_target_with_a_host_of_its_own_passes_by_neither_check() {
    let server = serve("0", registry()).unwrap();
    let address = server.local_addr();
    for (target, host, status) in [
        ("http://localhost/health/live", "localhost", 200),
        ("http://127.0.0.1:8080/health/live", "localhost", 200),
        ("http://rebound.example/health/live", "localhost", 421),
        ("http://localhost/health/live", "rebound.example", 421),
        ("https://rebound.example:80/health/live", "127.0.0.1", 421),
        (
            "http://localhost@rebound.example/health/live",
            "localhost",
            400,
        ),
        (
            "http://rebound.example@localhost/health/live",
            "localhost",
            400,
        ),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            answer_to(address, &request).status,
            status,
            "{target} {host}"
        );
    }
    let request = "GET http://localhost/health/live HTTP/1.1\r\n\r\n";
    assert_eq!(answer_to(address, request).status, 400, "no Host beside it");
    let request = "CONNECT rebound.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(answer_to(address, request).status, 421);
    server.stop();
}

#[test]
fn each_request_of_a_connection_is_checked() {
    let server = serve("0", registry()).unwrap();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get("/health/live").status, 200);
    client.send("GET /health/live HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 421);
    assert_eq!(client.get("/health/live").status, 200);
    server.stop();
}
