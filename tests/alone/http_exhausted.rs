//! Probes while the pool is exhausted. The time limit is the one in the requirement. Alone in its process, because it
//! measures time.

use std::thread;
use std::time::{Duration, Instant};

use queuepool::{Registry, Settings};

use support::alone;
use support::http_client::{Client, get};
use support::scripted::{Server, eventually, millis, secs};

const LIMIT: Duration = Duration::from_millis(50);

#[test]
fn while_the_pool_is_exhausted_for_ten_seconds_every_probe_answers_in_under_50_ms() {
    alone(|| {
        let settings = Settings::default()
            .pool_size(2)
            .max_overflow(2)
            .timeout(secs(60));
        let pool = Server::new().pool(settings);
        let registry = Registry::new().add("orders", &pool).unwrap();
        let server = queuepool::http::serve("0", registry).unwrap();
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
                // Without a pause the probes themselves would be the load.
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
    });
}
