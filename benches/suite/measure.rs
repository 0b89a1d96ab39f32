//! Windows of time in which threads get and drop, and rounds in which those compared take turns.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the threads do in one window.
#[derive(Clone, Copy)]
pub struct Load {
    pub threads: u32,
    pub connections: u32,
    /// A connection that is held for longer than nothing is held asleep, as one is that waits for its server.
    pub held: Duration,
    pub window: Duration,
    /// Whether each wait is timed, which costs two looks at the clock.
    pub timed: bool,
}

/// What one window showed, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// The time of the window, divided by the gets of all threads.
    pub cost: f64,
    pub p50: f64,
    pub p99: f64,
    pub longest: f64,
}

/// A pool in this process.
pub trait Subject: Sync {
    type Guard;
    fn get(&self) -> Self::Guard;
}

/// A pool in this process or in another.
pub trait Entrant {
    fn window(&mut self, load: &Load) -> Sample;
}

impl<S: Subject> Entrant for S {
    fn window(&mut self, load: &Load) -> Sample {
        let subject: &S = self;
        window(load, &|start, stop| work(subject, load, start, stop))
    }
}

/// Threads without a pool and without a lock, which do nothing but look at the clock. The longest time between two looks of one of
/// them is how long the scheduler lets a thread that could go on stand still, with as many threads on these processors.
pub struct NoPool;

impl Entrant for NoPool {
    fn window(&mut self, load: &Load) -> Sample {
        window(load, &spin)
    }
}

/// A window of threads that do this.
fn window(load: &Load, work: &(dyn Fn(&Barrier, &AtomicBool) -> End + Sync)) -> Sample {
    let start = Barrier::new(load.threads as usize + 1);
    let stop = AtomicBool::new(false);
    let ends: Vec<End> = thread::scope(|scope| {
        let workers: Vec<_> = (0..load.threads)
            .map(|_| scope.spawn(|| work(&start, &stop)))
            .collect();
        start.wait();
        thread::sleep(load.window);
        stop.store(true, Ordering::Relaxed);
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.map(|end| end.expect("a worker")).collect()
    });
    // By the workers' own clocks: this thread may be woken late.
    let began = ends.iter().map(|end| end.began).min();
    let ended = ends.iter().map(|end| end.ended).max();
    let elapsed = ended.expect("a thread") - began.expect("a thread");
    let pairs: u64 = ends.iter().map(|end| end.pairs).sum();
    let mut waits = Waits::default();
    for end in &ends {
        waits.add_all(&end.waits);
    }
    Sample {
        cost: elapsed.as_secs_f64() * 1e9 / pairs.max(1) as f64,
        p50: waits.quantile(0.5),
        p99: waits.quantile(0.99),
        longest: waits.longest as f64,
    }
}

struct End {
    began: Instant,
    ended: Instant,
    pairs: u64,
    waits: Waits,
}

fn work<S: Subject>(subject: &S, load: &Load, start: &Barrier, stop: &AtomicBool) -> End {
    let mut waits = Waits::default();
    let mut pairs = 0;
    start.wait();
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if load.timed {
            let asked = Instant::now();
            let guard = subject.get();
            waits.add(asked.elapsed());
            if !load.held.is_zero() {
                thread::sleep(load.held);
            }
            drop(black_box(guard));
        } else {
            drop(black_box(subject.get()));
        }
        pairs += 1;
    }
    End {
        began,
        ended: Instant::now(),
        pairs,
        waits,
    }
}

/// Each turn of the loop is a pair that costs nothing, and the time between two looks at the clock a wait.
fn spin(start: &Barrier, stop: &AtomicBool) -> End {
    let mut waits = Waits::default();
    let mut pairs = 0;
    start.wait();
    let began = Instant::now();
    let mut last = began;
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        waits.add(now - last);
        last = now;
        pairs += 1;
    }
    End {
        began,
        ended: last,
        pairs,
        waits,
    }
}

/// Waits in buckets that are 3 % wide, so that millions of them take no more memory than a few.
struct Waits {
    counts: Vec<u64>,
    longest: u64,
}

/// Each power of two is divided into so many buckets.
const BUCKETS: u64 = 32;

impl Default for Waits {
    fn default() -> Self {
        Waits {
            counts: vec![0; bucket(u64::MAX) + 1],
            longest: 0,
        }
    }
}

impl Waits {
    fn add(&mut self, wait: Duration) {
        let nanoseconds = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)] += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    fn add_all(&mut self, other: &Waits) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    fn quantile(&self, quantile: f64) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return lower_bound(bucket as u64) as f64;
            }
        }
        0.0
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let value = nanoseconds.max(BUCKETS);
    let octave = value.ilog2() - BUCKETS.ilog2();
    (u64::from(octave) * BUCKETS + (value >> octave) - BUCKETS) as usize
}

fn lower_bound(bucket: u64) -> u64 {
    (BUCKETS + bucket % BUCKETS) << (bucket / BUCKETS)
}

/// Those that take turns, by name. queuepool is the first.
pub type Entrants<'a> = Vec<(&'static str, Box<dyn Entrant + 'a>)>;
/// What each showed, by round.
pub type Series<T> = Vec<(&'static str, Vec<T>)>;

/// Lets those compared take turns: one window of each, then again.
pub fn take_turns(entrants: &mut Entrants, load: &Load, rounds: usize) -> Series<Sample> {
    turns(entrants, rounds, |entrant| entrant.window(load))
}

/// There and back, so that neither slow changes nor what somebody leaves behind for the next one favours anybody.
fn turns<E, T>(
    entrants: &mut [(&'static str, E)],
    rounds: usize,
    mut measure: impl FnMut(&mut E) -> T,
) -> Series<T> {
    // What a process does only once, such as compiling, is in none of the rounds.
    for (_, entrant) in entrants.iter_mut() {
        measure(entrant);
    }
    let mut series: Series<T> = entrants
        .iter()
        .map(|(name, _)| (*name, Vec::new()))
        .collect();
    for round in 0..rounds {
        let count = entrants.len();
        for at in 0..count {
            let at = if round % 2 == 0 { at } else { count - 1 - at };
            series[at].1.push(measure(&mut entrants[at].1));
        }
    }
    series
}

/// Nanoseconds for one operation, of as many as fit into the window.
pub fn cost(window: Duration, operation: &mut dyn FnMut()) -> f64 {
    let began = Instant::now();
    let mut operations = 0_u32;
    while began.elapsed() < window {
        // A look at the clock for each would be a tenth of the shortest operations.
        for _ in 0..8 {
            operation();
        }
        operations += 8;
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
}

/// What one thread does again and again, by name.
pub type Operations<'a> = Vec<(&'static str, Box<dyn FnMut() + 'a>)>;

/// Lets operations of one thread take turns. Returns the nanoseconds of each, by round.
pub fn operations_take_turns(
    operations: &mut Operations,
    window: Duration,
    rounds: usize,
) -> Series<f64> {
    turns(operations, rounds, |operation| cost(window, operation))
}

/// The time of one operation as a whole, in nanoseconds.
pub fn time(operation: impl FnOnce()) -> f64 {
    let began = Instant::now();
    operation();
    began.elapsed().as_secs_f64() * 1e9
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}
