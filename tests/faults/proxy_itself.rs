//! The proxy itself, in front of a server that echoes what it receives.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use support::proxy::{Mode, Proxy, Side, When};
use support::scripted::millis;

/// Long enough for a byte that is on its way to arrive.
const SILENCE: Duration = Duration::from_millis(100);

/// Runs `test` with a proxy in front of an echo server, which ends with it.
fn with_echo(test: impl FnOnce(&Proxy)) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Each echo thread ends with its connection. A last connect that sends a full stop ends the accepting thread.
    let server = std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut first = [0];
            if !matches!(stream.read(&mut first), Ok(1)) {
                continue;
            }
            if first == *b"." {
                return;
            }
            std::thread::spawn(move || {
                let _ = stream.write_all(&first);
                let mut copy = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut copy);
                let _ = copy.shutdown(Shutdown::Write);
            });
        }
    });
    test(&Proxy::start(port));
    let mut last = TcpStream::connect(("127.0.0.1", port)).unwrap();
    last.write_all(b".").unwrap();
    server.join().unwrap();
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client
}

fn echo(client: &mut TcpStream, text: &str) -> std::io::Result<String> {
    client.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

#[track_caller]
fn assert_reset(client: &mut TcpStream) {
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error:?}");
}

#[track_caller]
fn assert_silent(client: &mut TcpStream) {
    client.set_read_timeout(Some(SILENCE)).unwrap();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error:?}");
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
}

#[test]
fn everything_passes_until_it_is_told_otherwise() {
    with_echo(|proxy| {
        let mut client = connect(proxy);
        let long = "abc".repeat(100_000);
        std::thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let text = &long;
            scope.spawn(move || {
                writer.write_all(text.as_bytes()).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer == long);
        });
    });
}

#[test]
fn a_delay_holds_bytes_back_and_keeps_their_order() {
    with_echo(|proxy| {
        let mut client = connect(proxy);
        proxy.set(Mode::Delay(millis(80)));
        let begun = Instant::now();
        client.write_all(b"ab").unwrap();
        assert_eq!(echo(&mut client, "c").unwrap(), "a");
        // Both directions are delayed.
        assert!(begun.elapsed() >= millis(160), "{:?}", begun.elapsed());
        proxy.set(Mode::Pass);
        assert_eq!(echo(&mut client, "de").unwrap(), "bc");
    });
}

#[test]
fn a_cut_resets_connections_that_are_open_and_those_that_come() {
    with_echo(|proxy| {
        let mut client = connect(proxy);
        echo(&mut client, "a").unwrap();
        proxy.set(Mode::Cut);
        assert_reset(&mut client);
        assert_reset(&mut connect(proxy));
        proxy.set(Mode::Pass);
        assert_eq!(echo(&mut connect(proxy), "b").unwrap(), "b");
    });
}

#[test]
fn what_was_swallowed_is_lost_and_its_connection_reset_afterwards() {
    with_echo(|proxy| {
        let (mut idle, mut talking) = (connect(proxy), connect(proxy));
        echo(&mut idle, "a").unwrap();
        echo(&mut talking, "a").unwrap();
        proxy.set(Mode::Swallow);
        let mut late = connect(proxy);
        talking.write_all(b"b").unwrap();
        assert_silent(&mut talking);
        assert_silent(&mut late);
        proxy.set(Mode::Pass);
        assert_reset(&mut talking);
        assert_reset(&mut late);
        assert_eq!(echo(&mut idle, "c").unwrap(), "c");
    });
}

#[test]
fn a_half_close_ends_one_direction_only() {
    with_echo(|proxy| {
        let mut client = connect(proxy);
        echo(&mut client, "a").unwrap();
        proxy.set(Mode::HalfClose(Side::Client));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        client.write_all(b"b").unwrap();

        proxy.set(Mode::Pass);
        let mut client = connect(proxy);
        client.write_all(b"c").unwrap();
        proxy.set_when(When::ServerSent(1), Mode::HalfClose(Side::Server));
        // What the server still has to say arrives; then the server closes its end too.
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "c");
    });
}

#[test]
fn a_refusal_closes_the_port_and_lets_open_connections_pass() {
    with_echo(|proxy| {
        let mut client = connect(proxy);
        echo(&mut client, "a").unwrap();
        proxy.set(Mode::Refuse);
        let error = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error:?}");
        assert_eq!(echo(&mut client, "b").unwrap(), "b");
        proxy.set(Mode::Pass);
        assert_eq!(echo(&mut connect(proxy), "c").unwrap(), "c");
    });
}

#[test]
fn garbage_comes_in_place_of_an_answer() {
    with_echo(|proxy| {
        proxy.set(Mode::Garbage(b"?!"));
        let mut client = connect(proxy);
        client.write_all(b"a").unwrap();
        let mut answer = [0; 2];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"?!");
        assert_silent(&mut client);
    });
}

#[test]
fn a_connection_is_struck_when_its_time_has_come() {
    with_echo(|proxy| {
        proxy.set_when(When::ServerSent(3), Mode::Swallow);
        let mut client = connect(proxy);
        assert_eq!(echo(&mut client, "ab").unwrap(), "ab");
        client.write_all(b"cd").unwrap();
        let mut answer = [0];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"c");
        assert_silent(&mut client);

        proxy.set_when(When::ClientSent("now"), Mode::Cut);
        let mut client = connect(proxy);
        assert_eq!(echo(&mut client, "not").unwrap(), "not");
        client.write_all(b"now").unwrap();
        assert_reset(&mut client);

        proxy.set_when(When::Among(1), Mode::Swallow);
        let (mut first, mut second) = (connect(proxy), connect(proxy));
        first.write_all(b"a").unwrap();
        assert_eq!(echo(&mut second, "b").unwrap(), "b");
        assert_silent(&mut first);
    });
}
