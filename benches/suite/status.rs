//! What `status()` costs on a pool of 100, and how much of the throughput of other threads it takes.
//!
//! On two cores, a third thread costs the two that get and drop several percent merely by waking up, so its loss is the difference
//! between waking up and also calling; if one of the two calls, the whole loss counts.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::{Connection, Pool};

use crate::Suite;
use crate::measure::{median, time};
use crate::nothing::{self, Nothing};
use crate::row::{Bar, Row};

const POOL_SIZE: u32 = 100;
/// Microseconds for a call, by the number of connections that are out.
const COSTS: [(u32, f64); 3] = [(0, 1.0), (50, 5.0), (100, 5.0)];
const CALLS: u32 = 200;

/// Percent of the throughput.
const PROMISED_LOSS: f64 = 2.0;
const WINDOW: Duration = Duration::from_millis(20);
const INTERVAL: Duration = Duration::from_millis(1);
const PAIRS_BETWEEN_LOOKS: u64 = 64;

/// What happens 1,000 times a second alongside the gets and drops.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    OneOfThemCalls,
    ThirdWakes,
    ThirdCalls,
}

/// There and back, so that slow changes affect all variants alike.
const CYCLE: [Beside; 8] = [
    Beside::Nothing,
    Beside::OneOfThemCalls,
    Beside::ThirdWakes,
    Beside::ThirdCalls,
    Beside::ThirdCalls,
    Beside::ThirdWakes,
    Beside::OneOfThemCalls,
    Beside::Nothing,
];

fn hold(pool: &Pool<Nothing>, count: u32) -> Vec<Connection<Nothing>> {
    (0..count).map(|_| pool.get().unwrap()).collect()
}

/// The uncertainty of the median of that many values, as drawn by the notches of a box plot (McGill, Tukey and Larsen 1978).
fn uncertainty(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quarter = sorted.len() / 4;
    let spread = sorted[sorted.len() - 1 - quarter] - sorted[quarter];
    1.57 * spread / (sorted.len() as f64).sqrt()
}

/// One of the two threads. It has a cache line to itself, so that its counting disturbs nobody.
#[derive(Default)]
#[repr(align(128))]
struct Worker {
    /// Pairs of get and drop so far.
    pairs: AtomicU64,
    calls_status: AtomicBool,
}

impl Worker {
    /// Gets and drops until told to stop, looking at the clock now and then.
    fn work(&self, pool: &Pool<Nothing>, stop: &AtomicBool) {
        let mut moment = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..PAIRS_BETWEEN_LOOKS {
                drop(black_box(pool.get().unwrap()));
            }
            self.pairs.fetch_add(PAIRS_BETWEEN_LOOKS, Ordering::Relaxed);
            let now = Instant::now();
            if !self.calls_status.load(Ordering::Relaxed) {
                moment = now;
            } else if now >= moment {
                moment += INTERVAL;
                drop(black_box(pool.status()));
            }
        }
    }
}

/// Pairs a second of both workers together in one window, while this thread, the third, does its part.
fn throughput(pool: &Pool<Nothing>, workers: &[Worker; 2], beside: Beside) -> f64 {
    let pairs = || -> u64 {
        let of_each = workers.iter().map(|one| one.pairs.load(Ordering::Relaxed));
        of_each.sum()
    };
    let one_calls = beside == Beside::OneOfThemCalls;
    workers[0].calls_status.store(one_calls, Ordering::Relaxed);
    let wakes = matches!(beside, Beside::ThirdWakes | Beside::ThirdCalls);
    let (began, before) = (Instant::now(), pairs());
    let mut moment = began;
    while began.elapsed() < WINDOW {
        moment += if wakes { INTERVAL } else { WINDOW };
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        if beside == Beside::ThirdCalls {
            drop(black_box(pool.status()));
        }
    }
    (pairs() - before) as f64 / began.elapsed().as_secs_f64()
}

/// The percentages of the two threads' throughput that are lost: if one of them calls, to a third thread's waking up, and to what
/// that thread's call adds.
fn losses(pool: &Pool<Nothing>, cycles: usize) -> [Vec<f64>; 3] {
    let stop = AtomicBool::new(false);
    let workers: [Worker; 2] = Default::default();
    let mut losses: [Vec<f64>; 3] = Default::default();
    thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(|| worker.work(pool, &stop));
        }
        for _ in 0..cycles {
            let there_and_back = CYCLE.map(|beside| throughput(pool, &workers, beside));
            let [nothing, one, wakes, calls] = std::array::from_fn(|step| {
                there_and_back[step] + there_and_back[CYCLE.len() - 1 - step]
            });
            losses[0].push((1.0 - one / nothing) * 100.0);
            losses[1].push((1.0 - wakes / nothing) * 100.0);
            losses[2].push((1.0 - calls / wakes) * 100.0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    losses
}

pub fn rows(suite: &mut Suite) {
    let pool = nothing::queuepool(POOL_SIZE);
    let r2d2 = nothing::r2d2(POOL_SIZE);
    for (out, promised) in COSTS {
        let name = format!("status/{out}-of-{POOL_SIZE}-out");
        if !suite.wants(&name) {
            continue;
        }
        let held = (
            hold(&pool, out),
            (0..out).map(|_| r2d2.get().unwrap()).collect::<Vec<_>>(),
        );
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..suite.pick(101, 21) {
            // With the drop of what is returned.
            let all = time(|| (0..CALLS).for_each(|_| drop(black_box(pool.status()))));
            ours.push(all / f64::from(CALLS) / 1e3);
            let all = time(|| (0..CALLS).for_each(|_| _ = black_box(r2d2.state())));
            theirs.push(all / f64::from(CALLS) / 1e3);
        }
        drop(held);
        let row = Row::new(name, "us", ours).bar(Bar::AtMost(promised));
        // No bar: r2d2's is two numbers.
        suite.add(row.against("r2d2's state", &theirs, None));
    }
    if !suite.wants("status/throughput-lost") {
        return;
    }
    let _held = hold(&pool, POOL_SIZE / 2);
    let names = ["one of the two calls", "a third wakes up", "a third calls"];
    let losses = losses(&pool, suite.pick(200, 15));
    for (at, (name, losses)) in names.into_iter().zip(losses).enumerate() {
        let (loss, off) = (median(&losses), uncertainty(&losses));
        let mut row = Row::new(format!("status/throughput-lost {name}"), "%", losses);
        row = row.note(format!("{loss:.2} % +- {off:.2}"));
        if at != 1 {
            row = row.bar(Bar::AtMost(PROMISED_LOSS));
        }
        if off >= PROMISED_LOSS {
            row = row.note("this machine is too busy with other work to tell");
        }
        suite.add(row);
    }
}
