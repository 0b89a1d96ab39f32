//! Health checks: whether the database answers, asked without delaying callers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, unbounded};

use crate::base::clock::later;
use crate::base::log::say;
use crate::base::sync::{Condvar, Instant, Mutex};
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::error::{Error, ErrorKind};
use crate::gate::lease::Lease;
use crate::gate::reach::LastCheck;
use crate::gate::stock::Checked;
use crate::lifecycle::shared::Shared;
use crate::lifecycle::validate::Pinged;
use crate::observe::checked::HealthCheck;

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

/// Makes a health check, or waits for the result of the one that is under way. The thread it runs on must be allowed to block.
pub(crate) fn health_check<M: Manager>(
    shared: &Arc<Shared<M>>,
    checking: &Checking,
) -> Result<HealthCheck, Error> {
    let limit = shared.settings.health_check_timeout;
    let end = later(Instant::now(), limit);
    let mut state = checking.state.lock();
    if state.under_way {
        let before = state.ended;
        while state.ended == before {
            if checking.ended.wait_until(&mut state, end).timed_out() {
                break;
            }
        }
        let result = state.last.clone();
        drop(state);
        return result.unwrap_or_else(|| Ok(shared.skipped()));
    }
    state.under_way = true;
    drop(state);
    let mut under_way = UnderWay {
        checking,
        result: None,
    };
    let result = shared.check(limit);
    under_way.result = Some(result.clone());
    result
}

impl<M: Manager> Shared<M> {
    fn check(self: &Arc<Self>, limit: Duration) -> Result<HealthCheck, Error> {
        let started = Instant::now();
        let end = later(started, limit);
        let Some(outcome) = self.ask_database(end)? else {
            return Ok(self.skipped());
        };
        if self.gate.lock().is_closed() {
            return Err(self.closed_error());
        }
        let error = outcome.err();
        let is_full = |error: &Error| error.class() == Some(ErrorClass::Full);
        let full = error.as_ref().is_some_and(is_full);
        // A full server has answered, and the pool goes on with the connections that it has.
        let goes_on = full && self.gate.lock().counters().total() > 0;
        let check = LastCheck {
            at: SystemTime::now(),
            ended: Instant::now(),
            took: started.elapsed(),
            error: error.filter(|_| !goes_on),
        };
        let result = HealthCheck {
            reachable: check.error.is_none(),
            full: full && !goes_on,
            skipped: false,
            checked_at: Some(check.at),
            took: Some(check.took),
            error: check.error.as_ref().map(ToString::to_string),
        };
        self.gate.lock().note_check(check);
        Ok(result)
    }

    /// An idle connection that answers within half of the time is proof enough. One that does not answer proves nothing about the
    /// database (a firewall may have forgotten that connection), so then a connect decides. `None` means that there was
    /// nothing to ask with.
    fn ask_database(self: &Arc<Self>, end: Instant) -> Result<Option<Result<(), Error>>, Error> {
        let left = || end.saturating_duration_since(Instant::now());
        let idle = self.gate.lock().take_coldest();
        if let Some(lease) = idle
            && let Some(outcome) = self.check_idle(lease, left() / 2)
        {
            return Ok(Some(outcome));
        }
        let (report, reported) = unbounded();
        let mut gate = self.gate.lock();
        if gate.is_closed() {
            drop(gate);
            return Err(self.closed_error());
        }
        let checked = gate.connect_to_check(end, &report);
        drop(gate);
        // Dropped so that the receiver notices if the attempt ends without a report.
        drop(report);
        match checked {
            Checked::NoRoom => Ok(None),
            Checked::UnderWay => match self.await_connect(&reported, left()) {
                // There was no thread to ask the database on.
                Err(error) if error.kind() == ErrorKind::Resources => Ok(None),
                outcome => Ok(Some(outcome)),
            },
            Checked::Hanging(what) => {
                let words = format!("{what}: no connection is opened until one of them ends");
                Ok(Some(Err(Error::new(ErrorKind::Connect, words))))
            }
        }
    }

    fn await_connect(
        &self,
        reported: &Receiver<Result<(), (Error, bool)>>,
        left: Duration,
    ) -> Result<(), Error> {
        match reported.recv_timeout(left) {
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

    /// Pings the connection and puts it back in its old place among the idle ones. `None` means that it did not answer and is
    /// closed.
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
            Pinged::Unsuited => return Some(Ok(())),
            Pinged::NoAnswer => return None,
        };
        let words = &fault.words;
        say!(
            Info,
            self.target(),
            "a connection failed its health check and is replaced: {words}"
        );
        self.speak_for_others(lease.live(), fault.verdict);
        // The connect that decides may need the place of this connection.
        let reason = fault.close_reason(CloseReason::ValidationFailed);
        self.close_lease_and_settle(lease, reason);
        None
    }

    /// The result of a check that cannot be made: that of the last one, unless something newer is known. If a connect has failed
    /// since, the database cannot be reached; if a connection has been opened or returned since, it can.
    fn skipped(&self) -> HealthCheck {
        let gate = self.gate.lock();
        let last = gate.counters().last_health_check.as_ref();
        let checked = last.map(|check| (check.at, check.took));
        let shut_out = gate.shut_out(Instant::now()).map(ToString::to_string);
        let full = shut_out.is_some();
        let failure = shut_out.or_else(|| gate.database_error().map(ToString::to_string));
        let failure = failure.or_else(|| gate.overdue_connect(self.settings.health_check_timeout));
        drop(gate);
        HealthCheck {
            reachable: failure.is_none(),
            full,
            skipped: true,
            checked_at: checked.map(|(at, _)| at),
            took: checked.map(|(_, took)| took),
            error: failure,
        }
    }
}

/// Ends the check that is under way, even if it panics.
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
