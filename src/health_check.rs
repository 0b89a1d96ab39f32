//! Whether the database answers, asked without standing in anybody's way.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::base::clock::later;
use crate::base::sync::{Condvar, Instant, Mutex};
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::counters::LastCheck;
use crate::error::{Error, ErrorKind};
use crate::observe::checked::HealthCheck;
use crate::opener::Failure;
use crate::places::Lease;
use crate::pool::{Inner, Pool};
use crate::queue::Queue;
use crate::readiness::Pinged;

impl<M: Manager> Pool<M> {
    /// Whether the database answers, without queueing behind users: pings an idle connection, else opens one where a place
    /// is free and pings that, also when the idle one does not answer; else is skipped and tells what is last known. Takes at most
    /// the setting health_check_timeout, and counts as a health check, not as a checkout. While one check is under way,
    /// others wait for its result instead of making their own.
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

    /// An idle connection that answers within half of the time is enough. One that does not tells of itself only, of a firewall
    /// that has forgotten it for one: then a connect decides. `None`: there was nothing to ask with.
    fn ask_database(self: &Arc<Self>, end: Instant) -> Result<Option<Result<(), Error>>, Error> {
        let left = || end.saturating_duration_since(Instant::now());
        let idle = self.queue.lock().take_coldest();
        if let Some(lease) = idle
            && let Some(outcome) = self.check_idle(lease, left() / 2)
        {
            return Ok(Some(outcome));
        }
        let connect = self.connect_to_check(&mut self.queue.lock(), end)?;
        Ok(connect.map(|report| self.check_by_connect(&report, left())))
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
                    "no connection could be opened and pinged within health_check_timeout {:?}",
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

    /// Starts a connect, or finds that of an earlier check, and returns where its end is reported. `None`: there is no room.
    fn connect_to_check(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        until: Instant,
    ) -> Result<Option<mpsc::Receiver<Reported>>, Error> {
        if queue.closed {
            return Err(self.closed_error());
        }
        let now = Instant::now();
        let (report, reported) = mpsc::channel();
        // The connect of an earlier check that has not ended yet tells as much as another would.
        if let Some(attempt) = queue
            .attempts
            .iter_mut()
            .find(|attempt| attempt.check_until.is_some() && !attempt.is_abandoned())
        {
            attempt.check_until = Some(until);
            attempt.report = Some(report);
            return Ok(Some(reported));
        }
        // Checks alone must not fill up what may hang, and so refuse callers.
        if queue.check_ping_hangs(now) {
            return Ok(None);
        }
        if self.too_many_hang(queue) {
            let words = format!(
                "{}: no connection is opened until one of them ends",
                queue.what_hangs()
            );
            let _ = report.send(Err((Error::new(ErrorKind::Connect, words), false)));
            return Ok(Some(reported));
        }
        // Who waits has a connect under way or sleeps between two; a caller who comes may rely on this one.
        let place = if queue.may_start(now) {
            self.places.try_take()
        } else {
            None
        };
        let Some(place) = place else {
            return Ok(None);
        };
        let attempt = queue.add_attempt(place, None, now);
        attempt.stock = true;
        attempt.check_until = Some(until);
        attempt.report = Some(report);
        let id = attempt.id;
        self.start(queue, id);
        Ok(Some(reported))
    }

    /// Pings, and puts the connection back where it was among the idle. `None`: it did not answer, and is closed.
    fn check_idle(self: &Arc<Self>, lease: Lease<M>, limit: Duration) -> Option<Result<(), Error>> {
        let end = later(Instant::now(), limit);
        let (lease, fault) = match self.ping(lease, limit) {
            Pinged::Alive(lease) => {
                let left = end.saturating_duration_since(Instant::now());
                let lease = self.ask_server_limit(lease, left);
                lease
                    .into_iter()
                    .for_each(|lease| self.put_back_idle(lease));
                return Some(Ok(()));
            }
            Pinged::QueryRefused(lease, error) => {
                self.put_back_idle(lease);
                return Some(Err(error));
            }
            Pinged::Failed(lease, fault) => (lease, fault),
            Pinged::NoAnswer => return None,
        };
        let words = &fault.words;
        log::info!(target: &self.target, "a connection failed its health check and is replaced: {words}");
        self.speak_for_others(lease.live(), fault.verdict);
        // The connect that decides may need its place.
        let reason = fault.close_reason(CloseReason::ValidationFailed);
        self.close_lease_and_settle(lease, reason);
        None
    }

    /// Pings a connection that a check has opened, while that check still waits: something before the database, such as
    /// PgBouncer, may let clients in without it. One that fails tells of itself only, and is closed.
    pub(crate) fn prove_to_check(
        self: &Arc<Self>,
        attempt: u64,
        lease: Lease<M>,
    ) -> Result<Lease<M>, Failure> {
        let until = self
            .queue
            .lock()
            .attempt(attempt)
            .and_then(|attempt| attempt.check_until);
        let left = until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Ok(lease);
        }
        let failure = |message: String| Failure {
            transient: true,
            ..Failure::permanent(ErrorKind::Validation, message)
        };
        let connection = lease.live().info.id;
        let (lease, fault) = match self.ping(lease, left) {
            Pinged::Alive(lease) => return Ok(lease),
            Pinged::QueryRefused(lease, error) => {
                self.put_back(lease);
                return Err(Failure {
                    error,
                    ..failure(String::new())
                });
            }
            Pinged::Failed(lease, fault) => (lease, fault),
            Pinged::NoAnswer => {
                self.queue.lock().check_abandoned = Some(connection);
                return Err(failure(format!(
                    "a new connection gave no answer within {left:?}"
                )));
            }
        };
        let reason = fault.close_reason(CloseReason::ValidationFailed);
        self.close_lease_and_settle(lease, reason);
        Err(failure(format!(
            "a new connection failed its ping: {}",
            fault.words
        )))
    }

