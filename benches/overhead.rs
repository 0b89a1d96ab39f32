//! What a get and a drop cost compared with bare r2d2, on a manager that does nothing and with all accounting on.
//!
//! `cargo bench --bench overhead`. With more threads than connections it is mostly the cost of a hand-over. The two take turns within
//! one process, so that a noisy machine disturbs both alike; the
//! figure to look at is the ratio.

mod nothing;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nothing::Nothing;
use queuepool::Settings;

/// Threads, and the connections that they share.
const ROWS: [(usize, u32); 8] = [
    (1, 10),
    (2, 10),
    (4, 10),
    (8, 10),
    (8, 8),
    (8, 4),
    (32, 4),
    (32, 10),
];

const ROUNDS: usize = 41;
/// Of all threads together.
const PAIRS: u32 = 100_000;

/// The time of one get and drop while `threads` threads are at it: the whole time, divided by the number of all pairs.
fn time(threads: usize, pair: &(dyn Fn() + Sync)) -> Duration {
    let start = Barrier::new(threads);
    let pairs = PAIRS / u32::try_from(threads).unwrap();
    let times: Vec<Duration> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..pairs {
                        pair();
                    }
                    began.elapsed()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    times.into_iter().max().unwrap() / PAIRS
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e9
}

fn main() {
    println!(
        "get + drop, median of {ROUNDS} rounds of {PAIRS} pairs, nanoseconds a pair over all threads"
    );
    for (threads, connections) in ROWS {
        let bare = r2d2::Pool::builder()
            .max_size(connections)
            .build(Nothing)
            .unwrap();
        let pool = queuepool::Pool::builder(Nothing)
            .settings(Settings::default().pool_size(connections).max_overflow(0))
            .build()
            .unwrap();
        pool.warm_up(connections).unwrap();
        let (mut of_bare, mut of_pool) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_bare.push(time(threads, &|| drop(black_box(bare.get().unwrap()))));
            of_pool.push(time(threads, &|| drop(black_box(pool.get().unwrap()))));
        }
        let longest = pool.status().connection_acquisition_time.max() * 1e3;
        let (of_bare, of_pool) = (median(of_bare), median(of_pool));
        println!(
            "{threads} threads on {connections}: r2d2 {of_bare:.0}, queuepool {of_pool:.0}, ratio {:.2}, longest wait {longest:.1} ms",
            of_pool / of_bare
        );
    }
}
