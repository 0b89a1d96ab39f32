//! What is told once and not once per caller: exhaustion, outages, silence and possible leaks, each when it is noticed and when it
//! is over, with how long it lasted.
//!
//! Noticed under the gate's lock, and logged after it: a logger is users' code.

use std::time::Duration;

use crate::base::sync::Instant;
use crate::base::words::counted;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::Notice;
use crate::gate::demand::CONNECTS_AT_ONCE;
use crate::gate::state::State;
use crate::gate::waiter::Standing;

/// The pool counts as exhausted once somebody has waited for this long or has timed out before that: on a busy pool callers wait
/// for a millisecond all the time. The episode is over when nobody has for as long. An outage is over when no connect has failed
/// for as long.
pub(super) const LOOK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Episodes {
    outage: Option<Outage>,
    silence: Option<Silence>,
    exhaustion: Option<Exhaustion>,
    /// When the possible leak began that was reported, on the movable clock.
    pub(super) leak: Option<Instant>,
    watch: Option<Watch>,
    /// Checkouts since the last look that timed out at capacity or were refused by max_waiting.
    turned_away: u64,
}

struct Outage {
    since: Instant,
    failures: u64,
    /// When a connect succeeded. While some connects fail and others do not, the outage goes on.
    ended: Option<Instant>,
}

/// Driver calls on open connections do not end in time.
struct Silence {
    since: Instant,
    last: Instant,
    calls: u64,
    due: Instant,
}

struct Exhaustion {
    since: Instant,
    turned_away: u64,
}

/// The next look at who waits.
struct Watch {
    due: Instant,
    since: Instant,
    /// Nobody with a later ticket waited at the last look.
    ticket: u64,
}

impl Episodes {
    /// What the log is to be told.
    pub(super) fn connect_failed(
        &mut self,
        error: &Error,
        since: Option<Instant>,
    ) -> Option<String> {
        let words = self.cannot_be_reached(error, since);
        if let Some(outage) = &mut self.outage {
            outage.failures += 1;
        }
        words
    }

    /// What the log is to be told, unless it has been told.
    pub(super) fn cannot_be_reached(
        &mut self,
        error: &Error,
        since: Option<Instant>,
    ) -> Option<String> {
        if let Some(outage) = &mut self.outage {
            outage.ended = None;
            return None;
        }
        self.outage = Some(Outage {
            since: since.unwrap_or_else(Instant::now),
            failures: 0,
            ended: None,
        });
        Some(format!("The database cannot be reached: {error}"))
    }

    fn call_overran(&mut self, words: &str, now: Instant) -> Option<String> {
        match &mut self.silence {
            Some(silence) => {
                silence.calls += 1;
                silence.last = now;
                None
            }
            None => {
                self.silence = Some(Silence {
                    since: now,
                    last: now,
                    calls: 1,
                    due: now + LOOK,
                });
                Some(format!("The database does not answer: {words}"))
            }
        }
    }

    /// The silence is over once a connection has been proved alive after the last call that did not end in time, and no such call
    /// has followed for a second.
    fn notice_answers(&mut self, proven: Option<Instant>, now: Instant) -> Option<String> {
        let silence = self.silence.as_mut().filter(|silence| silence.due <= now)?;
        silence.due = now + LOOK;
        let proven = proven.filter(|proven| *proven > silence.last)?;
        if silence.last + LOOK > now {
            return None;
        }
        let words = format!(
            "The database answers again after {:.1} s; calls that did not end in time meanwhile: {}",
            proven
                .saturating_duration_since(silence.since)
                .as_secs_f64(),
            silence.calls
        );
        self.silence = None;
        Some(words)
    }

    /// A possible leak was reported and is not over.
    pub(super) fn is_leaking(&self) -> bool {
        self.leak.is_some()
    }

    /// For how long connects have failed: the outage of which the log tells, and over when the log says so.
    pub(crate) fn connects_fail_for(&self, now: Instant) -> Option<Duration> {
        let outage = self.outage.as_ref()?;
        Some(now.saturating_duration_since(outage.since))
    }

    pub(crate) fn unreachable_for(&self, now: Instant) -> Option<Duration> {
        let outage = self
            .outage
            .as_ref()
            .filter(|outage| outage.ended.is_none())?;
        Some(now.saturating_duration_since(outage.since))
    }

    pub(crate) fn exhausted_for(&self, now: Instant) -> Option<Duration> {
        let exhaustion = self.exhaustion.as_ref()?;
        Some(now.saturating_duration_since(exhaustion.since))
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        let recovered = self.outage.as_ref().and_then(|outage| outage.ended);
        let watch = self.watch.as_ref().map(|watch| watch.due);
        let silence = self.silence.as_ref().map(|silence| silence.due);
        recovered
            .map(|at| at + LOOK)
            .into_iter()
            .chain(watch)
            .chain(silence)
            .min()
    }

