//! The load: threads that commit numbered rows, and a record of what became of each row.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::subject::{End, Round, Subject};
use support::scripted::millis;

/// A caller that was refused at once does not ask again immediately.
const AFTER_AN_ERROR: Duration = Duration::from_millis(10);

pub struct Load {
    /// The SQL that runs within each transaction.
    sql: String,
    /// How long a caller waits for a connection.
    timeout: Duration,
    stop: AtomicBool,
    next_number: AtomicU64,
    commits: Vec<Mutex<Commits>>,
    rounds: Mutex<Vec<Round>>,
}

/// The commits of one worker.
#[derive(Clone, Copy, Default)]
struct Commits {
    count: u64,
    last: Option<Instant>,
}

/// Stops the load even if the test fails, so that its threads can be joined.
pub struct StopAtEnd<'a>(pub &'a Load);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, SeqCst);
    }
}

impl Load {
    pub fn new(workers: usize, sql: String, timeout: Duration) -> Load {
        Load {
            sql,
            timeout,
            stop: AtomicBool::new(false),
            next_number: AtomicU64::new(1),
            commits: (0..workers).map(|_| Mutex::default()).collect(),
            rounds: Mutex::default(),
        }
    }

    pub fn workers(&self) -> usize {
        self.commits.len()
    }

    /// What one of the threads does, until [`StopAtEnd`] is dropped.
    pub fn work(&self, worker: usize, subject: &impl Subject) {
        while !self.stop.load(SeqCst) {
            let number = self.next_number.fetch_add(1, SeqCst);
            let round = subject.insert(number, &self.sql, self.timeout);
            let committed = matches!(round.end, End::Committed);
            self.rounds.lock().push(round);
            if committed {
                let mut commits = self.commits[worker].lock();
                commits.count += 1;
                commits.last = Some(Instant::now());
            } else {
                std::thread::sleep(AFTER_AN_ERROR);
            }
        }
    }

    /// Waits until every worker has committed that many rows. Returns whether they did within `limit`.
    pub fn is_under_way(&self, rows: u64, limit: Duration) -> bool {
        self.all_within(limit, |commits| commits.count >= rows)
    }

    /// Waits until every worker has committed a row after `moment`. Returns how long after it the last one did.
    pub fn all_back(&self, moment: Instant, limit: Duration) -> Option<Duration> {
        self.all_within(limit, |commits| {
            commits.last.is_some_and(|last| last >= moment)
        })
        .then(|| moment.elapsed())
    }

    fn all_within(&self, limit: Duration, is_well: impl Fn(Commits) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !self.commits.iter().all(|commits| is_well(*commits.lock())) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(millis(1));
        }
        true
    }

    /// Compares what the workers were told with the rows that are there.
    pub fn outcome(self, there: &[u64]) -> Outcome {
        let mut times_there: HashMap<u64, u64> = HashMap::new();
        for number in there {
            *times_there.entry(*number).or_default() += 1;
        }
        let mut outcome = Outcome::default();
        for round in self.rounds.into_inner() {
            let times = times_there.remove(&round.number).unwrap_or_default();
            outcome.longest_wait = outcome.longest_wait.max(round.waited);
            let most = match round.end {
                End::Committed => {
                    outcome.committed += 1;
                    outcome.lost += u64::from(times == 0);
                    1
                }
                End::InDoubt(error) => {
                    outcome.in_doubt += 1;
                    outcome.in_doubt_there += times;
                    outcome.errors.push(error);
                    1
                }
                End::RolledBack(error) => {
                    outcome.failed += 1;
                    outcome.errors.push(error);
                    0
                }
                End::Refused(error) => {
                    *outcome.refused.entry(error).or_default() += 1;
                    0
                }
            };
            outcome.doubled += times.saturating_sub(most);
        }
        // Rows with numbers that nobody has used.
        outcome.doubled += times_there.values().sum::<u64>();
        outcome.errors.sort();
        outcome.errors.dedup();
        outcome
    }
}

/// What became of all rounds.
#[derive(Debug, Default)]
pub struct Outcome {
    pub committed: u64,
    /// Statements that failed before the commit.
    pub failed: u64,
    pub in_doubt: u64,
    in_doubt_there: u64,
    /// Checkouts that failed, by the kind of their error.
    pub refused: BTreeMap<String, u64>,
    pub longest_wait: Duration,
    /// Acknowledged but missing.
    pub lost: u64,
    /// There more often than acknowledged, or there although rolled back.
    pub doubled: u64,
    /// What the drivers said, each message once.
    errors: Vec<String>,
}

impl Outcome {
    /// Rounds that did not end as their callers wanted.
    pub fn unwished(&self) -> u64 {
        self.failed + self.in_doubt + self.refused.values().sum::<u64>()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} committed", self.committed)?;
        if self.failed > 0 {
            write!(f, ", {} statements failed", self.failed)?;
        }
        if self.in_doubt > 0 {
            let (all, there) = (self.in_doubt, self.in_doubt_there);
            write!(f, ", {all} commits in doubt ({there} there)")?;
        }
        for (kind, times) in &self.refused {
            write!(f, ", {times} checkouts refused ({kind})")?;
        }
        write!(f, "; longest wait {:.2} s", self.longest_wait.as_secs_f64())
    }
}
