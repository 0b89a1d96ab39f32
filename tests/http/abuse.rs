//! Clients that are slow, numerous, rude or broken do not disturb the others.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use queuepool::Registry;
use queuepool::http::{Server as Http, limits, serve};

use crate::{registry_of, settings};
use support::http_client::{Client, get};
use support::scripted::{Server, eventually, gated, millis, secs};

fn well() -> (Http, SocketAddr) {
    let server = serve("0", registry_of(&Server::new().pool(settings()))).unwrap();
    let address = server.local_addr();
    (server, address)
}

#[track_caller]
fn assert_heard(address: SocketAddr) {
    for target in ["/health/live", "/health/database", "/health/db_pool"] {
        assert_eq!(get(address, target).status, 200, "{target}");
    }
}

/// Whether the server has closed the connection, without waiting for it.
fn is_closed(client: &Client) -> bool {
    let mut stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 64]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

#[test]
fn a_thousand_idle_sockets_keep_no_probe_out_and_no_more_than_the_bound_of_them_stay() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8192), most).unwrap();
    let (server, address) = well();
    let mut silent = Vec::new();
    for number in 0..1000 {
        silent.push(Client::connect(address));
        if number % 100 == 0 {
            assert_heard(address);
        }
    }
    // Between two requests they may stay open for longer than this test takes, so only the bound can close them.
    let ask_once = |_| {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/health/live").status, 200);
        client
    };
    let idle: Vec<_> = (0..1000).map(ask_once).collect();
    assert_heard(address);
    let open = || idle.iter().filter(|client| !is_closed(client)).count();
    eventually("the bound holds", || open() <= limits::CONNECTIONS);
    // They were not simply all thrown out.
    assert!(open() >= limits::CONNECTIONS - 4, "{}", open());
    server.stop();
}

#[test]
fn a_full_house_closes_who_was_idle_for_longest_and_none_that_waits_for_its_answer() {
    let database = Server::new();
    let pool = database.pool(settings().health_check_timeout(secs(30)));
    drop(pool.get().unwrap());
    let (gate, script) = gated(|_| true);
    database.on_ping(script);
    let server = serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let mut waiting = Client::connect(address);
    waiting.ask("GET", "/health/database");
    eventually("the database is asked", || gate.waiting() == 1);
    let mut first = Client::connect(address);
    assert_eq!(first.get("/health/live").status, 200);
    let mut others: Vec<_> = (0..limits::CONNECTIONS - 2)
        .map(|_| Client::connect(address))
        .collect();
    for other in &mut others {
        assert_eq!(other.get("/health/live").status, 200);
    }
    assert!(!is_closed(&first));
    let mut new = Client::connect(address);
    assert_eq!(new.get("/health/live").status, 200);
    first.assert_closed();
    for other in &mut others {
        assert_eq!(other.get("/health/live").status, 200);
    }
    gate.open();
    assert_eq!(waiting.answer().unwrap().status, 200);
    server.stop();
}

