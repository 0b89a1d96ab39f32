//! Servers of the tests' own, which do what a real one does not.

use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// What a PostgreSQL client sends if it wants TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Listens on a port, which is returned, and `treat`s each client.
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

/// Plays PostgreSQL until it has consented to TLS, then `treat`s each client. Returns the port.
pub fn postgres(treat: impl Fn(TcpStream) + Send + 'static) -> u16 {
    listening(move |mut client| {
        let mut first = [0; 8];
        client.read_exact(&mut first).unwrap();
        assert_eq!(first, SSL_REQUEST, "a plain login");
        client.write_all(b"S").unwrap();
        treat(client);
    })
}

/// A man in the middle between the clients and the server on this port. Returns the port to which clients are to be lured.
pub fn between(server: u16, treat: impl Fn(TcpStream, TcpStream) + Send + 'static) -> u16 {
    listening(move |client| {
        let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
        treat(client, server);
    })
}

/// Passes everything between the two in both directions, until either side ends.
pub fn join(client: &TcpStream, server: &TcpStream) {
    let pass = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            // The other direction has copies of both, so dropping these would close nothing.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    };
    pass(client, server);
    pass(server, client);
}
