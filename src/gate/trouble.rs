//! Connecting in trouble: how often the pool tries while the database does not let it in, and how it goes on afterwards.
//!
//! Retries belong to the pool and not to each caller: 500 callers who each try five times would hammer a server that is down, full,
//! or about to lock the account. So after three failures without a success, and after a server has said that it is full or has
//! refused a login for good, one connect at a time is made for all who wait, the *probe*. Its success ends the trouble. Then each
//! success permits twice as many connects in flight, or one more if the server was full, until there is no limit but the
//! usual one.
//!
//! All is decided under the gate's lock. This holds what is remembered, and is told the time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::error::Error;
use crate::settings::Retry;

/// So many failures without a success between them are trouble.
const FAILURES: u32 = 3;

/// The time between two probes while anybody waits, drawn anew for each so that instances do not march in step.
pub(super) const LEAST_GAP: Duration = Duration::from_millis(100);
pub(crate) const MOST_GAP: Duration = Duration::from_millis(150);

/// In trouble, at most so many connects start in any second, whoever asks for them.
const STARTS_A_SECOND: usize = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Without anybody waiting, the pool goes on looking for the database once a second for this long.
const LOOKS_ON: Duration = Duration::from_secs(60);

/// For how long a server that has said that it is full counts as full.
pub(super) const FULL_HOLDS: Duration = Duration::from_secs(10);

/// A refused login is not tried again for the first of these times, which doubles up to the second with each refusal.
const REFUSAL_HOLDS: Duration = SECOND;
const REFUSAL_HOLDS_AT_MOST: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Trouble {
    /// Failures since the last success or answer.
    failures: u32,
    /// Since when the database does not answer: the last of [`FAILURES`] in a row.
    began: Option<Instant>,
    /// When the latest connect started.
    started: Option<Instant>,
    /// The time from there to the next probe.
    gap: Duration,
    /// When the latest connects started, or were refused by a full server, the newest last: where logins are slow, a server is not
    /// made to refuse more in a second than may start in one.
    recent: VecDeque<Recent>,
    /// When a full server last refused one, the newest last.
    refusals: VecDeque<Instant>,
    /// Until when the pool looks for the database although nobody waits.
    looks_until: Option<Instant>,
    full: Option<Full>,
    /// When the server last said that it is full; a success does not end it.
    full_seen: Option<Instant>,
    refusal: Option<Refusal>,
    /// After trouble: how many connects may be in flight.
    ramp: Option<Ramp>,
}

struct Recent {
    at: Instant,
    has_ended: bool,
}

/// The server is full.
struct Full {
    /// How often in a row it has said so.
    times: u32,
    /// A pool that has connections goes on with those until then.
    again: Instant,
}

/// The server has refused a login for a reason that does not pass.
struct Refusal {
    error: Error,
    at: Instant,
    holds: Duration,
}

struct Ramp {
    in_flight: usize,
    doubles: bool,
}

impl Trouble {
    /// A connect starts.
    pub(super) fn started(&mut self, now: Instant) {
        let has_ended = false;
        remember(&mut self.recent, Recent { at: now, has_ended });
        self.started = Some(now);
        self.gap = LEAST_GAP + (MOST_GAP - LEAST_GAP).mul_f64(fastrand::f64());
    }

