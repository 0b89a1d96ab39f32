//! The connect that is made for all who wait while the database does not let the pool in, and who is told when it fails.
//!
//! When [`Trouble`](super::trouble::Trouble) allows which connect is decided there; here it meets the queue.

use std::mem;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::attempt::{For, Stage};
use crate::gate::failure::Failure;
use crate::gate::patience::Patience;
use crate::gate::places::Place;
use crate::gate::state::State;
use crate::gate::waiter::Standing;

impl<M: Manager> State<M> {
    /// A connect has failed. One that has counted as failed already, because it was slow, does not count again.
    pub(super) fn note_failure(&mut self, failure: &Failure, counted: bool) {
        let now = Instant::now();
        let paced = !self.rules.connects_here;
        if failure.is_full() {
            return self.note_full(&failure.error);
        }
        if failure.is_refusal() && paced {
            if let Some(before) = self.trouble.refused(&failure.error, now) {
                self.discard(before);
            }
        } else if !counted && paced {
            self.trouble.failed(now);
        }
        if !self.waiters.is_empty() {
            self.trouble.is_waited_for(now);
        }
        self.connect_failed(&failure.error);
    }

    /// One connect for all who wait, if it is time. Nobody is asked to rely on one that was started before.
    pub(super) fn probe_for_waiters(&mut self, now: Instant) {
        if self.waiters.is_empty() {
            return;
        }
        self.trouble.is_waited_for(now);
        let has_room = self.opening() > 0 || self.has_room();
        if has_room && let Some(error) = self.trouble.refusal(now) {
            return self.refuse_those_who_need_a_connect(&error);
        }
        if has_room {
            self.stand_by();
        }
        match self.may_start(now) {
            Err(again) => self.wake_at(again),
            Ok(()) if self.too_many_hang() => {}
            Ok(()) => {
                let place = self.displace_mute().or_else(|| self.places.try_take());
                if let Some(place) = place.or_else(|| self.displace(now)) {
                    self.start_probe(place, now);
                }
            }
        }
        if let Some(ends) = self.next_wait_ends() {
            self.wake_at(ends);
        }
    }

    /// It is made for the oldest waiter whose own delay has passed, who is told if it fails.
    fn start_probe(&mut self, place: Place, now: Instant) {
        let due = |position: &usize| self.waiters[*position].wants_attempt(now);
        let Some(position) = (0..self.waiters.len()).find(due) else {
            let attempt = self.add_attempt(place, For::Stock(None), now);
            return self.start(attempt);
        };
        let ticket = self.waiters[position].ticket;
        let attempt = self.add_attempt(place, For::Caller(ticket), now);
        self.waiters[position].standing = Standing::Connecting(attempt);
        self.start(attempt);
    }

    /// Those who wait for a connect wait for the probe. Where the server is full and the pool has connections, they wait for one of
    /// those.
    fn stand_by(&mut self) {
        let waits_for_others = self.trouble.is_full() && self.counters.total() > 0;
        for waiting in &mut self.waiters {
            waiting.standing = match waiting.standing {
                Standing::AtCapacity if !waits_for_others => Standing::Probing,
                Standing::Probing if waits_for_others => Standing::AtCapacity,
                standing => standing,
            };
        }
    }

    fn refuse_those_who_need_a_connect(&mut self, error: &Error) {
        let mut position = 0;
        while position < self.waiters.len() {
            match self.waiters[position].standing {
                Standing::AtCapacity | Standing::Probing | Standing::Asleep { .. } => {
                    self.dismiss(position, Failure::new(error.clone(), false));
                }
                Standing::Connecting(_) | Standing::Relying { .. } | Standing::Deciding => {
                    position += 1;
                }
            }
        }
    }

    /// The probe has failed. It counts for each caller whose own delay has passed.
    pub(super) fn tell_who_is_due(&mut self, failure: &Failure) {
        let now = Instant::now();
        for position in 0..self.waiters.len() {
            let waiting = &self.waiters[position];
            let is_due = match waiting.standing {
                Standing::Probing => true,
                Standing::Asleep { until } => until <= now,
                _ => false,
            };
            if is_due {
                self.let_decide(waiting.ticket, failure.repeated());
            }
        }
    }

