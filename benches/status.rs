//! What status() costs on a pool of 100, and how much of the throughput of other threads it takes.
//!
//! `cargo bench --bench status` exits with an error if a promise is broken: a call takes at most 5 us, including the drop
//! of the snapshot; and two threads in a loop of get and drop lose less than 2 % of their throughput when status() is
//! called 1,000 times a second, by one of the two or by a third thread. On two cores, a third thread costs them several
//! percent merely by waking up, so its loss is the difference between waking up and also calling; if one of the two calls,
//! the whole loss counts. All variants take turns within one process, so that a noisy machine disturbs them alike. A
//! machine too busy to tell is an error too.

mod nothing;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nothing::Nothing;
use queuepool::{Connection, Pool, Settings};

const POOL_SIZE: u32 = 100;
const PROMISED_MICROSECONDS: f64 = 5.0;
const PROMISED_LOSS: f64 = 0.02;

const COST_ROUNDS: usize = 101;
const CALLS: u32 = 200;

const WINDOW: Duration = Duration::from_millis(20);
const CYCLES: usize = 300;
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

fn pool() -> Pool<Nothing> {
    let settings = Settings::default().pool_size(POOL_SIZE).max_overflow(0);
    let pool = Pool::builder(Nothing).settings(settings).build().unwrap();
    pool.warm_up(POOL_SIZE).unwrap();
    pool
}

fn hold(pool: &Pool<Nothing>, count: u32) -> Vec<Connection<Nothing>> {
    (0..count).map(|_| pool.get().unwrap()).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The uncertainty of the median of that many values, as drawn by the notches of a box plot (McGill, Tukey and Larsen
/// 1978).
fn uncertainty(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let spread = values[values.len() - 1 - quarter] - values[quarter];
    1.57 * spread / (values.len() as f64).sqrt()
}

/// Microseconds for one call and for dropping what it returned.
fn cost(pool: &Pool<Nothing>) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        drop(black_box(pool.status()));
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
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

/// The shares of the two threads' throughput that are lost.
#[derive(Default)]
struct Losses {
    one_calls: Vec<f64>,
    third_wakes: Vec<f64>,
    third_calls: Vec<f64>,
    /// Lost to the third thread's call alone, compared with its merely waking up.
    call_alone: Vec<f64>,
}

fn losses(pool: &Pool<Nothing>) -> Losses {
    let stop = AtomicBool::new(false);
    let workers: [Worker; 2] = Default::default();
    let mut losses = Losses::default();
    thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(|| worker.work(pool, &stop));
        }
        for _ in 0..CYCLES {
            let there_and_back = CYCLE.map(|beside| throughput(pool, &workers, beside));
            let [nothing, one, wakes, calls] = std::array::from_fn(|step| {
                there_and_back[step] + there_and_back[CYCLE.len() - 1 - step]
            });
            losses.one_calls.push(1.0 - one / nothing);
            losses.third_wakes.push(1.0 - wakes / nothing);
            losses.third_calls.push(1.0 - calls / nothing);
            losses.call_alone.push(1.0 - calls / wakes);
        }
        stop.store(true, Ordering::Relaxed);
    });
    losses
}

fn percent(losses: &[f64]) -> String {
    let (loss, off) = (median(losses.to_vec()), uncertainty(losses.to_vec()));
    format!("{:.2} % +- {:.2}", loss * 100.0, off * 100.0)
}

fn main() -> ExitCode {
    let pool = pool();
    let mut kept = true;
    println!("status() of a pool of {POOL_SIZE}, median of {COST_ROUNDS} rounds of {CALLS} calls:");
    for out in [0, POOL_SIZE / 2, POOL_SIZE] {
        let held = hold(&pool, out);
        let micros = median((0..COST_ROUNDS).map(|_| cost(&pool)).collect());
        drop(held);
        println!("  {out:>3} out: {micros:.2} us, promised {PROMISED_MICROSECONDS} us");
        kept &= micros <= PROMISED_MICROSECONDS;
    }
    println!(
        "throughput of 2 threads, half of the pool out, median of {CYCLES} cycles of windows of {WINDOW:?}:"
    );
    let _held = hold(&pool, POOL_SIZE / 2);
    let losses = losses(&pool);
    let promised = format!("promised under {:.0} %", PROMISED_LOSS * 100.0);
    println!(
        "  one of them calls status() 1,000 times a second: {} lost, {promised}",
        percent(&losses.one_calls)
    );
    println!(
        "  a third thread wakes as often: {} lost",
        percent(&losses.third_wakes)
    );
    println!(
        "  it calls status() each time: {} lost",
        percent(&losses.third_calls)
    );
    println!(
        "  what its call adds to its waking: {}, {promised}",
        percent(&losses.call_alone)
    );
    for loss in [losses.one_calls, losses.call_alone] {
        if uncertainty(loss.clone()) >= PROMISED_LOSS {
            println!("  this machine is too busy with other work to tell");
            kept = false;
        }
        kept &= median(loss) < PROMISED_LOSS;
    }
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
