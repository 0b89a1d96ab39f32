//! One of the processes: thirty threads that write rows through one pool, and what they see of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{Database, Settings};
use r2d2_postgres::PostgresConnectionManager;

/// As many as the pool may have connections.
const THREADS: usize = 30;

/// A row keeps its connection for 50 ms, so that the threads of one instance could use all 30.
const ROW: &str = "INSERT INTO ledger SELECT 1 FROM pg_sleep(0.05)";

/// How often the instance looks at its pool.
const TICK: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

/// What an instance tells the program that has started it, in a line for each.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: u64,
    pub errors: u64,
    /// The longest time between two rows of the instance, its start and its end included.
    pub longest_ms: u64,
    /// The connects that the server refused in the worst second.
    pub refused: u64,
    /// The recommendations that were seen; of those that differ in numbers alone, the last one.
    pub advice: Vec<String>,
}

impl Report {
    fn print(&self) {
        let Report {
            rows,
            errors,
            longest_ms,
            refused,
            advice,
        } = self;
        println!("{rows}\n{errors}\n{longest_ms}\n{refused}");
        advice.iter().for_each(|advice| println!("{advice}"));
    }

    pub fn read(text: &str) -> Report {
        let mut lines = text.lines();
        let mut number = || {
            lines
                .next()
                .and_then(|line| line.parse().ok())
                .expect("a number")
        };
        let (rows, errors, longest_ms, refused) = (number(), number(), number(), number());
        Report {
            rows,
            errors,
            longest_ms,
            refused,
            advice: lines.map(str::to_owned).collect(),
        }
    }

    pub fn is_told_to_grow(&self) -> bool {
        self.advice.iter().any(|advice| advice.contains("Raise "))
    }

    pub fn is_told_of_others(&self) -> bool {
        self.advice
            .iter()
            .any(|advice| advice.contains("Other clients hold"))
    }
}

/// The pool of this process.
struct Instance {
    write: Box<dyn Fn() -> bool + Send + Sync>,
    /// How many connects have failed so far.
    refused: Box<dyn Fn() -> u64>,
    advice: Box<dyn Fn() -> Vec<String>>,
}

/// Counts the connects of r2d2 that fail.
#[derive(Clone, Debug, Default)]
struct Count(Arc<AtomicU64>);

impl<E> r2d2::HandleError<E> for Count {
    fn handle_error(&self, _: E) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// When the last row was written, and the longest time between two.
struct Gaps {
    last: Instant,
    longest: Duration,
}

impl Gaps {
    fn ends_here(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }
}

pub fn run(pool: &str, url: &str, lasts: Duration) {
    let instance = match pool {
        "r2d2" => bare_r2d2(url),
        _ => queuepool(url),
    };
    let begun = Instant::now();
    let gaps = Mutex::new(Gaps {
        last: begun,
        longest: Duration::ZERO,
    });
    let (rows, errors, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let write = &instance.write;
    let work = || {
        while !over.load(SeqCst) {
            if write() {
                rows.fetch_add(1, SeqCst);
                gaps.lock().ends_here();
            } else {
                errors.fetch_add(1, SeqCst);
            }
        }
    };
    let mut report = Report::default();
    thread::scope(|scope| {
        (0..THREADS).for_each(|_| drop(scope.spawn(work)));
        report = watch(&instance, begun + lasts);
        gaps.lock().ends_here();
        over.store(true, SeqCst);
        report.rows = rows.load(SeqCst);
        report.errors = errors.load(SeqCst);
        report.longest_ms = gaps.lock().longest.as_millis() as u64;
        report.print();
        // Threads of a starved instance may wait for half a minute more.
        std::process::exit(0);
    });
}

/// Looks at the pool until `end`.
fn watch(instance: &Instance, end: Instant) -> Report {
    let mut report = Report::default();
    let mut advice = BTreeMap::new();
    // The counts of the last second.
    let mut counts = VecDeque::new();
    while Instant::now() < end {
        thread::sleep(TICK);
        let before = Instant::now();
        let count = (instance.refused)();
        counts.push_back((before, count));
        let after = Instant::now();
        while counts.front().is_some_and(|(at, _)| after - *at > SECOND) {
            counts.pop_front();
        }
        report.refused = report.refused.max(count - counts[0].1);
        let without_numbers = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        advice.extend(
            (instance.advice)()
                .into_iter()
                .map(|text| (without_numbers(&text), text)),
        );
    }
    report.advice = advice.into_values().collect();
    report
}

fn queuepool(url: &str) -> Instance {
    let database = Database::open(url).expect("a URL");
    let (writer, counter) = (database.clone(), database.clone());
    Instance {
        write: Box::new(move || {
            writer
                .get()
                .and_then(|mut connection| connection.execute(ROW))
                .is_ok()
        }),
        refused: Box::new(move || counter.status().connection_errors),
        advice: Box::new(move || database.status().recommendations),
    }
}

fn bare_r2d2(url: &str) -> Instance {
    let count = Count::default();
    let config = url.parse().expect("a URL");
    let manager = PostgresConnectionManager::new(config, ::postgres::NoTls);
    let settings = Settings::default();
    let pool = r2d2::Pool::builder()
        .max_size(settings.pool_size + settings.max_overflow)
        .error_handler(Box::new(count.clone()))
        .build_unchecked(manager);
    Instance {
        write: Box::new(move || {
            pool.get()
                .is_ok_and(|mut connection| connection.batch_execute(ROW).is_ok())
        }),
        refused: Box::new(move || count.0.load(SeqCst)),
        advice: Box::new(Vec::new),
    }
}
