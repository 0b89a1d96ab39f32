//! Servers of the test's own, which do what a real one does not.

use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// What a PostgreSQL client says who wants TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The port on which each client is `treat`ed.
fn listening(treat: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            treat(client.unwrap());
        }
    });
    port
}

/// PostgreSQL as far as its consent to TLS; its port. Each client is then `treat`ed.
pub fn postgres(treat: impl Fn(TcpStream) + Send + 'static) -> u16 {
    listening(move |mut client| {
        let mut first = [0; 8];
        client.read_exact(&mut first).unwrap();
        assert_eq!(first, SSL_REQUEST, "a plain login");
        client.write_all(b"S").unwrap();
        treat(client);
    })
}

/// Somebody between the clients and the server on this port; the port to be lured to.
pub fn between(server: u16, treat: impl Fn(TcpStream, TcpStream) + Send + 'static) -> u16 {
    listening(move |client| {
        let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
        treat(client, server);
    })
}

/// Passes everything on between the two, until either side has had enough.
pub fn join(client: &TcpStream, server: &TcpStream) {
    let pass = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            // The other direction has copies of both, so that to drop these closes nothing.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    };
    pass(client, server);
    pass(server, client);
}
