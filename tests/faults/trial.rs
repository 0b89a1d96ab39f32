//! One fault, one pool: the load, the strike, the mending, and the assessment.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::load::{Load, Outcome, StopAtEnd};
use crate::subject::{Session, Subject, bare_r2d2, queuepool};
use crate::table::{Recovery, Row, record};
use queuepool::Settings;
use support::scripted::{millis, secs};

/// The limit for the first successful checkout after the server accepts connections again.
const RECOVERY: Duration = Duration::from_millis(250);

/// The limit until all callers are served again, however long they are to sleep between attempts: with the default settings
/// those pauses reach 4 s.
const ALL_BACK: Duration = Duration::from_millis(1_500);

/// Longer than the 500 ms within which a connection is not tested again.
const UNPROVEN: Duration = Duration::from_millis(600);

/// The limit for r2d2, whose recovery is not asserted.
const LIMIT: Duration = Duration::from_secs(15);

/// What the load is doing when the fault strikes.
#[derive(Clone, Copy, PartialEq)]
pub enum Begin {
    /// All workers have committed some rows.
    Loaded,
    /// Nothing: the pool is built and the load begins while the fault lasts.
    Cold,
    /// Nothing: the pool's connections are idle, and the load begins while the fault lasts.
    Idle,
}

/// A fault, for pools on one server.
pub struct Trial<'a, B> {
    /// Its name in the table.
    pub fault: &'static str,
    pub begin: Begin,
    pub workers: usize,
    /// The SQL that runs within each transaction of the load.
    pub sql: String,
    /// Where the pool connects.
    pub url: String,
    pub strike: &'a mut dyn FnMut(&mut B),
    /// How long the load runs while the fault lasts.
    pub lasts: Duration,
    /// Whether callers may see errors. If not, there is no outage to recover from.
    pub is_noticed: bool,
    /// Mends the fault. Returns the moment from which the server accepts connections again.
    pub mend: &'a mut dyn FnMut(&mut B) -> Instant,
}

/// What the trial has shown beyond the row in the table.
struct Report {
    row: Row,
    outcome: Outcome,
    /// Checkouts of the new caller that failed before the first success.
    refusals: Vec<String>,
    /// Whether as many connects hung as the pool may open when the fault ended.
    hung_to_capacity: bool,
    is_noticed: bool,
    /// Connections that the pool has found to be lost. With luck these are all of them, and no caller has noticed anything.
    found_lost: u64,
    lasted: Duration,
    /// When the last worker was served again, measured like the recovery.
    all_back: Option<Duration>,
}

pub fn settings() -> Settings {
    Settings::default()
        .pool_size(3)
        .max_overflow(1)
        .connect_timeout(secs(1))
        .health_check_timeout(millis(500))
}

