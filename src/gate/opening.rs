//! Connects: who may have one, and what becomes of it.

use std::io;
use std::mem;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::error::ErrorKind;
use crate::gate::attempt::{Attempt, For, Stage};
use crate::gate::failure::Failure;
use crate::gate::lease::Lease;
use crate::gate::places::Place;
use crate::gate::state::State;
use crate::gate::waiter::{Signal, Standing};

/// How an attempt to connect ended, as far as the driver and the hooks are concerned.
pub(crate) enum Opened<M: Manager> {
    Ready(Lease<M>),
    /// It connected, but too late: its place had been taken, and no other was free.
    TooLate,
    Failed(Failure),
}

impl<M: Manager> State<M> {
    /// Runs the attempt on a helper thread.
    pub(super) fn start(&mut self, attempt: u64) {
        self.wake_at(later(Instant::now(), self.rules.connect_timeout));
        self.open_on_helper(attempt);
    }

    /// No thread could be had to connect on.
    pub(super) fn could_not_start(&mut self, attempt: u64, error: &io::Error) {
        let words = format!("no thread could be started to connect on: {error}");
        self.fail(attempt, Failure::of_resources(words));
    }

    /// Its number.
    pub(super) fn add_attempt(&mut self, place: Place, purpose: For, started: Instant) -> u64 {
        self.next_attempt += 1;
        let mut attempt = Attempt {
            id: self.next_attempt,
            stage: Stage::Connecting(place),
            purpose,
            owner: None,
            started,
            doubted_by: None,
            given_up: false,
            counted: false,
        };
        if !self.rules.connects_here {
            self.trouble.started(started);
        }
        attempt.owner = attempt.starter();
        self.attempts.push(attempt);
        self.next_attempt
    }

