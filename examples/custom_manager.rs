//! Any `r2d2::ManageConnection` can be pooled: here, plain TCP connections to a small echo server.
//!
//! `cargo run --example custom_manager`

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use queuepool::{Pool, Settings};

pub struct Echo {
    pub server: SocketAddr,
}

impl r2d2::ManageConnection for Echo {
    type Connection = TcpStream;
    type Error = io::Error;

    fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.server)
    }

    /// The pool's ping, made only on a connection that has been idle for a while.
    fn is_valid(&self, stream: &mut TcpStream) -> io::Result<()> {
        ask(stream, b"ping").map(drop)
    }

    fn has_broken(&self, stream: &mut TcpStream) -> bool {
        stream.peer_addr().is_err()
    }
}

pub fn ask(stream: &mut TcpStream, words: &[u8]) -> io::Result<String> {
    stream.write_all(words)?;
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });

    let pool = Pool::builder(Echo { server })
        .settings(Settings::small())
        .build()?;
    for words in ["hello", "again"] {
        let mut stream = pool.get()?;
        println!("{}", ask(&mut stream, words.as_bytes())?);
    }
    print!("{}", pool.status());
    Ok(())
}
