//! The manager of the example `custom_manager`, no database at all, before a TCP server that cuts its connections off, falls
//! silent and goes away.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{CloseReason, ErrorKind, Pool, PrePing, Retry, Settings};

#[allow(dead_code)]
#[path = "../../examples/custom_manager.rs"]
mod example;

use example::{Echo, ask};

/// Echoes what it receives until it is dropped.
struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepts: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    mute: AtomicBool,
    stopped: AtomicBool,
}

impl Server {
    fn start() -> Self {
        Server::start_at("127.0.0.1:0".parse().unwrap())
    }

    fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let accepts = thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopped.load(SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                own.streams.lock().push(stream.try_clone().unwrap());
                own.accepted.fetch_add(1, SeqCst);
                let shared = own.clone();
                thread::spawn(move || shared.echo(stream));
            }
        });
        Server {
            address,
            shared,
            accepts: Some(accepts),
        }
    }

    /// Ends all connections, as a restart would.
    fn cut(&self) {
        for stream in self.shared.streams.lock().drain(..) {
            // This fails if its client has closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// A client is connected before it is accepted.
    #[track_caller]
    fn accepts(&self, connections: usize) {
        eventually("all are accepted", || self.accepted() == connections);
    }

    fn pool(&self, settings: Settings) -> Pool<Echo> {
        let server = self.address;
        let settings = settings.timeout(Duration::from_secs(20));
        Pool::builder(Echo { server })
            .settings(settings)
            .build()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        // Wakes it up, so that its port is free.
        let _ = TcpStream::connect(self.address);
        if let Some(accepts) = self.accepts.take() {
            accepts.join().unwrap();
        }
        self.cut();
    }
}

impl Shared {
    fn echo(&self, mut stream: TcpStream) {
        let mut heard = [0; 64];
        while let Ok(length @ 1..) = stream.read(&mut heard) {
            if !self.mute.load(SeqCst) && stream.write_all(&heard[..length]).is_err() {
                return;
            }
        }
    }
}

fn size(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .pre_ping(PrePing::Always)
}

#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn many_threads_talk_through_few_connections_and_the_status_counts_them() {
    let server = Server::start();
    let pool = server.pool(size(2, 1));
    thread::scope(|scope| {
        for worker in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for turn in 0..20 {
                    let words = format!("worker {worker}, turn {turn}");
                    let mut stream = pool.get().unwrap();
                    assert_eq!(ask(&mut stream, words.as_bytes()).unwrap(), words);
                }
            });
        }
    });
    let status = pool.status();
    assert_eq!((status.checkouts, status.checked_out), (160, 0));
    assert!(status.peak_checked_out <= 3, "{status:#?}");
    assert_eq!(status.total_connections_created, server.accepted() as u64);
    assert_eq!(status.connection_errors + status.validation_failures, 0);
}

#[test]
fn connections_that_the_server_cut_off_are_replaced_before_their_next_use() {
    let server = Server::start();
    let pool = server.pool(size(3, 0));
    drop([(); 3].map(|()| pool.get().unwrap()));
    server.accepts(3);
    server.cut();
    assert_eq!(ask(&mut pool.get().unwrap(), b"hello").unwrap(), "hello");
    let status = pool.status();
    assert_eq!(status.validation_failures, 1);
    assert_eq!(status.closed_by_reason.get(&CloseReason::Lost), Some(&1));
    eventually("the others are closed without a ping of their own", || {
        let closed = pool.status().closed_by_reason;
        closed.get(&CloseReason::Invalidated) == Some(&2)
    });
    assert_eq!(pool.status().validation_failures, 1);
    assert_eq!(server.accepted(), 4);
}

#[test]
fn a_connection_that_the_server_cuts_off_in_use_gives_the_managers_error_and_is_replaced() {
    let server = Server::start();
    let pool = server.pool(size(1, 0));
    let mut stream = pool.get().unwrap();
    server.accepts(1);
    server.cut();
    ask(&mut stream, b"hello").unwrap_err();
    drop(stream);
    assert_eq!(ask(&mut pool.get().unwrap(), b"hello").unwrap(), "hello");
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_server_that_falls_silent_holds_nobody_up_and_what_hangs_is_counted() {
    let server = Server::start();
    let pool = server.pool(size(1, 1).health_check_timeout(Duration::from_millis(50)));
    drop(pool.get().unwrap());
    server.shared.mute.store(true, SeqCst);
    // The ping has no limit of its own; a new connection needs none.
    let held = pool.get().unwrap();
    let status = pool.status();
    assert_eq!((status.abandoned, status.validation_failures), (1, 1));
    server.accepts(2);
    server.cut();
    eventually("the ping has ended", || pool.status().abandoned == 0);
    drop(held);
}

#[test]
fn a_server_that_is_away_is_a_connect_error_with_the_managers_own_beneath() {
    let server = Server::start();
    let address = server.address;
    let retry = Retry::default().initial_delay(Duration::from_millis(1));
    let pool = server.pool(size(1, 0).retry(retry.max_attempts(2)));
    drop(pool.get().unwrap());
    drop(server);
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let source = std::error::Error::source(&error).unwrap();
    let beneath = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(beneath.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(pool.status().connection_errors, 2);
    let _server = Server::start_at(address);
    assert_eq!(ask(&mut pool.get().unwrap(), b"hello").unwrap(), "hello");
}

#[test]
fn every_hook_is_told() {
    let server = Server::start();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let [connect, checkout, reset, checkin, close] = [(); 5].map(|()| told.clone());
    let pool = Pool::builder(Echo {
        server: server.address,
    })
    .settings(size(1, 0))
    .on_connect(move |stream, _| {
        let words = ask(stream, b"greeting")?;
        connect.lock().push(words);
        Ok(())
    })
    .on_checkout(move |_, info| {
        checkout.lock().push(format!("checkout of {}", info.id()));
        Ok(())
    })
    .on_reset(move |_, _| reset.lock().push("reset".into()))
    .on_checkin(move |_, _| checkin.lock().push("checkin".into()))
    .on_close(move |_, reason| close.lock().push(reason.to_string()))
    .build()
    .unwrap();
    drop(pool.get().unwrap());
    server.cut();
    drop(pool.get().unwrap());
    let life = ["checkout of 1", "reset", "checkin", "lost", "greeting"];
    let next = ["checkout of 2", "reset", "checkin"];
    assert_eq!(*told.lock(), [&["greeting"], &life[..], &next].concat());
}
