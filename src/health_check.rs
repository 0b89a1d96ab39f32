//! Whether the database answers, asked without standing in anybody's way.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::clock::later;
use crate::counters::LastCheck;
use crate::driver::{ErrorClass, Manager};
use crate::error::{Error, ErrorKind};
use crate::hooks::CloseReason;
use crate::opener::words;
use crate::places::Lease;
use crate::pool::{Inner, Pool};
use crate::queue::Queue;
use crate::sync::{Condvar, Instant, Mutex};

/// What a health check found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// Whether the database can be reached: as just found, or, where the check was skipped, as last known.
    pub reachable: bool,
    /// Not made, because the pool is exhausted: no connection is idle, and there is no room to open another.
    pub skipped: bool,
    /// When the check ended on which this rests: just now, or, where it was skipped, the last one before. `None`: skipped, and
    /// none was made before.
    pub checked_at: Option<SystemTime>,
    /// How long that check took.
    pub took: Option<Duration>,
    /// Why the database cannot be reached.
    pub error: Option<String>,
}

impl<M: Manager> Pool<M> {
    /// Whether the database answers, without queueing behind users: pings an idle connection, else opens one where a place
    /// is free, else is skipped and tells what is last known. Takes at most the setting health_check_timeout, and counts as a
    /// health check, not as a checkout. While one check is under way, others wait for its result instead of making their own.
    ///
    /// [`Pool::ping`] asks in earnest: it waits for a connection where all are out.
    ///
    /// # Errors
    /// Closed; Unsupported inside a hook of the same pool, on an async runtime's own thread, or in a forked child. A database
    /// that cannot be reached is no error but the result.
    pub fn health_check(&self) -> Result<HealthCheck, Error> {
        self.inner().may_block_here("health_check")?;
        self.inner().health_check()
    }
}

/// One check at a time.
pub(crate) struct Checking {
    state: Mutex<CheckingState>,
    ended: Condvar,
}

#[derive(Default)]
struct CheckingState {
    under_way: bool,
    /// How many have ended.
    ended: u64,
    /// The newest result; `None` before the first, and after a panic.
    last: Option<Result<HealthCheck, Error>>,
}

impl Checking {
    pub(crate) fn new() -> Self {
        Checking {
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.state.lock().under_way
    }
}

/// How a connect ended; an error comes with whether it is transient.
type Reported = Result<(), (Error, bool)>;

/// Where a check gets its connection from.
enum Means<M: Manager> {
    Idle(Lease<M>),
    /// A connect has been started, or one of an earlier check still runs; its end is reported here.
    Connect(mpsc::Receiver<Reported>),
    Exhausted,
}

impl<M: Manager> Inner<M> {
    /// As [`Pool::health_check`], on a thread that may block.
    pub(crate) fn health_check(self: &Arc<Self>) -> Result<HealthCheck, Error> {
        let limit = self.settings.health_check_timeout;
        let end = later(Instant::now(), limit);
        let mut state = self.checking.state.lock();
        if state.under_way {
            let before = state.ended;
            while state.ended == before {
                if self.checking.ended.wait_until(&mut state, end).timed_out() {
                    break;
                }
            }
            let result = state.last.clone();
            drop(state);
            return result.unwrap_or_else(|| Ok(self.skipped()));
        }
        state.under_way = true;
        drop(state);
        let mut under_way = UnderWay {
            checking: &self.checking,
            result: None,
        };
        let result = self.check(limit);
        under_way.result = Some(result.clone());
        result
    }

    fn check(self: &Arc<Self>, limit: Duration) -> Result<HealthCheck, Error> {
        let started = Instant::now();
        let end = later(started, limit);
        let Some(outcome) = self.ask_database(end)? else {
            return Ok(self.skipped());
        };
        if self.queue.lock().closed {
            return Err(self.closed_error());
        }
        let check = LastCheck {
            at: SystemTime::now(),
            ended: Instant::now(),
            took: started.elapsed(),
            error: outcome.err(),
        };
        let result = HealthCheck {
            reachable: check.error.is_none(),
            skipped: false,
            checked_at: Some(check.at),
            took: Some(check.took),
            error: check.error.as_ref().map(ToString::to_string),
        };
        self.note_check(check);
        Ok(result)
    }

    /// `None`: there was nothing to ask with.
    fn ask_database(self: &Arc<Self>, end: Instant) -> Result<Option<Result<(), Error>>, Error> {
        let mut failures = 0;
        let mut last = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let means = self.means_to_check(&mut self.queue.lock())?;
            let ended = match means {
                Means::Idle(lease) => self.check_idle(lease, left),
                Means::Connect(report) => return Ok(Some(self.check_by_connect(&report, left))),
                Means::Exhausted => return Ok(last),
            };
            failures += 1;
            let enough = failures >= self.settings.max_validation_failures;
            if ended.is_ok() || enough || Instant::now() >= end {
                return Ok(Some(ended));
            }
            // A connection that failed its ping tells of itself first: the next one, or a new one, decides.
            last = Some(ended);
        }
    }

