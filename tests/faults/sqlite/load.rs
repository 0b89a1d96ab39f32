//! Workers that write numbered rows into an SQLite file while a fault happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::seen::Seen;
use super::subjects::{CAPACITY, Subject, Told};
use support::scripted::{millis, secs};

pub const WORKERS: u64 = 4;

/// How long to wait for the recovery after a fault.
pub const RECOVERY_LIMIT: Duration = Duration::from_secs(10);

/// The load on one subject.
pub struct Load<'a, S> {
    pub subject: &'a S,
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    in_doubt: Mutex<BTreeSet<i64>>,
    told: Mutex<BTreeMap<String, u64>>,
    successes: AtomicU64,
    rounds: AtomicU64,
    /// One bit for each worker that has seen a failure.
    failed: AtomicU64,
    over: AtomicBool,
    /// Locked for reading by a worker for as long as its transaction lasts.
    transactions: RwLock<()>,
}

impl<S: Subject> Load<'_, S> {
    fn insert(&self) -> Result<(), Told> {
        let number = self.next.fetch_add(1, SeqCst);
        let insert = format!("INSERT INTO row VALUES ({number})");
        let result = self.subject.run(&["BEGIN IMMEDIATE", &insert, "COMMIT"]);
        match &result {
            Ok(()) => drop(self.acknowledged.lock().insert(number)),
            Err(told) if told.in_doubt => drop(self.in_doubt.lock().insert(number)),
            Err(_) => {}
        }
        let words = match &result {
            Ok(()) => "ok".to_owned(),
            Err(told) => told.words.clone(),
        };
        self.note(words);
        result
    }

    pub fn note(&self, words: String) {
        *self.told.lock().entry(words).or_default() += 1;
    }

    fn work(&self, worker: u64) {
        while !self.over.load(SeqCst) {
            let transaction = self.transactions.read();
            let result = self.insert();
            self.rounds.fetch_add(1, SeqCst);
            match result {
                Ok(()) => self.successes.fetch_add(1, SeqCst),
                Err(_) => self.failed.fetch_or(1 << worker, SeqCst),
            };
            drop(transaction);
            // SQLite does not queue its writers: without a pause, one thread might write all the time.
            std::thread::sleep(millis(1));
        }
    }

    /// Waits until this many more rows are acknowledged.
    pub fn goes_on(&self, rows: u64) {
        let before = self.successes.load(SeqCst);
        self.wait("more rows are acknowledged", || {
            self.successes.load(SeqCst) >= before + rows
        });
    }

    /// Waits until this many more rounds have ended, whether well or not.
    pub fn rounds(&self, rounds: u64) {
        let before = self.rounds.load(SeqCst);
        self.wait("more rounds have ended", || {
            self.rounds.load(SeqCst) >= before + rounds
        });
    }

    /// Waits until every worker has seen a failure.
    pub fn is_felt(&self) {
        self.failed.store(0, SeqCst);
        self.wait("every worker has seen a failure", || {
            self.failed.load(SeqCst).count_ones() as u64 == WORKERS
        });
    }

    /// Does something while no transaction is under way; connections may be idle.
    pub fn between_transactions(&self, act: impl FnOnce()) {
        let _nobody = self.transactions.write();
        act();
    }

    /// The rows written so far have gone with their file and are not looked for.
    pub fn forget_rows(&self) {
        self.acknowledged.lock().clear();
        self.in_doubt.lock().clear();
    }

    fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(
                start.elapsed() < secs(20),
                "never: {what}: {:?}",
                self.told.lock()
            );
            std::thread::sleep(millis(1));
        }
    }
}

/// Puts a subject under load through a fault and examines what is left. `fault` returns when everything is well again, and
/// from then the recovery is timed.
pub fn through<S: Subject>(subject: S, path: &Path, fault: impl FnOnce(&Load<'_, S>)) -> Seen {
    let load = Load {
        subject: &subject,
        next: AtomicI64::new(1),
        acknowledged: Mutex::default(),
        in_doubt: Mutex::default(),
        told: Mutex::default(),
        successes: AtomicU64::new(0),
        rounds: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        over: AtomicBool::new(false),
        transactions: RwLock::new(()),
    };
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let recovery = std::thread::scope(|scope| {
        let _also_after_a_panic = Over(&load.over);
        for worker in 0..WORKERS {
            let load = &load;
            scope.spawn(move || load.work(worker));
        }
        load.goes_on(20);
        fault(&load);
        let mended = Instant::now();
        let mut recovery = None;
        while recovery.is_none() && mended.elapsed() < RECOVERY_LIMIT {
            recovery = subject
                .run(&["SELECT count(*) FROM row"])
                .ok()
                .map(|()| mended.elapsed());
        }
        if recovery.is_some() {
            load.goes_on(20);
        }
        recovery
    });
    let (acknowledged, told) = (load.acknowledged.into_inner(), load.told.into_inner());
    let capacity = subject.capacity();
    let there = numbers(path);
    let missing = acknowledged
        .iter()
        .filter(|number| !there.contains_key(number));
    let missing = missing.count() as u64;
    let _closed = subject.close();
    Seen {
        told,
        recovery,
        lost: missing + u64::from(CAPACITY) - capacity,
        doubled: there.values().filter(|times| **times > 1).count() as u64,
        leaked: open_files_in(path.parent().unwrap()),
    }
}

/// How many times each number is in the table.
fn numbers(path: &Path) -> BTreeMap<i64, u64> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut numbers = BTreeMap::new();
    let mut statement = connection.prepare("SELECT number FROM row").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    for number in rows {
        *numbers.entry(number.unwrap()).or_default() += 1;
    }
    numbers
}

fn open_files_in(folder: &Path) -> u64 {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count() as u64
}
