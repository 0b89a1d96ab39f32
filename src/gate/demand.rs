//! Who may have a connect now: one of his own, or one that was started for somebody else.

use std::mem;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::attempt::{Attempt, For, Stage};
use crate::gate::places::Place;
use crate::gate::state::State;
use crate::gate::waiter::{Signal, Standing};

/// At most this many connects younger than [`YOUNG`] run at once, so that a burst of callers does not become a burst of logins.
/// Older ones are slow and do not hold up others. Before its first refusal is known, a full server is asked for at most so many
/// more than it has room for.
pub(super) const CONNECTS_AT_ONCE: usize = 10;
const YOUNG: Duration = Duration::from_secs(1);

impl<M: Manager> State<M> {
    /// Gives the oldest waiters that have no connect one each, as long as there is room. Then opens towards min_pool_size.
    pub(super) fn open_for_waiters(&mut self) {
        if self.closed {
            return;
        }
        if !self.waiters.is_empty() {
            // What is idle or parked is better than what would have to be opened.
            self.gather_for_waiters();
            self.serve_from_idle();
        }
        let now = Instant::now();
        match self.trouble.is_cautious() {
            true => self.probe_for_waiters(now),
            false => self.open_for_each_waiter(now),
        }
        self.look_for_database(now);
        self.restock(now);
    }

    fn open_for_each_waiter(&mut self, now: Instant) {
        let mut position = 0;
        while position < self.waiters.len() {
            if !self.waiters[position].wants_attempt(now) {
                position += 1;
                continue;
            }
            if self.adopt(position, now) {
                self.wake_at(now + self.patience.limit());
                position += 1;
                continue;
            }
            if let Err(again) = self.may_start(now) {
                self.wake_at(again);
                return;
            }
            if let Some(look_again) = self.enough_are_opening(now) {
                self.wake_at(look_again);
                return;
            }
            if self.too_many_hang() {
                // Those who wait go on waiting for a connection that comes back, or until one of the calls that hang ends.
                return;
            }
            let Some(place) = self.places.try_take().or_else(|| self.displace(now)) else {
                return;
            };
            let ticket = self.waiters[position].ticket;
            let attempt = self.add_attempt(place, For::Caller(ticket), now);
            if self.rules.connects_here {
                let waiting = self
                    .waiters
                    .remove(position)
                    .expect("bug: the position was just looked at");
                self.post(&waiting.waiter, Signal::Open(attempt));
            } else {
                self.waiters[position].standing = Standing::Connecting(attempt);
                self.start(attempt);
                position += 1;
            }
        }
    }

    /// Lets the waiter at `position` rely on a connect that nobody else relies on.
    fn adopt(&mut self, position: usize, now: Instant) -> bool {
        let slow = self.patience.slow();
        let Some(attempt) = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.is_adoptable(now, slow))
        else {
            return false;
        };
        let waiting = &mut self.waiters[position];
        attempt.owner = Some(waiting.ticket);
        waiting.standing = Standing::Relying {
            on: attempt.id,
            since: now,
        };
        true
    }

    /// Callers who rely on somebody else's connect for longer than their patience may have their own.
    pub(super) fn doubt_adopted(&mut self, now: Instant) {
        let patience = self.patience.limit();
        for waiting in &mut self.waiters {
            let Standing::Relying { on, since } = waiting.standing else {
                continue;
            };
            if since + patience > now {
                continue;
            }
            waiting.standing = Standing::AtCapacity;
            self.may_open = true;
            if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.id == on) {
                attempt.owner = None;
                attempt.doubted_by = Some(waiting.ticket);
            }
        }
    }

    /// A caller timed out. The connects that were started for it, or with which it lost [`Patience`](super::patience::Patience),
    /// may lose their places. A connect that it had relied on for a shorter time may not: otherwise a caller with a timeout of 5 ms
    /// would end every connect that takes longer than that.
    pub(super) fn give_up(&mut self, ticket: u64) {
        for attempt in &mut self.attempts {
            attempt.given_up |=
                attempt.starter() == Some(ticket) || attempt.doubted_by == Some(ticket);
        }
    }

    /// Takes the place of a connect on which a caller timed out.
    pub(super) fn displace(&mut self, now: Instant) -> Option<Place> {
        let slow = self.patience.slow();
        let attempt = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.is_displaceable(now, slow))?;
        let Stage::Connecting(place) = mem::replace(&mut attempt.stage, Stage::Abandoned) else {
            unreachable!("bug: an attempt that holds a place is connecting");
        };
        self.note_abandoned();
        Some(place)
    }

    /// Whether another connect may start now; if not, when to look again.
    pub(super) fn may_start(&self, now: Instant) -> Result<(), Instant> {
        let cautious = self.trouble.is_cautious();
        let slow = self.patience.slow();
        let grown_after = match cautious {
            true => self.patience.mute(),
            false => YOUNG,
        };
        let in_flight = || {
            let is_young = |attempt: &&Attempt| {
                attempt.holds_place()
                    && now.duration_since(attempt.started) < grown_after
                    && !attempt.is_displaceable(now, slow)
            };
            self.attempts.iter().filter(is_young)
        };
        let most = self
            .trouble
            .in_flight(CONNECTS_AT_ONCE)
            .min(self.trouble.in_flight_after_full(now));
        if in_flight().count() >= most {
            let oldest = in_flight().map(|attempt| attempt.started).min();
            return Err(oldest.unwrap_or(now) + grown_after);
        }
        if let Some(until) = self.has_its_share(now) {
            return Err(until);
        }
        let has_connections = self.counters.total() > 0;
        match self.trouble.next_start(has_connections) {
            Some(at) if at > now => Err(at),
            _ => Ok(()),
        }
    }

    /// If enough connects are under way for those who wait, the time at which to look again. How many are enough follows from how
    /// long connections are held and how long a connect takes: if 25 callers wait for connections that are held for 20 ms and
    /// opened in 250 ms, two more connections clear the queue before a third could be opened. A connect that has already taken
    /// longer than patience allows is not counted on.
    fn enough_are_opening(&self, now: Instant) -> Option<Instant> {
        let patience = self.patience.limit();
        let counted_on = self.attempts.iter().filter(|attempt| {
            attempt.holds_place() && !attempt.given_up && attempt.started + patience > now
        });
        let oldest = counted_on.clone().map(|attempt| attempt.started).min()?;
        // Before the first success neither time is known, and if none is open, none can come back.
        let connect = self
            .patience
            .usual()
            .filter(|_| self.counters.total() > 0)?;
        let waiting = self.waiters.len() as f64;
        let at = self.rules.clock.at(now);
        let needed = waiting * self.usual_hold(at).as_secs_f64() / connect.as_secs_f64();
        // Connections that are out grow older meanwhile, and more may turn out to be needed.
        let again = (oldest + patience).min(now + connect / 4);
        (counted_on.count() as f64 >= needed).then_some(again)
    }

    /// How long a connection is held: lately on average, or, where those that are out have been out for longer than that, as
    /// long as these.
    fn usual_hold(&self, at: Instant) -> Duration {
        let (mut count, mut sum) = (0, Duration::ZERO);
        self.each_holder(|holder| {
            count += 1;
            sum += at.saturating_duration_since(holder.since);
        });
        let by_age = sum.checked_div(count).unwrap_or_default();
        self.counters.usual_hold().unwrap_or_default().max(by_age)
    }
}