    /// The answer of a check that is not made: the last result, unless something later is known. A connect that failed since
    /// tells that the database cannot be reached; a connection that was opened or came back since, that it can.
    fn skipped(&self) -> HealthCheck {
        let queue = self.queue.lock();
        let last = queue.counters.last_health_check.as_ref();
        let failure = queue.database_error().map(ToString::to_string);
        let failure = failure.or_else(|| self.overdue_connect(&queue));
        HealthCheck {
            reachable: failure.is_none(),
            skipped: true,
            checked_at: last.map(|check| check.at),
            took: last.map(|check| check.took),
            error: failure,
        }
    }

    /// A connect that takes longer than a check would wait for it tells what the check would have.
    fn overdue_connect(&self, queue: &Queue<M>) -> Option<String> {
        let connects = queue.attempts.iter().filter(|one| one.holds_place());
        let started = connects.map(|one| one.started).min()?;
        let taken = Instant::now().saturating_duration_since(started);
        let is_overdue = taken >= self.settings.health_check_timeout
            && queue.proven.is_none_or(|proven| proven < started);
        is_overdue.then(|| format!("a connect has been under way for {taken:.1?}"))
    }
}

impl<M: Manager> Queue<M> {
    /// Whether the last ping that was abandoned on a connection opened for a check has not returned yet.
    fn check_ping_hangs(&self, now: Instant) -> bool {
        self.closings.iter().any(|closing| {
            Some(closing.connection_id) == self.check_abandoned && closing.due <= now
        })
    }

    /// A connection that was proved alive since the last failure tells that the database is there, whatever became of a connect.
    pub(crate) fn unreachable_for(&self, now: Instant) -> Option<Duration> {
        let failed = self.counters.last_error.as_ref()?.occurred;
        self.episodes
            .unreachable_for(now)
            .filter(|_| self.proven.is_none_or(|proven| proven < failed))
    }

    /// Why the database cannot be reached, as last known: the latest failure of a health check or a connect, unless a connection
    /// was opened, pinged or returned after use since.
    pub(crate) fn database_error(&self) -> Option<&Error> {
        let check = self.counters.last_health_check.as_ref();
        let failed_check = check.and_then(|check| Some((check.ended, check.error.as_ref()?)));
        let connect = self.counters.last_error.as_ref();
        let failed_connect = connect.map(|last| (last.occurred, &last.error));
        let (failed, error) = [failed_check, failed_connect]
            .into_iter()
            .flatten()
            .max_by_key(|(failed, _)| *failed)?;
        self.proven
            .is_none_or(|proven| proven < failed)
            .then_some(error)
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
