//! How long a liveness probe waits while many clients scrape the metrics of many pools without a pause:
//!
//! `cargo run --release -p queuepool-tests --no-default-features --features http --example many_pools [POOLS [CLIENTS [SECONDS]]]`
//!
//! 1,000 pools, 40 clients and 10 s by default. The clients and the server share this machine's processors, so a probe is also
//! timed without the clients, and beside as many threads that only compute: what the last costs is the machine's, not the
//! server's.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::{Pool, Registry};

/// A manager whose pool is never asked for a connection.
struct Nothing;

impl r2d2::ManageConnection for Nothing {
    type Connection = ();
    type Error = Infallible;

    fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

/// Asks on an open connection, and returns the length of the answer's body.
fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> std::io::Result<u64> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim_end().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    std::io::copy(&mut stream.take(length), &mut std::io::sink())
}

fn connect(server: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    TcpStream::connect(server).map(BufReader::new)
}

/// Probes for as long as this, as kubelet does, on a new connection each time.
fn probe(server: SocketAddr, time: Duration) -> Vec<Duration> {
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        let asked = Instant::now();
        let answered = connect(server).and_then(|mut stream| ask(&mut stream, "/health/live"));
        answered.expect("a probe is answered");
        took.push(asked.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    took.sort_unstable();
    took
}

fn print(what: &str, took: &[Duration]) {
    let of = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{what:36} {:5} probes: median {:>9.1?}, 99 % {:>9.1?}, longest {:>9.1?}",
        took.len(),
        of(0.5),
        of(0.99),
        of(1.0)
    );
}

fn main() {
    let argument = |place: usize, default: u64| {
        let given = std::env::args().nth(place);
        given.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (pools, clients) = (argument(1, 1000), argument(2, 40));
    let time = Duration::from_secs(argument(3, 10));
    let mut registry = Registry::new();
    for number in 0..pools {
        let pool = Pool::builder(Nothing).build().expect("a pool");
        registry = registry
            .add(&format!("pool-{number}"), pool)
            .expect("a name");
    }
    let server = queuepool::http::serve("0", registry).expect("a server");
    let address = server.local_addr();
    print("nothing else", &probe(address, time));

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        print(
            &format!("{clients} threads that compute"),
            &probe(address, time),
        );
        stop.store(true, Relaxed);
    });

    let (scrapes, bytes, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    stop.store(false, Relaxed);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut stream = None;
                while !stop.load(Relaxed) {
                    let open = stream.take().map_or_else(|| connect(address), Ok);
                    match open.and_then(|mut open| Ok((ask(&mut open, "/metrics")?, open))) {
                        Ok((length, open)) => {
                            scrapes.fetch_add(1, Relaxed);
                            bytes.fetch_add(length, Relaxed);
                            stream = Some(open);
                        }
                        // Without a seat for a while.
                        Err(_) => drop(lost.fetch_add(1, Relaxed)),
                    }
                }
            });
        }
        print(
            &format!("{clients} clients of /metrics, {pools} pools"),
            &probe(address, time),
        );
        stop.store(true, Relaxed);
    });
    let (scrapes, bytes) = (scrapes.into_inner(), bytes.into_inner());
    println!(
        "{scrapes} scrapes of {:.1} MB, {} connections lost",
        bytes as f64 / scrapes.max(1) as f64 / 1e6,
        lost.into_inner()
    );
    server.stop();
}
