//! Threads that insert numbered rows, each in a transaction of one statement, and a record of what became of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::subject::{Failed, Subject};
use support::scripted::{millis, secs};

/// How long a caller waits for a connection: the default of both pools.
const PATIENCE: Duration = Duration::from_secs(30);

/// A caller whose statement failed does not try again at once.
const AFTER_AN_ERROR: Duration = Duration::from_millis(10);

/// What became of one row.
pub struct Round {
    pub number: i64,
    pub begun: Instant,
    pub ended: Instant,
    pub result: Result<(), Failed>,
}

/// A load that runs until it is stopped, or dropped by a test that fails.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    subject: Subject,
    over: AtomicBool,
    next: AtomicU64,
    /// Of each thread, in their order.
    rounds: Vec<Mutex<Vec<Round>>>,
}

impl Load {
    pub fn start(subject: Subject, threads: usize) -> Load {
        let shared = Arc::new(Shared {
            subject,
            over: AtomicBool::new(false),
            next: AtomicU64::new(1),
            rounds: (0..threads).map(|_| Mutex::default()).collect(),
        });
        let work = |thread| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.work(thread))
        };
        let threads = (0..threads).map(work).collect();
        Load { shared, threads }
    }

    /// Waits until each thread has written five rows.
    pub fn is_under_way(&self) {
        let under_way = self.each_within(secs(30), |rounds| {
            rounds.iter().filter(|round| round.result.is_ok()).count() >= 5
        });
        assert!(under_way, "the load does not start: {}", self.last_error());
    }

    /// Waits until each thread has failed to write since `moment`, but no longer than `limit`: a pool may make them wait. Returns
    /// what the pool recommends then.
    pub fn each_fails(&self, moment: Instant, limit: Duration) -> Vec<String> {
        self.each_within(limit, |rounds| {
            let mut since = newest(rounds).take_while(|round| round.begun >= moment);
            since.any(|round| round.result.is_err())
        });
        self.shared.subject.advice()
    }

    /// Waits until each thread has written without an error for a second, all of it after `moment`, but no longer than `limit`.
    pub fn settles(&self, moment: Instant, limit: Duration) -> bool {
        self.each_within(limit, |rounds| {
            let quiet = Instant::now() - secs(1);
            let mut since = newest(rounds)
                .take_while(|round| round.ended >= quiet)
                .peekable();
            quiet >= moment && since.peek().is_some() && since.all(|round| round.result.is_ok())
        })
    }

    fn each_within(&self, limit: Duration, is_so: impl Fn(&[Round]) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !self
            .shared
            .rounds
            .iter()
            .all(|rounds| is_so(&rounds.lock()))
        {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(millis(10));
        }
        true
    }

    fn last_error(&self) -> String {
        let rounds = self.shared.rounds[0].lock();
        let last = newest(&rounds).find_map(|round| round.result.as_ref().err());
        format!("{last:?}")
    }

    /// Ends the load after the rows that are under way. Returns what each thread has done.
    pub fn stop(mut self) -> Vec<Vec<Round>> {
        self.shared.over.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().expect("a worker does not panic");
        }
        let take = |rounds: &Mutex<Vec<Round>>| std::mem::take(&mut *rounds.lock());
        self.shared.rounds.iter().map(take).collect()
    }
}

fn newest(rounds: &[Round]) -> impl Iterator<Item = &Round> {
    rounds.iter().rev()
}

impl Drop for Load {
    fn drop(&mut self) {
        // The threads end by themselves, at the latest when their patience does.
        self.shared.over.store(true, SeqCst);
    }
}

impl Shared {
    fn work(&self, thread: usize) {
        while !self.over.load(SeqCst) {
            let number = self.next.fetch_add(1, SeqCst) as i64;
            let begun = Instant::now();
            let sql = format!("INSERT INTO ledger VALUES ({number})");
            let result = self.subject.write(&sql, PATIENCE);
            let failed = result.is_err();
            self.rounds[thread].lock().push(Round {
                number,
                begun,
                ended: Instant::now(),
                result,
            });
            if failed {
                std::thread::sleep(AFTER_AN_ERROR);
            }
        }
    }
}
