//! Connects that no caller asked for: min_pool_size, warm_up, and health checks.

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::attempt::{For, Report};
use crate::gate::state::State;

/// What a health check that wants to connect is told.
pub(crate) enum Checked {
    /// A connect is under way, and reports.
    UnderWay,
    /// Nothing can be opened because too many calls hang; says which.
    Hanging(String),
    NoRoom,
}

impl<M: Manager> State<M> {
    /// Opens towards min_pool_size, for nobody in particular.
    pub(super) fn restock(&mut self, now: Instant) {
        let wanted = self.rules.min_pool_size;
        while wanted > 0 && self.restock_after.is_none_or(|after| after <= now) {
            let open = self.counters.total() as usize + self.opening();
            let held_back = !self.waiters.is_empty() || self.hung > 0;
            if open >= wanted || held_back {
                return;
            }
            if let Err(again) = self.may_start(now) {
                self.wake_at(again);
                return;
            }
            let Some(place) = self.places.try_take() else {
                return;
            };
            let attempt = self.add_attempt(place, For::Stock(None), now);
            self.start(attempt);
        }
    }

    /// A connect that no caller asked for has failed; the next one must wait.
    pub(super) fn restock_later(&mut self, is_transient: bool) {
        let now = Instant::now();
        // Those that fail together count once.
        if self.restock_after.is_none_or(|after| after <= now) {
            self.restock_failures += 1;
        }
        let retry = &self.rules.retry;
        let delay = match is_transient {
            true => retry.delay_after(self.restock_failures),
            false => None,
        };
        let after = later(now, delay.unwrap_or(retry.max_delay));
        self.restock_after = Some(after);
        self.wake_at(after);
    }

    /// A warm_up has begun: it hears of each success and of the pool's end under the number that is returned.
    pub(crate) fn begin_warming(&mut self, report: &Report) -> u64 {
        let number = self.take_ticket();
        self.warming.push((number, report.clone()));
        number
    }

    pub(crate) fn end_warming(&mut self, number: u64) {
        if let Some(position) = self.warming.iter().position(|(one, _)| *one == number) {
            let ended = self.warming.swap_remove(position);
            self.discard(ended);
        }
    }

    pub(super) fn wake_warming(&mut self) {
        for (_, report) in &self.warming {
            // It listens as long as it is registered here.
            let _ = report.send(Ok(()));
        }
    }

    /// Starts connects until `wanted` connections are open or being opened, if it may start any and as far as there is room. True
    /// when enough are open and ready.
    pub(crate) fn warm(&mut self, wanted: usize, may_start: bool, report: &Report) -> bool {
        let open = self.counters.total() as usize;
        let mut missing = wanted.saturating_sub(open + self.opening());
        while may_start && missing > 0 && self.may_start(Instant::now()).is_ok() {
            let Some(place) = self.places.try_take() else {
                break;
            };
            let purpose = For::Stock(Some(report.clone()));
            let attempt = self.add_attempt(place, purpose, Instant::now());
            self.start(attempt);
            missing -= 1;
        }
        open.saturating_sub(self.in_connect_hook()) >= wanted
    }

    /// Starts a connect for a health check that waits until then, or lets it wait for that of an earlier check.
    pub(crate) fn connect_to_check(&mut self, until: Instant, report: &Report) -> Checked {
        let now = Instant::now();
        let check = For::Check {
            until,
            report: report.clone(),
        };
        // The connect of an earlier check that has not ended yet tells as much as another would.
        if let Some(attempt) = self
            .attempts
            .iter_mut()
            .find(|attempt| matches!(attempt.purpose, For::Check { .. }) && !attempt.is_abandoned())
        {
            let earlier = std::mem::replace(&mut attempt.purpose, check);
            self.discard(earlier);
            return Checked::UnderWay;
        }
        // Checks alone must not use up the number of calls that may hang: callers would be refused because of them.
        if self.check_ping_hangs(now) {
            return Checked::NoRoom;
        }
        if self.too_many_hang() {
            return Checked::Hanging(self.what_hangs());
        }
        // This takes nothing from those who wait: they have connects under way or sleep between two attempts. A caller that comes
        // later may rely on this connect.
        let place = match self.may_start(now) {
            Ok(()) => self.places.try_take(),
            Err(_) => None,
        };
        let Some(place) = place else {
            return Checked::NoRoom;
        };
        let attempt = self.add_attempt(place, check, now);
        self.start(attempt);
        Checked::UnderWay
    }

    /// Until when a check waits for this attempt, where one does.
    pub(crate) fn check_until(&mut self, attempt: u64) -> Option<Instant> {
        match self.attempt(attempt)?.purpose {
            For::Check { until, .. } => Some(until),
            For::Caller(_) | For::Stock(_) | For::Look => None,
        }
    }

    pub(crate) fn note_check_abandoned(&mut self, connection_id: u64) {
        self.check_abandoned = Some(connection_id);
    }

    /// Whether the last ping that was abandoned on a connection opened for a check has not returned yet.
    fn check_ping_hangs(&self, now: Instant) -> bool {
        self.closings.iter().any(|closing| {
            Some(closing.connection_id) == self.check_abandoned && closing.due <= now
        })
    }
}
