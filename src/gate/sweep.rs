//! What is past its time: connects and closes beyond their limits, sleepers, and patience that has run out.

use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::error::ErrorKind;
use crate::gate::Notice;
use crate::gate::attempt::{Attempt, Stage};
use crate::gate::failure::Failure;
use crate::gate::state::State;
use crate::gate::waiter::Standing;

/// What is overdue but cannot be ended yet, because too many calls hang or there is no room, is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl<M: Manager> State<M> {
    /// Ends what is past its time at `now`, and plans the next sweep.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|planned| planned > now) {
            return;
        }
        self.sweep_at = None;
        self.abandon_overdue(now);
        self.count_mute(now);
        self.end_waits_in_outage(now);
        self.look_at_server_full(now);
        self.free_overdue(now);
        self.doubt_adopted(now);
        self.may_open = true;
        self.something_ended = true;
        self.settle();
        self.notice_episodes(now);
        if let Some(next) = self.next_sweep(now) {
            self.wake_at(next);
        }
    }

    /// Abandons connects that are past connect_timeout: the place becomes free, and the call counts as hung until it returns.
    fn abandon_overdue(&mut self, now: Instant) {
        let limit = self.rules.connect_timeout;
        let overdue =
            |attempt: &Attempt| attempt.holds_place() && later(attempt.started, limit) <= now;
        while !self.too_many_hang()
            && let Some(attempt) = self.attempts.iter_mut().find(|attempt| overdue(attempt))
        {
            attempt.stage = Stage::Abandoned;
            let is_blamed = attempt.blames().is_some();
            let counted = std::mem::replace(&mut attempt.counted, true);
            let (owner, report) = (attempt.owner.take(), attempt.purpose.take_report());
            self.note_abandoned();
            let message = format!(
                "{} did not finish within connect_timeout {limit:?}",
                self.rules.connecting
            );
            let failure = Failure {
                successes: self.successes,
                ..Failure::transient(ErrorKind::Connect, message)
            };
            if !counted {
                self.trouble.failed(now);
            }
            self.connect_failed(&failure.error);
            self.notice(Notice::Event(failure.error.to_string()));
            if let Some(report) = report {
                let unheard = report.send(Err((failure.error.clone(), true)));
                self.discard((unheard, report));
            }
            let Some(owner) = owner else {
                continue;
            };
            if is_blamed {
                self.let_decide(owner, failure);
            } else if let Some(waiting) = self.find(owner) {
                waiting.standing = Standing::AtCapacity;
            }
        }
    }

    fn next_sweep(&self, now: Instant) -> Option<Instant> {
        let connects = self.attempts.iter().filter(|attempt| attempt.holds_place());
        let limit = self.rules.connect_timeout;
        let overdue = connects
            .clone()
            .map(|attempt| later(attempt.started, limit));
        let mute = self.patience.mute();
        let mute = connects
            .filter(|attempt| !attempt.counted)
            .map(|attempt| attempt.started + mute);
        let closes = self
            .closings
            .iter()
            .filter(|closing| !closing.hung)
            .map(|closing| closing.due);
        let patience = self.patience.limit();
        let waiters = self
            .waiters
            .iter()
            .filter_map(|waiting| match waiting.standing {
                Standing::Relying { since, .. } => Some(since + patience),
                Standing::Asleep { until } => Some(until),
                Standing::AtCapacity
                | Standing::Probing
                | Standing::Connecting(_)
                | Standing::Deciding => None,
            });
        let restock = self.restock_after.filter(|_| self.rules.min_pool_size > 0);
        let next = overdue
            .chain(mute)
            .chain(self.probe_due(now))
            .chain(self.server_full_due(now))
            .chain(closes)
            .chain(waiters)
            .chain(restock)
            .chain(self.episodes.due())
            .chain(self.leak_due(now))
            // What cannot be ended yet must not make the timer spin.
            .map(|at| if at <= now { now + LOOK_AGAIN } else { at });
        next.min()
    }
}