    /// A connect has failed for a reason that passes, or is so slow that it counts as failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.one_has_ended();
        self.failures += 1;
        if self.failures >= FAILURES && self.began.is_none() {
            self.began = Some(now);
            self.looks_until = Some(now + LOOKS_ON);
            self.ramp = None;
        }
    }

    /// Somebody waits for the database at this moment.
    pub(super) fn is_waited_for(&mut self, now: Instant) {
        self.looks_until = self.began.map(|_| now + LOOKS_ON);
    }

    /// The server has answered that it is full.
    pub(super) fn server_is_full(&mut self, now: Instant, retry: &Retry) {
        self.answered();
        // In place of its start.
        if let Some(started) = self.recent.iter().position(|one| !one.has_ended) {
            self.recent.remove(started);
        }
        let has_ended = true;
        remember(&mut self.recent, Recent { at: now, has_ended });
        remember(&mut self.refusals, now);
        let times = self.full.take().map_or(0, |full| full.times) + 1;
        let delay = retry.delay_after(times).unwrap_or(retry.max_delay);
        self.full = Some(Full {
            times,
            again: now + delay.max(LEAST_GAP),
        });
        self.full_seen = Some(now);
        self.refusal = None;
    }

    /// The server accepts no more connections, as it says on one that is open.
    pub(super) fn is_full_for_others(&mut self, now: Instant) {
        self.full_seen = Some(now);
    }

    /// The server has answered that it will not let the pool in. What was remembered before is returned, to be dropped outside the
    /// lock.
    #[must_use = "it is not to be dropped under the lock"]
    pub(super) fn refused(&mut self, error: &Error, now: Instant) -> Option<Error> {
        self.one_has_ended();
        self.answered();
        self.full = None;
        let before = self.refusal.take();
        let holds = match &before {
            // Those that were refused together count once.
            Some(before) if now < before.at + before.holds => before.holds,
            Some(before) => (before.holds * 2).min(REFUSAL_HOLDS_AT_MOST),
            None => REFUSAL_HOLDS,
        };
        self.refusal = Some(Refusal {
            error: error.clone(),
            at: now,
            holds,
        });
        before.map(|before| before.error)
    }

    /// A connect has ended, and not for want of room on the server.
    fn one_has_ended(&mut self) {
        if let Some(started) = self.recent.iter_mut().find(|one| !one.has_ended) {
            started.has_ended = true;
        }
    }

    fn answered(&mut self) {
        self.failures = 0;
        self.began = None;
        self.looks_until = None;
        self.ramp = None;
    }

    /// A connect has succeeded; without trouble, `usual` may be in flight. An error that is no longer remembered is returned, to be dropped outside the lock.
    #[must_use = "it is not to be dropped under the lock"]
    pub(super) fn succeeded(&mut self, usual: usize) -> Option<Error> {
        self.one_has_ended();
        let was_full = self.full.take().is_some();
        let refusal = self.refusal.take();
        let was_in_trouble = self.began.is_some() || refusal.is_some();
        let ramp = self.ramp.take();
        self.answered();
        self.ramp = match ramp {
            _ if was_full => Some(Ramp {
                in_flight: 2,
                doubles: false,
            }),
            _ if was_in_trouble => Some(Ramp {
                in_flight: 2,
                doubles: true,
            }),
            Some(Ramp { in_flight, doubles }) => Some(Ramp {
                in_flight: if doubles {
                    in_flight * 2
                } else {
                    in_flight + 1
                },
                doubles,
            }),
            None => None,
        };
        self.ramp.take_if(|ramp| ramp.in_flight >= usual);
        refusal.map(|refusal| refusal.error)
    }

    /// How many connects may be in flight, if there are fewer than the `usual`.
    pub(super) fn in_flight(&self, usual: usize) -> usize {
        match &self.ramp {
            _ if self.is_cautious() => 1,
            Some(ramp) => ramp.in_flight.min(usual),
            None => usual,
        }
    }

    /// How many may be in flight so that, if a server that was full a moment ago is full again, it has not refused more in a second
    /// than may start in one.
    pub(super) fn in_flight_after_full(&self, now: Instant) -> usize {
        match &self.ramp {
            Some(ramp) if !ramp.doubles => {
                let lately = |refused: &&Instant| now < **refused + SECOND;
                let refused = self.refusals.iter().filter(lately).count();
                STARTS_A_SECOND.saturating_sub(refused).max(1)
            }
            _ => usize::MAX,
        }
    }

    /// Whether one connect at a time is made for all.
    pub(super) fn is_cautious(&self) -> bool {
        self.began.is_some() || self.full.is_some() || self.refusal.is_some()
    }

    /// Since when the database does not answer.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// When the next connect may start, as far as it depends on those before. A pool that has connections does not press a full
    /// server.
    pub(super) fn next_start(&self, has_connections: bool) -> Option<Instant> {
        if !self.is_cautious() {
            let is_after_full = self.ramp.as_ref().is_some_and(|ramp| !ramp.doubles);
            return (is_after_full && self.refusals.len() == STARTS_A_SECOND)
                .then(|| self.refusals[0] + SECOND);
        }
        let often = (self.recent.len() == STARTS_A_SECOND).then(|| self.recent[0].at + SECOND);
        let gap = self.started.map(|last| last + self.gap);
        let full = self.full.as_ref().filter(|_| has_connections);
        gap.into_iter()
            .chain(often)
            .chain(full.map(|full| full.again))
            .max()
    }

    /// When the pool looks for the database next although nobody waits.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let next = self.started? + SECOND;
        self.looks_until
            .is_some_and(|until| next <= until)
            .then_some(next)
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Until when the server counts as full.
    pub(super) fn full_until(&self) -> Option<Instant> {
        self.full_seen.map(|seen| seen + FULL_HOLDS)
    }

    /// What whoever needs a connect is told while a refusal holds: the server's error, how old it is, and when the server is asked
    /// again.
    pub(super) fn refusal(&self, now: Instant) -> Option<Error> {
        let refusal = self.refusal.as_ref()?;
        let age = now.saturating_duration_since(refusal.at);
        let left = refusal
            .holds
            .checked_sub(age)
            .filter(|left| !left.is_zero())?;
        let message = format!(
            "{}; it said so {:.1} s ago, and is asked again in {:.1} s at the earliest",
            refusal.error,
            age.as_secs_f64(),
            left.as_secs_f64()
        );
        Some(refusal.error.reworded(message))
    }
}

/// Of the last, as many as may start in a second.
fn remember<T>(last: &mut VecDeque<T>, one: T) {
    if last.len() == STARTS_A_SECOND {
        last.pop_front();
    }
    last.push_back(one);
}

#[cfg(all(test, not(queuepool_loom)))]
mod tests;
