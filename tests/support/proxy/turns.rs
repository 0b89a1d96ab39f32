//! A TCP proxy in front of several servers, to which it leads connections by turns. It leads elsewhere when it is told to, and keeps
//! what is open.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub struct Turns {
    port: u16,
    servers: Arc<Mutex<Vec<u16>>>,
    connects: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Turns {
    /// Starts a proxy in front of these ports of 127.0.0.1.
    pub fn start(servers: &[u16]) -> Turns {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port for the proxy");
        let port = listener.local_addr().expect("bound above").port();
        let servers = Arc::new(Mutex::new(servers.to_vec()));
        let connects = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::spawn({
            let (servers, connects) = (servers.clone(), connects.clone());
            move || {
                for client in listener.incoming() {
                    let turn = connects.fetch_add(1, SeqCst);
                    let server = {
                        let servers = servers.lock();
                        let Some(place) = turn.checked_rem(servers.len()) else {
                            return;
                        };
                        servers[place]
                    };
                    let Ok(client) = client else { continue };
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                        join(client, server);
                    }
                }
            }
        });
        Turns {
            port,
            servers,
            connects,
            thread: Some(thread),
        }
    }

    /// Where connections lead from now on; those that are open stay.
    pub fn lead_to(&self, servers: &[u16]) {
        *self.servers.lock() = servers.to_vec();
    }

    /// How many connections there have been.
    pub fn connects(&self) -> usize {
        self.connects.load(SeqCst)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of a server, redirected to the proxy.
    pub fn url(&self, server: u16, url: &str) -> String {
        let (from, to) = (format!(":{server}/"), format!(":{}/", self.port));
        assert!(url.contains(&from), "{url} does not name port {server}");
        url.replace(&from, &to)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.servers.lock().clear();
        // It is waiting for a client, and finds that there are no servers. If the port is gone, so is the thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two threads, which end with the connection.
fn join(client: TcpStream, server: TcpStream) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    let pairs = [
        (client.try_clone(), server.try_clone()),
        (Ok(server), Ok(client)),
    ];
    for (from, to) in pairs {
        let (mut from, mut to) = (from.expect("a socket"), to.expect("a socket"));
        std::thread::spawn(move || {
            // A reset ends it as well as the end of the stream does.
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