#[test]
fn many_that_ask_a_mute_database_are_one_question_and_hold_up_nobody() {
    let database = Server::new();
    let pool = database.pool(settings().health_check_timeout(secs(30)));
    drop(pool.get().unwrap());
    let (gate, script) = gated(|_| true);
    database.on_ping(script);
    let server = serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let before = database.pings();
    let mut asking: Vec<_> = (0..50).map(|_| Client::connect(address)).collect();
    for client in &mut asking {
        client.ask("GET", "/health/database");
    }
    // The client that asked first may leave.
    drop(asking.remove(0));
    eventually("the database is asked", || gate.waiting() == 1);
    for target in [
        "/health/live",
        "/health/pool",
        "/health/db_pool",
        "/metrics",
        "/status",
        "/",
    ] {
        assert_eq!(get(address, target).status, 200, "{target}");
    }
    gate.open();
    for client in &mut asking {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(database.pings(), before + 1);
    server.stop();
}

#[test]
fn mute_databases_by_the_dozen_hold_up_nobody() {
    let mut registry = Registry::new();
    let mut gates = Vec::new();
    for number in 0..limits::WAITING_ANSWERS * 2 {
        let database = Server::new();
        let pool = database.pool(settings().health_check_timeout(secs(30)));
        drop(pool.get().unwrap());
        let (gate, script) = gated(|_| true);
        database.on_ping(script);
        gates.push(gate);
        registry = registry.add(&number.to_string(), pool).unwrap();
    }
    let server = serve("0", registry).unwrap();
    let address = server.local_addr();
    let mut asking: Vec<_> = (0..gates.len()).map(|_| Client::connect(address)).collect();
    for (number, client) in asking.iter_mut().enumerate() {
        client.ask("GET", &format!("/health/database?pool={number}"));
    }
    let asked = || gates.iter().filter(|gate| gate.waiting() == 1).count();
    eventually("as many databases are asked as may be", || {
        asked() == limits::WAITING_ANSWERS
    });
    assert_eq!(get(address, "/health/live").status, 200);
    assert_eq!(get(address, "/health/db_pool?pool=0").status, 200);
    for gate in &gates {
        gate.open();
    }
    for client in &mut asking {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    server.stop();
}

#[test]
fn a_header_that_comes_byte_by_byte_is_cut_off() {
    let (server, address) = well();
    let mut slow: Vec<_> = (0..limits::CONNECTIONS)
        .map(|_| Client::connect(address))
        .collect();
    for client in &mut slow {
        client.send("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    }
    assert_heard(address);
    // A connection that was not closed to make room for the probes. Each byte is progress, and does not help.
    let last = slow.last_mut().unwrap();
    let start = std::time::Instant::now();
    while !is_closed(last) {
        let _ = last.try_send(b"a");
        assert!(
            start.elapsed() < limits::HEADER_TIME * 4,
            "it is still open"
        );
        thread::sleep(millis(100));
    }
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "cut off for another reason"
    );
    assert_heard(address);
    server.stop();
}

#[test]
fn who_does_not_read_its_answers_is_cut_off() {
    let (server, address) = well();
    let greedy = Client::connect(address);
    greedy
        .stream()
        .set_write_timeout(Some(millis(200)))
        .unwrap();
    let ask = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let start = std::time::Instant::now();
    let (mut stuck, mut cut) = (false, false);
    while !cut {
        match greedy.try_send(ask.as_bytes()) {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                stuck = true;
                assert_heard(address);
            }
            Err(_) => cut = true,
        }
        assert!(start.elapsed() < limits::WRITE_TIME * 4, "it is still open");
    }
    assert!(stuck, "the answers fit into the system's buffers");
    assert_heard(address);
    server.stop();
}

#[test]
fn garbage_is_refused_and_its_connection_closed() {
    let (server, address) = well();
    let garbage: [&[u8]; 8] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health/live\r\n\r\n",
        b"GET /health/live HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nA\0b: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in garbage {
        let mut client = Client::connect(address);
        client.send(bytes);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.assert_closed();
        assert_heard(address);
    }
    server.stop();
}

#[test]
fn random_bytes_end_no_server() {
    let (server, address) = well();
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..200 {
        let mut client = Client::connect(address);
        let mut bytes: Vec<u8> = (0..random.usize(1..2000)).map(|_| random.u8(..)).collect();
        if random.bool() {
            bytes.splice(..0, *b"GET /health/pool?pool=");
        }
        // The server may close the connection before everything is written.
        let _ = client.try_send(&bytes);
        let _ = client.stream().shutdown(Shutdown::Write);
        client.assert_closed();
    }
    assert_heard(address);
    server.stop();
}

#[test]
fn half_a_request_and_a_reset_are_forgotten() {
    let (server, address) = well();
    for number in 0..200 {
        let mut client = Client::connect(address);
        match number % 3 {
            0 => client.send("GET /health/live HT"),
            // Unread bytes turn the close into a reset.
            1 => {
                client.ask("GET", "/status");
                client.stream().peek(&mut [0]).unwrap();
            }
            _ => client.ask("GET", "/health/database"),
        }
        drop(client);
    }
    assert_heard(address);
    server.stop();
}

#[test]
fn who_has_said_that_it_sends_no_more_is_answered() {
    let database = Server::new();
    let pool = database.pool(settings().health_check_timeout(secs(30)));
    drop(pool.get().unwrap());
    let (gate, script) = gated(|_| true);
    database.on_ping(script);
    let server = serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let asked = |target: &str| {
        let mut client = Client::connect(address);
        client.ask("GET", target);
        client.stream().shutdown(Shutdown::Write).unwrap();
        client
    };
    // An answer that is there at once, one from another thread, and one that takes its time.
    for target in ["/health/live", "/metrics"] {
        let mut client = asked(target);
        assert_eq!(client.answer().unwrap().status, 200, "{target}");
        client.assert_closed();
    }
    let mut waiting = asked("/health/database");
    eventually("the database is asked", || gate.waiting() == 1);
    gate.open();
    assert_eq!(waiting.answer().unwrap().status, 200);
    waiting.assert_closed();
    // Nothing more can follow half a request.
    let mut half = Client::connect(address);
    half.send("GET /health/live HT");
    half.stream().shutdown(Shutdown::Write).unwrap();
    half.assert_closed();
    server.stop();
}

#[test]
fn a_huge_header_is_refused() {
    let (server, address) = well();
    let fits = "a".repeat(limits::HEADER_BYTES / 2);
    let mut client = Client::connect(address);
    client.send(format!(
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: {fits}\r\n\r\n"
    ));
    assert_eq!(client.answer().unwrap().status, 200);
    // No more bytes than the server reads, so that none unread turn its close into a reset before the answer is read.
    let begin = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ";
    let rest = "a".repeat(limits::HEADER_BYTES - begin.len());
    let mut client = Client::connect(address);
    client.send(format!("{begin}{rest}"));
    assert_eq!(client.answer().unwrap().status, 431);
    client.assert_closed();
    let mut client = Client::connect(address);
    let target = "a".repeat(limits::HEADER_BYTES * 4);
    let _ = client.try_send(format!("GET /{target}").as_bytes());
    client.assert_closed();
    assert_heard(address);
    server.stop();
}