impl<B: Backend> Trial<'_, B> {
    /// Runs the trial on queuepool and asserts everything.
    pub fn queuepool(&mut self, server: &mut B) {
        let settings = settings();
        let manager = B::manager(&self.url, settings.connect_timeout);
        let report = self.run(server, || {
            queuepool(manager, B::Driver::default(), settings)
        });
        record(&report.row);
        report.assert_well();
    }

    /// Runs the trial on r2d2 and asserts nothing.
    pub fn r2d2(&mut self, server: &mut B) {
        let settings = settings();
        let manager = B::manager(&self.url, settings.connect_timeout);
        record(&self.run(server, || bare_r2d2(manager, &settings)).row);
    }

    fn run<S: Subject>(&mut self, server: &mut B, open: impl FnOnce() -> S) -> Report {
        let mut owner = B::bare(&server.url()).unwrap();
        owner.run("DROP TABLE IF EXISTS ledger").unwrap();
        owner.run("CREATE TABLE ledger (number bigint)").unwrap();
        drop(owner);
        if self.begin == Begin::Cold {
            (self.strike)(server);
        }
        let subject = open();
        let load = Load::new(self.workers, self.sql.clone(), secs(10));
        let (mended, all_back) = std::thread::scope(|scope| {
            let _stop = StopAtEnd(&load);
            let begin = || {
                for worker in 0..load.workers() {
                    let (load, subject) = (&load, &subject);
                    scope.spawn(move || load.work(worker, subject));
                }
            };
            match self.begin {
                Begin::Loaded => {
                    begin();
                    assert!(load.is_under_way(3, LIMIT), "the load does not start");
                    (self.strike)(server);
                }
                Begin::Idle => {
                    assert_eq!(subject.at_once(LIMIT), subject.capacity());
                    std::thread::sleep(UNPROVEN);
                    (self.strike)(server);
                    begin();
                }
                Begin::Cold => begin(),
            }
            std::thread::sleep(self.lasts);
            let hung_to_capacity = subject.hung() >= u64::from(subject.capacity());
            let accepts = (self.mend)(server);
            let mended = Mended {
                hung_to_capacity,
                ..a_new_caller(&subject, accepts)
            };
            let all_back = match mended.recovery {
                Recovery::NotWithin(_) => None,
                _ => load.all_back(accepts, LIMIT),
            };
            (mended, all_back)
        });
        let outcome = load.outcome(&server.ledger());
        let places = subject.capacity() - subject.at_once(secs(5));
        subject.check();
        let found_lost = subject.found_lost();
        subject.close();
        let leaked = leaked(server);
        eprintln!(
            "{}: {}: {outcome:?}, all back {all_back:?}",
            self.fault,
            S::POOL
        );
        Report {
            row: Row {
                fault: self.fault,
                server: B::NAME,
                pool: S::POOL,
                load: self.describe_load(),
                callers_saw: outcome.to_string(),
                recovery: match mended.recovery {
                    Recovery::After(_) if !self.is_noticed && outcome.unwished() == 0 => {
                        Recovery::NoOutage
                    }
                    recovery => recovery,
                },
                lost: outcome.lost + u64::from(places),
                doubled: outcome.doubled,
                leaked,
            },
            outcome,
            is_noticed: self.is_noticed,
            found_lost,
            lasted: self.lasts,
            refusals: mended.refusals,
            hung_to_capacity: mended.hung_to_capacity,
            all_back,
        }
    }

    fn describe_load(&self) -> String {
        let begin = match self.begin {
            Begin::Loaded => "",
            Begin::Cold => " from a cold start",
            Begin::Idle => " from idle",
        };
        format!("{} threads{begin}", self.workers)
    }
}

/// What a caller experienced who came when the server accepted connections again.
struct Mended {
    recovery: Recovery,
    refusals: Vec<String>,
    hung_to_capacity: bool,
}

fn a_new_caller(subject: &impl Subject, accepts: Instant) -> Mended {
    let mut refusals = Vec::new();
    let recovery = loop {
        let waited = accepts.elapsed();
        if waited > LIMIT {
            break Recovery::NotWithin(LIMIT);
        }
        match subject.get(LIMIT - waited) {
            // A connection that was returned within the freshness window is not tested. How long the statement takes is up
            // to the server.
            Ok(mut session) => {
                let checked_out = accepts.elapsed();
                if session.run("SELECT 1").is_ok() {
                    break Recovery::After(checked_out);
                }
            }
            Err(error) => refusals.push(error),
        }
    };
    Mended {
        recovery,
        refusals,
        hung_to_capacity: false,
    }
}

/// The number of our sessions that the server does not get rid of. They are ended afterwards.
fn leaked<B: Backend>(server: &B) -> u64 {
    let deadline = Instant::now() + secs(5);
    loop {
        let sessions = server.sessions().len() as u64;
        if sessions == 0 || Instant::now() > deadline {
            server.end_sessions();
            return sessions;
        }
        std::thread::sleep(millis(10));
    }
}

impl Report {
    fn assert_well(&self) {
        let Row {
            fault,
            recovery,
            lost,
            doubled,
            leaked,
            ..
        } = &self.row;
        let figures = (*lost, *doubled, *leaked);
        assert_eq!(
            figures,
            (0, 0, 0),
            "{fault}: lost, doubled, leaked: {:?}",
            self.outcome
        );
        let outcome = &self.outcome;
        match recovery {
            Recovery::NoOutage => {}
            Recovery::After(time) if self.is_noticed => {
                assert!(*time <= RECOVERY, "{fault}: {time:?}");
                let waited = !self.lasted.is_zero() && outcome.longest_wait >= self.lasted / 2;
                let felt = outcome.unwished() > 0 || waited || self.found_lost > 0;
                assert!(felt, "{fault}: nobody has noticed it: {outcome:?}");
            }
            _ => panic!("{fault}: {recovery:?}: {outcome:?}"),
        }
        assert!(
            self.refusals.is_empty() || self.hung_to_capacity,
            "{fault}: {:?}",
            self.refusals
        );
        assert!(
            self.all_back.is_some_and(|time| time <= ALL_BACK),
            "{fault}: all workers are served again after {:?}",
            self.all_back
        );
    }
}
