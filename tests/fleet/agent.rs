//! What a proxy asks whether a server may be written to: 200 or 503 by HTTP, as Patroni's agent answers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::session::{Session, log_in};

pub struct Agent {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    over: AtomicBool,
    sight: Mutex<Sight>,
}

struct Sight {
    url: String,
    /// A query for 1 if the server may be written to, and for 0 if it may not.
    sql: &'static str,
    session: Option<Box<dyn Session>>,
    last: bool,
    is_blind: bool,
}

impl Agent {
    pub fn start(admin_url: String, sql: &'static str) -> Agent {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound above").port();
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            sight: Mutex::new(Sight {
                url: admin_url,
                sql,
                session: None,
                last: false,
                is_blind: false,
            }),
        });
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || shared.answer(&listener)
        });
        Agent {
            port,
            shared,
            thread: Some(thread),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// While it is blind it repeats its last answer, whatever becomes of the server. So a test decides when a proxy notices.
    pub fn set_blind(&self, is_blind: bool) {
        self.shared.sight.lock().is_blind = is_blind;
    }
}

impl Shared {
    fn answer(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.over.load(SeqCst) {
                return;
            }
            let status = match self.sight.lock().is_writable() {
                true => "200 OK",
                false => "503 Service Unavailable",
            };
            // The proxy may have given up.
            let _ = stream.and_then(|stream| respond(stream, status));
        }
    }
}

impl Sight {
    fn is_writable(&mut self) -> bool {
        if !self.is_blind {
            let answer = self.ask();
            if answer.is_err() {
                self.session = None;
            }
            self.last = answer == Ok(vec![1]);
        }
        self.last
    }

    fn ask(&mut self) -> Result<Vec<i64>, String> {
        let session = match self.session.take() {
            Some(session) => session,
            None => log_in(&self.url)?,
        };
        self.session.insert(session).numbers(self.sql)
    }
}

fn respond(mut stream: TcpStream, status: &str) -> std::io::Result<()> {
    // The request fits into one packet.
    let _request = stream.read(&mut [0; 1024])?;
    write!(stream, "HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n")
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        // This wakes the thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().expect("taken only here").join();
    }
}