    /// Connects that have become so slow that they count as failed. In trouble nobody relies on them any more.
    pub(super) fn count_mute(&mut self, now: Instant) {
        if self.rules.connects_here {
            return;
        }
        let mute = self.patience.mute();
        for attempt in &mut self.attempts {
            if attempt.holds_place() && !attempt.counted && attempt.started + mute <= now {
                attempt.counted = true;
                self.trouble.failed(now);
            }
        }
        if self.trouble.began().is_none() {
            return;
        }
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.counted) {
            attempt.given_up = true;
            let Some(owner) = attempt.owner.take() else {
                continue;
            };
            if let Ok(position) = self
                .waiters
                .binary_search_by_key(&owner, |waiting| waiting.ticket)
            {
                self.waiters[position].standing = Standing::Probing;
            }
        }
    }

    /// Takes the place of the oldest connect that has counted as failed and has not ended.
    fn displace_mute(&mut self) -> Option<Place> {
        let mute = self
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.counted && attempt.owner.is_none() && attempt.holds_place())
            .min_by_key(|attempt| attempt.started)?;
        let Stage::Connecting(place) = mem::replace(&mut mute.stage, Stage::Abandoned) else {
            unreachable!("bug: an attempt that holds a place is connecting");
        };
        self.note_abandoned();
        Some(place)
    }

    /// When the next connect of those that trouble holds back may start.
    pub(super) fn probe_due(&self, now: Instant) -> Option<Instant> {
        if !self.trouble.is_cautious() {
            return None;
        }
        let waited_for = match self.waiters.is_empty() {
            true => self.trouble.next_look(),
            false => self.may_start(now).err(),
        };
        waited_for.into_iter().chain(self.next_wait_ends()).min()
    }

    /// Looks for the database although nobody waits.
    pub(super) fn look_for_database(&mut self, now: Instant) {
        let is_due = self.trouble.next_look().is_some_and(|at| at <= now);
        if !is_due || !self.waiters.is_empty() || self.too_many_hang() {
            return;
        }
        if self.may_start(now).is_ok()
            && let Some(place) = self.displace_mute().or_else(|| self.places.try_take())
        {
            let attempt = self.add_attempt(place, For::Stock(None), now);
            self.start(attempt);
        }
    }

    /// The last error of the connects that were made for all who wait.
    pub(crate) fn trouble_error(&self) -> Option<&Error> {
        let last = self.counters.last_error.as_ref()?;
        self.trouble.is_cautious().then_some(&last.error)
    }

    /// Since when there is an outage: nothing has been heard of the database since trouble began.
    pub(crate) fn outage_began(&self) -> Option<Instant> {
        let began = self.trouble.began()?;
        self.proven
            .is_none_or(|proven| proven < began)
            .then_some(began)
    }

    /// A caller has timed out on connects that do not end, and nothing is heard of the database. If nobody has said so yet, this
    /// begins the outage: those connects take one another's places and may never end. None of them counts as failed for it.
    pub(crate) fn note_silence(&mut self) {
        let Some(since) = self.silent_since() else {
            return;
        };
        if self.database_error().is_some() {
            return;
        }
        let words = format!(
            "{} has not ended for {:.1?}, and nothing else was heard of the database",
            self.rules.connecting,
            since.elapsed()
        );
        let error = Error::new(ErrorKind::Connect, words);
        let replaced = self.counters.note_error(&error);
        self.discard(replaced);
        let words = self.episodes.cannot_be_reached(&error, Some(since));
        self.tell(words);
    }

    /// Since when nothing has been heard of the database although somebody has tried: since the outage began or, before that, since
    /// a connect was started that has not ended, and that is slower than anybody relies on one.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let now = Instant::now();
        let slow = self.patience.mute().max(Patience::MOST);
        let is_silent = |started: &Instant| {
            *started + slow <= now && self.proven.is_none_or(|proven| proven < *started)
        };
        let unanswered = self
            .attempts
            .iter()
            .filter(|attempt| attempt.in_hook_since().is_none());
        let started = unanswered.map(|attempt| attempt.started).filter(is_silent);
        self.outage_began().or(started.min())
    }

    /// When the next caller has waited for as long as outage_timeout admits.
    fn next_wait_ends(&self) -> Option<Instant> {
        let limit = self.rules.outage_timeout?;
        let began = self.outage_began()?;
        let since = self
            .waiters
            .iter()
            .map(|waiting| waiting.waiter.since)
            .min()?;
        Some(since.max(began) + limit)
    }

    pub(super) fn end_waits_in_outage(&mut self, now: Instant) {
        let (Some(limit), Some(began)) = (self.rules.outage_timeout, self.outage_began()) else {
            return;
        };
        let mut position = 0;
        while position < self.waiters.len() {
            let waiting = &self.waiters[position];
            let is_over = waiting.waiter.since.max(began) + limit <= now;
            if !is_over || matches!(waiting.standing, Standing::Deciding) {
                position += 1;
                continue;
            }
            let error = self.outage_error(limit, now.saturating_duration_since(began));
            self.dismiss(position, Failure::final_of(error));
        }
    }

    fn outage_error(&self, limit: Duration, outage: Duration) -> Error {
        let message = format!(
            "the database has not answered for {:.1} s, and outage_timeout {limit:?} has passed",
            outage.as_secs_f64()
        );
        match &self.counters.last_error {
            Some(last) => last
                .error
                .reworded(format!("{message}; the last error: {}", last.error)),
            None => Error::new(ErrorKind::Connect, message),
        }
    }
}