    pub(super) fn attempt(&mut self, id: u64) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.id == id)
    }

    /// Begins an attempt for a caller that does not wait and connects on its own thread, if there is room and nobody waits.
    pub(crate) fn open_at_once(&mut self, ticket: u64) -> Option<u64> {
        if !self.waiters.is_empty() {
            return None;
        }
        let place = self.places.try_take()?;
        Some(self.add_attempt(place, For::Caller(ticket), Instant::now()))
    }

    /// Whether this attempt is still wanted when a thread takes it up. If not, it ends here.
    pub(crate) fn is_wanted(&mut self, id: u64) -> bool {
        let wanted = !self.closed && self.attempt(id).is_some_and(|attempt| attempt.is_wanted());
        if !wanted {
            self.end_attempt(id);
        }
        wanted
    }

    /// Until when the caller who relies on this attempt waits.
    pub(crate) fn deadline_of(&mut self, id: u64) -> Option<Instant> {
        let owner = self.attempt(id)?.owner?;
        Some(self.find(owner)?.waiter.until)
    }

    /// Counts a new connection as open, in its attempt's place or, if that was taken away, in another one. `None` means that no
    /// place is free; the attempt has then ended.
    pub(crate) fn admit(&mut self, id: u64) -> Option<Place> {
        let wanted =
            !self.closed && (!self.waiters.is_empty() || self.idle.len() < self.rules.pool_size);
        let attempt = self.attempt(id)?;
        let took = attempt.started.elapsed();
        let place = match mem::replace(&mut attempt.stage, Stage::Admitted(Instant::now())) {
            Stage::Connecting(place) => place,
            Stage::Abandoned | Stage::Admitted(_) => {
                let place = if wanted { self.places.try_take() } else { None };
                self.hung -= 1;
                let Some(place) = place else {
                    self.end_attempt(id);
                    return None;
                };
                place
            }
        };
        self.patience.note_connect(took);
        self.counters.opened();
        self.counts_changed = true;
        Some(place)
    }

    /// Ends an attempt. If it still holds a place, the place is given back when what is returned is dropped. Its owner no longer
    /// relies on it.
    pub(super) fn end_attempt(&mut self, id: u64) -> Option<Attempt> {
        let position = self.attempts.iter().position(|attempt| attempt.id == id)?;
        let attempt = self.attempts.swap_remove(position);
        if attempt.is_abandoned() {
            self.hung -= 1;
        }
        if let Some(waiting) = attempt.owner.and_then(|owner| self.find(owner)) {
            waiting.standing = Standing::AtCapacity;
        }
        self.may_open = true;
        self.something_ended = true;
        Some(attempt)
    }

    /// An attempt that ran on a helper thread has ended.
    pub(crate) fn attempt_ended(&mut self, id: u64, opened: Opened<M>) -> Ended<M> {
        match opened {
            Opened::TooLate => {
                self.end_attempt(id);
                Ended::default()
            }
            Opened::Ready(lease) => {
                let attempt = self.end_attempt(id);
                self.connected();
                Ended {
                    leftover: self.give(lease),
                    report: attempt.and_then(|attempt| attempt.purpose.report()),
                }
            }
            Opened::Failed(failure) => {
                self.fail(id, failure);
                Ended::default()
            }
        }
    }

    /// An attempt that ran on its caller's thread has ended.
    pub(crate) fn own_attempt_ended(
        &mut self,
        id: u64,
        opened: Opened<M>,
    ) -> Result<Lease<M>, Failure> {
        let result = match opened {
            Opened::Ready(lease) => {
                self.connected();
                Ok(lease)
            }
            Opened::Failed(failure) => {
                // An abandoned attempt was counted as failed when it was abandoned.
                let abandoned = self
                    .attempt(id)
                    .is_none_or(|attempt| attempt.is_abandoned());
                if failure.error.kind() == ErrorKind::Connect && !abandoned {
                    self.connect_failed(&failure.error);
                }
                Err(failure)
            }
            Opened::TooLate => {
                // The server has let it in all the same.
                let now = Instant::now();
                self.prove(now);
                self.end_outage(now);
                let words = format!(
                    "{} ended after connect_timeout, and its place was taken by then",
                    self.rules.connecting
                );
                Err(Failure::transient(ErrorKind::Connect, words))
            }
        };
        self.end_attempt(id);
        let successes = self.successes;
        result.map_err(|failure| Failure {
            successes,
            ..failure
        })
    }

    /// An attempt has failed. Its place is given back, and the error goes to the caller it was started for, unless the server is
    /// full and this pool goes on with the connections that it has. In trouble, the attempt was made for all who wait.
    pub(super) fn fail(&mut self, id: u64, mut failure: Failure) {
        failure.successes = self.successes;
        let blamed = self.attempt(id).and_then(|attempt| attempt.blames());
        let Some(attempt) = self.end_attempt(id) else {
            return self.discard(failure);
        };
        if failure.is_full() {
            failure.error = self.full_in_words(&failure.error);
        }
        if failure.error.kind() == ErrorKind::Connect && !attempt.is_abandoned() {
            self.note_failure(&failure, attempt.counted);
        }
        if attempt.starter().is_none() {
            self.restock_later(failure.transient);
        }
        if let Some(report) = attempt.purpose.report() {
            let unheard = report.send(Err((failure.error.clone(), failure.transient)));
            self.discard((unheard, report));
        }
        if failure.transient {
            if failure.is_full() && self.counters.total() > 0 {
                return self.discard(failure);
            }
            if self.trouble.is_cautious() {
                self.tell_who_is_due(&failure);
            }
        }
        let Some(starter) = blamed else {
            return self.discard(failure);
        };
        if !failure.transient {
            // A permanent error is that caller's answer. Out of the queue, so that nothing can replace it.
            match self.position(starter) {
                Ok(position) => self.dismiss(position, failure),
                Err(_) => self.discard(failure),
            }
        } else {
            self.let_decide(starter, failure);
        }
    }

    /// Takes a caller out of the queue with an error that is its answer.
    pub(super) fn dismiss(&mut self, position: usize, failure: Failure) {
        match self.remove_waiter(position) {
            Some(waiting) => self.post(&waiting.waiter, Signal::Failed(failure)),
            None => self.discard(failure),
        }
    }

    /// Tells a caller of a failure that may pass. Its own thread decides whether to try again.
    pub(super) fn let_decide(&mut self, ticket: u64, failure: Failure) {
        let Some(waiting) = self.find(ticket) else {
            return self.discard(failure);
        };
        waiting.standing = Standing::Deciding;
        let waiter = waiting.waiter.clone();
        self.post(&waiter, Signal::Failed(failure));
    }

    /// Connects that hold a place or whose connection is about to come in.
    pub(crate) fn opening(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.holds_place())
            .count()
    }

    /// Connections that are open but whose connect hook has not returned.
    pub(crate) fn in_connect_hook(&self) -> usize {
        self.hooks_began().count()
    }

    /// Since when connect hooks run, for each new connection that is in one.
    pub(crate) fn hooks_began(&self) -> impl Iterator<Item = Instant> + Clone {
        self.attempts.iter().filter_map(Attempt::in_hook_since)
    }

    /// A connect has lost its place before it has returned.
    pub(super) fn note_abandoned(&mut self) {
        self.hung += 1;
        self.counters.counts.abandoned_connects += 1;
    }

    /// Connects that hold no place and have not returned.
    pub(crate) fn hung_connects(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.is_abandoned())
            .count()
    }

    /// If a connect has been under way for longer than `limit`, a health check that had waited for it would have failed: its words.
    /// The same if connects have taken one another's places for so long, and none has ended.
    pub(crate) fn overdue_connect(&self, limit: Duration) -> Option<String> {
        let silent = self.outage_began().map(|began| began.elapsed());
        if let Some(silent) = silent.filter(|silent| *silent >= limit) {
            return Some(format!(
                "no connect has succeeded, and nothing was heard of the database, for {silent:.1?}"
            ));
        }
        let connects = self.attempts.iter().filter(|one| one.holds_place());
        let started = connects.map(|one| one.started).min()?;
        let taken = Instant::now().saturating_duration_since(started);
        let is_overdue = taken >= limit && self.proven.is_none_or(|proven| proven < started);
        is_overdue.then(|| format!("a connect has been under way for {taken:.1?}"))
    }
}

/// What is left to be done for an attempt that has ended.
pub(crate) struct Ended<M: Manager> {
    /// A connection that nobody wants, and the reason to close it for.
    pub(crate) leftover: Option<(Lease<M>, crate::contract::connection_info::CloseReason)>,
    /// Who is to be told of the success.
    pub(crate) report: Option<crate::gate::attempt::Report>,
}

impl<M: Manager> Default for Ended<M> {
    fn default() -> Self {
        Ended {
            leftover: None,
            report: None,
        }
    }
}
