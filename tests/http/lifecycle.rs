//! A server starts, stops and gives its port back.

use std::error::Error as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use queuepool::http::serve;
use queuepool::{ErrorKind, Registry};

use crate::{registry_of, settings};
use support::http_client::{Client, get};
use support::scripted::{Server, eventually, gated, secs};

#[test]
fn stop_frees_the_port_and_closes_connections_in_whatever_state_they_are() {
    let database = Server::new();
    let pool = database.pool(settings().health_check_timeout(secs(20)));
    drop(pool.get().unwrap());
    let (gate, script) = gated(|_| true);
    database.on_ping(script);
    let server = serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let mut idle = Client::connect(address);
    assert_eq!(idle.get("/health/live").status, 200);
    let mut half = Client::connect(address);
    half.send("GET /hea");
    let mut waiting = Client::connect(address);
    waiting.ask("GET", "/health/database");
    eventually("the database is asked", || gate.waiting() == 1);
    server.stop();
    // The check under way has not ended, and did not have to.
    assert_eq!(gate.waiting(), 1);
    drop(TcpListener::bind(address).unwrap());
    for client in [&mut idle, &mut half, &mut waiting] {
        client.assert_closed();
    }
    gate.open();
    let again = serve(&address.to_string(), registry_of(&pool)).unwrap();
    assert_eq!(again.local_addr(), address);
    assert_eq!(get(address, "/health/database").status, 200);
    again.stop();
}

#[test]
fn dropping_a_server_stops_it() {
    let pool = Server::new().pool(settings());
    let server = serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/health/live").status, 200);
    drop(server);
    client.assert_closed();
    eventually("the port is free", || TcpListener::bind(address).is_ok());
}

#[test]
fn two_servers_stand_side_by_side_and_stop_each_by_itself() {
    let registry = registry_of(&Server::new().pool(settings()));
    let one = serve("127.0.0.1:0", registry.clone()).unwrap();
    let other = serve(":0", registry).unwrap();
    assert_ne!(one.local_addr(), other.local_addr());
    for server in [&one, &other] {
        assert_eq!(get(server.local_addr(), "/health/database").status, 200);
    }
    one.stop();
    assert_eq!(get(other.local_addr(), "/health/database").status, 200);
    other.stop();
}

#[test]
fn without_a_host_only_this_machine_is_served() {
    for address in ["0", ":0"] {
        let server = serve(address, Registry::new()).unwrap();
        assert_eq!(server.local_addr().ip(), Ipv4Addr::LOCALHOST);
        server.stop();
    }
    let server = serve("0.0.0.0:0", Registry::new()).unwrap();
    assert_eq!(server.local_addr().ip(), Ipv4Addr::UNSPECIFIED);
    server.stop();
    let server = serve("localhost:0", Registry::new()).unwrap();
    assert!(server.local_addr().ip().is_loopback());
    server.stop();
}

#[test]
fn an_address_that_cannot_be_had_is_a_settings_error_with_the_systems_beneath() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = serve(&address, Registry::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains(&address), "{error}");
    let beneath: &io::Error = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(beneath.kind(), io::ErrorKind::AddrInUse);
    // Reserved for documentation, so no interface of this machine has it.
    let error = serve("192.0.2.1:0", Registry::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.source().is_some());
    for malformed in [
        "",
        "localhost",
        "127.0.0.1",
        "host:http",
        "http://localhost:80/",
    ] {
        let error = serve(malformed, Registry::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings, "{malformed}");
        assert!(error.to_string().contains("host:port"), "{error}");
    }
}

#[test]
fn it_is_served_from_an_async_runtimes_thread_too() {
    let registry = registry_of(&Server::new().pool(settings()));
    let runtimes = [
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap(),
    ];
    for runtime in runtimes {
        let check = |address: SocketAddr| assert_eq!(get(address, "/health/detailed").status, 200);
        runtime.block_on(async {
            let server = serve("0", registry.clone()).unwrap();
            check(server.local_addr());
            server.stop();
            let server = serve("0", registry.clone()).unwrap();
            check(server.local_addr());
            drop(server);
            serve("nowhere", registry.clone()).unwrap_err();
        });
    }
}

#[test]
fn a_server_is_send_and_sync_and_prints_where_it_listens() {
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    let server = serve("0", Registry::new()).unwrap();
    assert_send_sync(&server);
    let printed = format!("{server:?}");
    assert!(
        printed.contains(&server.local_addr().to_string()),
        "{printed}"
    );
    server.stop();
}
