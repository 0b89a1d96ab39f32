//! Probes while the pool is exhausted. The time limit is the requirement's own.

use std::thread;
use std::time::{Duration, Instant};

use crate::http_client::{Client, get};
use crate::scripted::{Server, eventually, millis, secs};
use crate::{registry_of, settings};

const LIMIT: Duration = Duration::from_millis(50);

#[test]
fn while_the_pool_is_exhausted_for_ten_seconds_every_probe_answers_in_under_50_ms() {
    let pool = Server::new().pool(settings().timeout(secs(60)));
    let server = queuepool::http::serve("0", registry_of(&pool)).unwrap();
    let address = server.local_addr();
    let probes = [
        ("/", 200),
        ("/health", 200),
        ("/health/", 200),
        ("/health/live", 200),
        ("/health/database", 200),
        ("/health/pool", 503),
        ("/health/db_pool", 503),
        ("/health/detailed", 503),
        ("/metrics", 200),
        ("/status", 200),
        ("/history", 200),
    ];
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pool.get().unwrap());
        }
        eventually("all wait", || pool.status().waiting_requests == 8);
        let mut kept = Client::connect(address);
        let (mut worst, mut count) = ((Duration::ZERO, ""), 0);
        let start = Instant::now();
        while start.elapsed() < secs(10) {
            for (path, status) in probes {
                let asked = Instant::now();
                assert_eq!(get(address, path).status, status, "{path}");
                worst = worst.max((asked.elapsed(), path));
                let asked = Instant::now();
                assert_eq!(kept.get(path).status, status, "{path}");
                worst = worst.max((asked.elapsed(), path));
                count += 2;
            }
            let now = pool.status();
            assert_eq!((now.checked_out, now.waiting_requests), (4, 8));
            // A hundred rounds would do; without a pause the probes would be the load.
            thread::sleep(millis(20));
        }
        println!(
            "the slowest of {count} probes took {:?}: {}",
            worst.0, worst.1
        );
        drop(held);
        assert!(worst.0 < LIMIT, "{worst:?} of {count} probes");
    });
    server.stop();
}