    fn check_by_connect(
        &self,
        report: &mpsc::Receiver<Reported>,
        left: Duration,
    ) -> Result<(), Error> {
        match report.recv_timeout(left) {
            Ok(Ok(())) => Ok(()),
            Ok(Err((error, _))) => Err(error),
            Err(_) => Err(Error::new(
                ErrorKind::Connect,
                format!(
                    "no connection could be opened within health_check_timeout {:?}",
                    self.settings.health_check_timeout
                ),
            )),
        }
    }

    pub(crate) fn note_check(&self, check: LastCheck) {
        let mut queue = self.queue.lock();
        queue.counters.health_check_failures += u64::from(check.error.is_some());
        queue.counters.last_health_check = Some(check);
    }

    fn means_to_check(self: &Arc<Self>, queue: &mut Queue<M>) -> Result<Means<M>, Error> {
        if queue.closed {
            return Err(self.closed_error());
        }
        if let Some(lease) = queue.take_coldest() {
            return Ok(Means::Idle(lease));
        }
        let now = Instant::now();
        let (report, reported) = mpsc::channel();
        // The connect of an earlier check that has not ended yet tells as much as another would.
        if let Some(attempt) = queue
            .attempts
            .iter_mut()
            .find(|attempt| attempt.is_check && attempt.holds_place())
        {
            attempt.report = Some(report);
            return Ok(Means::Connect(reported));
        }
        if queue.hung >= self.capacity as usize {
            let _ = report.send(Err((queue.too_many_hang(now).error, false)));
            return Ok(Means::Connect(reported));
        }
        // Who waits has a connect under way or sleeps between two; a caller who comes may rely on this one.
        let place = if queue.may_start(now) {
            self.places.try_take()
        } else {
            None
        };
        let Some(place) = place else {
            return Ok(Means::Exhausted);
        };
        let attempt = queue.add_attempt(place, None, now);
        attempt.stock = true;
        attempt.is_check = true;
        attempt.report = Some(report);
        let id = attempt.id;
        self.start(queue, id);
        Ok(Means::Connect(reported))
    }

    /// Pings, and puts the connection back where it was among the idle.
    fn check_idle(self: &Arc<Self>, lease: Lease<M>, limit: Duration) -> Result<(), Error> {
        let generation = lease.live().generation;
        let end = later(Instant::now(), limit);
        let Some((lease, result)) = self.ping(lease, limit) else {
            let message = format!(
                "no answer within health_check_timeout {:?}",
                self.settings.health_check_timeout
            );
            return Err(Error::new(ErrorKind::Validation, message));
        };
        match result {
            Ok(Ok(())) => {
                let left = end.saturating_duration_since(Instant::now());
                let lease = self.ask_server_limit(lease, left);
                lease
                    .into_iter()
                    .for_each(|lease| self.put_back_idle(lease));
                Ok(())
            }
            Ok(Err(error)) => {
                let (class, words) = self.describe(&error);
                if class == ErrorClass::Lost {
                    self.replace_older(generation);
                    self.close_lease(lease, CloseReason::Lost);
                } else {
                    self.close_lease(lease, CloseReason::ValidationFailed);
                }
                Err(Error::new(ErrorKind::Validation, words).with_source(Arc::new(error)))
            }
            Err(panic) => {
                self.close_lease(lease, CloseReason::ValidationFailed);
                let message = format!("the driver panicked: {}", words(&*panic));
                Err(Error::new(ErrorKind::Validation, message))
            }
        }
    }

    /// The answer of a check that is not made: the last result, unless something later is known. A connect that failed since
    /// tells that the database cannot be reached; a connection that was opened or came back since, that it can.
    fn skipped(&self) -> HealthCheck {
        let queue = self.queue.lock();
        let last = queue.counters.last_health_check.as_ref();
        let failed_check = last.and_then(|check| Some((check.ended, check.error.clone()?)));
        let failed_connect = queue
            .counters
            .last_error
            .as_ref()
            .map(|last| (last.occurred, last.error.clone()));
        let failure = [failed_check, failed_connect]
            .into_iter()
            .flatten()
            .max_by_key(|(at, _)| *at)
            .filter(|(at, _)| queue.proven.is_none_or(|proven| proven < *at));
        HealthCheck {
            reachable: failure.is_none(),
            skipped: true,
            checked_at: last.map(|check| check.at),
            took: last.map(|check| check.took),
            error: failure.map(|(_, error)| error.to_string()),
        }
    }
}

/// Ends the check under way, also when it panics.
struct UnderWay<'a> {
    checking: &'a Checking,
    result: Option<Result<HealthCheck, Error>>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.checking.state.lock();
        state.under_way = false;
        state.ended += 1;
        state.last = self.result.take();
        self.checking.ended.notify_all();
    }
}
