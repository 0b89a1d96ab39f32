//! What a get and a drop cost compared with bare r2d2, on a manager that does nothing and with all accounting on.
//!
//! `cargo bench --bench overhead`. The two take turns within one process, so that a noisy machine disturbs both alike; the
//! figure to look at is the ratio.

mod nothing;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nothing::Nothing;

const ROUNDS: usize = 41;
const PAIRS: u32 = 50_000;

/// The time for one get and drop, on each of `threads` threads at once.
fn time(threads: usize, pair: &(dyn Fn() + Sync)) -> Duration {
    let start = Barrier::new(threads);
    let times: Vec<Duration> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..PAIRS {
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
    times.into_iter().max().unwrap() / PAIRS / u32::try_from(threads).unwrap()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e9
}

fn main() {
    let bare = r2d2::Pool::builder().max_size(10).build(Nothing).unwrap();
    let pool = queuepool::Pool::builder(Nothing).build().unwrap();
    pool.warm_up(10).unwrap();
    println!(
        "get + drop, median of {ROUNDS} rounds of {PAIRS} pairs a thread, nanoseconds a pair over all threads"
    );
    for threads in [1, 2] {
        let (mut of_bare, mut of_pool) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_bare.push(time(threads, &|| drop(black_box(bare.get().unwrap()))));
            of_pool.push(time(threads, &|| drop(black_box(pool.get().unwrap()))));
        }
        let (of_bare, of_pool) = (median(of_bare), median(of_pool));
        println!(
            "{threads} threads: r2d2 {of_bare:.0}, queuepool {of_pool:.0}, ratio {:.2}",
            of_pool / of_bare
        );
    }
}