    fn notice_recovery(&mut self, now: Instant) -> Option<String> {
        let ended = |outage: &mut Outage| outage.ended.is_some_and(|at| at + LOOK <= now);
        let outage = self.outage.take_if(ended)?;
        let ended = outage.ended.unwrap_or(now);
        Some(format!(
            "The database is reached again after {:.1} s; connects that failed meanwhile: {}",
            ended.saturating_duration_since(outage.since).as_secs_f64(),
            outage.failures
        ))
    }
}

impl<M: Manager> State<M> {
    /// A connect has succeeded, which ends everybody's sleep.
    pub(super) fn connected(&mut self) {
        let now = Instant::now();
        self.successes += 1;
        self.proven = Some(now);
        if let Some(last) = &mut self.counters.last_error {
            last.refuted = true;
        }
        if let Some(refusal) = self.trouble.succeeded(CONNECTS_AT_ONCE) {
            self.discard(refusal);
        }
        self.end_server_full(now);
        for waiting in &mut self.waiters {
            if matches!(
                waiting.standing,
                Standing::Asleep { .. } | Standing::Probing
            ) {
                waiting.standing = Standing::AtCapacity;
            }
        }
        self.restock_after = None;
        self.restock_failures = 0;
        self.may_open = true;
        self.wake_warming();
        self.end_outage(now);
    }

    pub(super) fn end_outage(&mut self, now: Instant) {
        if let Some(outage) = &mut self.episodes.outage
            && outage.ended.is_none()
        {
            outage.ended = Some(now);
            self.wake_at(now + LOOK);
        }
    }

    /// A driver call on a connection did not end in time.
    pub(crate) fn note_overrun(&mut self, words: &str) {
        let now = Instant::now();
        let notice = self.episodes.call_overran(words, now);
        self.tell(notice);
        self.wake_at(now + LOOK);
    }

    /// A checkout ends without a connection, at capacity.
    pub(crate) fn turn_away(&mut self, ticket: u64, is_probe: bool) {
        if !is_probe {
            self.episodes.turned_away += 1;
            self.watch_for_exhaustion(ticket);
        }
    }

    /// A caller has to wait for a connection.
    pub(crate) fn watch_for_exhaustion(&mut self, ticket: u64) {
        if self.episodes.watch.is_none() {
            let since = Instant::now();
            let due = since + LOOK;
            self.episodes.watch = Some(Watch { due, since, ticket });
            self.wake_at(due);
        }
    }

    /// The look at who waits, when it is due, and at whether the pool leaks.
    pub(super) fn notice_episodes(&mut self, now: Instant) {
        let recovery = self.episodes.notice_recovery(now);
        self.tell(recovery);
        let answers = self.episodes.notice_answers(self.proven, now);
        self.tell(answers);
        let is_due = |watch: &mut Watch| watch.due <= now;
        if let Some(watch) = self.episodes.watch.take_if(is_due) {
            self.notice_exhaustion(&watch, now);
        }
        self.notice_leak();
    }

    fn notice_exhaustion(&mut self, watch: &Watch, now: Instant) {
        let waiting = || {
            self.waiters
                .iter()
                .filter(|waiting| waiting.is_at_capacity())
        };
        let count = waiting().count();
        let last = waiting().next_back().map(|waiting| waiting.ticket);
        let waited_long = waiting().any(|waiting| waiting.ticket <= watch.ticket);
        let turned_away = std::mem::take(&mut self.episodes.turned_away);
        let exhausted = waited_long || turned_away > 0;
        let notice = match (&mut self.episodes.exhaustion, exhausted) {
            (None, true) => {
                self.episodes.exhaustion = Some(Exhaustion {
                    since: watch.since,
                    turned_away,
                });
                Some(format!(
                    "Pool exhausted: {} of {} connections in use, {} being opened, {}, turned away so far: {turned_away}",
                    self.counters.out(),
                    self.rules.capacity,
                    self.opening(),
                    counted(count, "caller waits", "callers wait"),
                ))
            }
            (Some(exhaustion), true) => {
                exhaustion.turned_away += turned_away;
                None
            }
            (Some(exhaustion), false) => {
                let words = format!(
                    "The pool is no longer exhausted; it was for {:.1} s; checkouts that timed out or were refused \
                     meanwhile: {}",
                    now.saturating_duration_since(exhaustion.since)
                        .as_secs_f64(),
                    exhaustion.turned_away
                );
                self.episodes.exhaustion = None;
                Some(words)
            }
            (None, false) => None,
        };
        self.tell(notice);
        if last.is_some() || self.episodes.exhaustion.is_some() {
            self.episodes.watch = Some(Watch {
                due: now + LOOK,
                since: now,
                ticket: last.unwrap_or(0),
            });
        }
    }

    pub(super) fn tell(&mut self, warning: Option<String>) {
        if let Some(warning) = warning {
            self.notice(Notice::Warning(warning));
        }
    }
}
