//! What is held up by an answer that takes long, with pools whose status waits for the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::Error;
use crate::http::serve;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::pool::Pool;
use crate::registry::{Member, Pooled, Registry};

/// A manager whose pool is never asked for a connection.
struct Nothing;

impl r2d2::ManageConnection for Nothing {
    type Connection = ();
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

/// A pool whose status, once asked for, waits until it is let go.
struct Held {
    pool: Pool<Nothing>,
    entered: Sender<()>,
    go_on: Receiver<()>,
    asked: Arc<AtomicUsize>,
}

impl Pooled for Held {
    fn status(&self) -> Status {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _ = self.entered.send(());
        // An error once the test has let go of the other end.
        let _ = self.go_on.recv();
        self.pool.status()
    }

    fn health_check(&self) -> Result<HealthCheck, Error> {
        self.pool.health_check()
    }

    fn history(&self, after: u64) -> Vec<Sample> {
        self.pool.history(after)
    }

    fn close(&self, deadline: Duration) -> Result<(), Error> {
        self.pool.close(deadline)
    }
}

/// A pool named `held`, and beside it one named `well`. Dropping the sender lets all go on.
struct Holding {
    registry: Registry,
    entered: Receiver<()>,
    go_on: Sender<()>,
    asked: Arc<AtomicUsize>,
}

/// After that a server that is held up has failed the test.
const PATIENCE: Duration = Duration::from_secs(30);

impl Holding {
    /// Waits until the status of `held` is asked for.
    #[track_caller]
    fn enter(&self) {
        self.entered.recv_timeout(PATIENCE).unwrap();
    }
}

fn holding() -> Holding {
    let pool = || Pool::builder(Nothing).build().unwrap();
    let ((entered, enters), (go_on, goes_on)) = (unbounded(), unbounded());
    let asked = Arc::new(AtomicUsize::new(0));
    let held = Held {
        pool: pool(),
        entered,
        go_on: goes_on,
        asked: asked.clone(),
    };
    let registry = Registry::new()
        .add("held", Member(Arc::new(held)))
        .unwrap()
        .add("well", pool())
        .unwrap();
    Holding {
        registry,
        entered: enters,
        go_on,
        asked,
    }
}

fn ask(server: SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[track_caller]
fn assert_answered(mut stream: TcpStream) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn probes_are_answered_while_a_scrape_is_under_way() {
    let holding = holding();
    let server = serve("0", holding.registry.clone()).unwrap();
    let address = server.local_addr();
    for heavy in [
        "/metrics",
        "/status",
        "/health/pool",
        "/health/db_pool",
        "/history?pool=held",
    ] {
        let scrape = ask(address, heavy);
        holding.enter();
        for probe in [
            "/",
            "/health/live",
            "/health/pool?pool=well",
            "/health/database?pool=well",
        ] {
            assert_answered(ask(address, probe));
        }
        holding.go_on.send(()).unwrap();
        assert_answered(scrape);
    }
    drop(holding.go_on);
    server.stop();
}

#[test]
fn equal_answers_under_way_are_made_once_and_the_next_is_new() {
    let holding = holding();
    let server = serve("0", holding.registry.clone()).unwrap();
    let address = server.local_addr();
    let scrapes: Vec<_> = (0..40).map(|_| ask(address, "/metrics")).collect();
    holding.enter();
    // By then all that was sent before has been read.
    for _ in 0..3 {
        assert_answered(ask(address, "/health/live"));
    }
    holding.go_on.send(()).unwrap();
    scrapes.into_iter().for_each(assert_answered);
    assert_eq!(holding.asked.load(Ordering::Relaxed), 1);
    drop(holding.go_on);
    assert_answered(ask(address, "/metrics"));
    assert_eq!(holding.asked.load(Ordering::Relaxed), 2);
    server.stop();
}
