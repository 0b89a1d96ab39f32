//! What is told once and not once per caller: exhaustion, outages, silence and possible leaks, each when it is noticed and when it is
//! over, with how long it lasted.
//!
//! Noticed under the queue's lock, and logged after it: a logger is users' code.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::checkout::Turn;
use crate::contract::driver::{Call, Manager};
use crate::error::Error;
use crate::pool::Inner;
use crate::queue::Queue;

/// Somebody has to wait for this long, or times out before, until the pool counts as exhausted: on a busy pool callers wait
/// for a millisecond all the time. It is over when for as long nobody did. An outage is over when for as long no connect failed.
const LOOK: Duration = Duration::from_secs(1);

/// The timer keeps what it was told until then: a pool that fills and empties must not leave much with it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Episodes {
    outage: Option<Outage>,
    silence: Option<Silence>,
    exhaustion: Option<Exhaustion>,
    /// A possible leak was told, which began then, on the movable clock.
    leak: Option<Instant>,
    watch: Option<Watch>,
    /// Checkouts since the last look that timed out at capacity or were refused by max_waiting.
    turned_away: u64,
    notices: Vec<String>,
}

struct Outage {
    since: Instant,
    failures: u64,
    /// A connect succeeded then. Where some connects fail and some do not, the outage goes on.
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
    pub(crate) fn connect_failed(&mut self, error: &Error) {
        match &mut self.outage {
            Some(outage) => {
                outage.failures += 1;
                outage.ended = None;
            }
            None => {
                self.outage = Some(Outage {
                    since: Instant::now(),
                    failures: 1,
                    ended: None,
                });
                self.notices
                    .push(format!("The database cannot be reached: {error}"));
            }
        }
    }

    fn call_overran(&mut self, words: &str, now: Instant) {
        match &mut self.silence {
            Some(silence) => {
                silence.calls += 1;
                silence.last = now;
            }
            None => {
                self.silence = Some(Silence {
                    since: now,
                    last: now,
                    calls: 1,
                    due: now + LOOK,
                });
                self.notices
                    .push(format!("The database does not answer: {words}"));
            }
        }
    }

    /// It is over when a connection was proved alive after the last call that did not end, and none followed for a moment.
    fn notice_answers(&mut self, proven: Option<Instant>, now: Instant) {
        let Some(silence) = &mut self.silence else {
            return;
        };
        if silence.due > now {
            return;
        }
        silence.due = now + LOOK;
        let Some(proven) = proven.filter(|proven| *proven > silence.last) else {
            return;
        };
        if silence.last + LOOK <= now {
            self.notices.push(format!(
                "The database answers again after {:.1} s; calls that did not end in time meanwhile: {}",
                proven.saturating_duration_since(silence.since).as_secs_f64(),
                silence.calls
            ));
            self.silence = None;
        }
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

    fn notice_recovery(&mut self, now: Instant) {
        let ended = |outage: &mut Outage| outage.ended.is_some_and(|at| at + LOOK <= now);
        let Some(outage) = self.outage.take_if(ended) else {
            return;
        };
        let ended = outage.ended.unwrap_or(now);
        self.notices.push(format!(
            "The database is reached again after {:.1} s; connects that failed meanwhile: {}",
            ended.saturating_duration_since(outage.since).as_secs_f64(),
            outage.failures
        ));
    }
}

impl<M: Manager> Inner<M> {
    /// A connect has succeeded.
    pub(crate) fn connected(self: &Arc<Self>, queue: &mut Queue<M>) {
        queue.wake_sleepers();
        if let Some(outage) = &mut queue.episodes.outage
            && outage.ended.is_none()
        {
            let now = Instant::now();
            outage.ended = Some(now);
            self.wake_timer(queue, now + LOOK);
        }
    }

    /// A driver call on a connection did not end in time.
    pub(crate) fn overran(self: &Arc<Self>, connection_id: u64, which: Call, limit: Duration) {
        let words = format!("connection {connection_id}: {which} did not end within {limit:?}");
        log::info!(target: &self.target, "{words}");
        let mut queue = self.queue.lock();
        let now = Instant::now();
        queue.episodes.call_overran(&words, now);
        self.wake_timer(&mut queue, now + LOOK);
        let notices = queue.take_notices();
        drop(queue);
        self.tell(notices);
    }

    /// A checkout ends without a connection, at capacity.
    pub(crate) fn turn_away(self: &Arc<Self>, queue: &mut Queue<M>, turn: &Turn<M>) {
        if !turn.is_probe {
            queue.episodes.turned_away += 1;
            self.watch_for_exhaustion(queue, turn.ticket);
        }
    }

    /// A caller has to wait for a connection.
    pub(crate) fn watch_for_exhaustion(self: &Arc<Self>, queue: &mut Queue<M>, ticket: u64) {
        if queue.episodes.watch.is_none() {
            let since = Instant::now();
            let due = since + LOOK;
            queue.episodes.watch = Some(Watch { due, since, ticket });
            self.wake_timer(queue, due);
        }
    }

    /// The look at who waits, when it is due, and at whether the pool leaks.
    pub(crate) fn notice_episodes(&self, queue: &mut Queue<M>, now: Instant) {
        queue.episodes.notice_recovery(now);
        let proven = queue.proven;
        queue.episodes.notice_answers(proven, now);
        let is_due = |watch: &mut Watch| watch.due <= now;
        if let Some(watch) = queue.episodes.watch.take_if(is_due) {
            self.notice_exhaustion(queue, &watch, now);
        }
        self.notice_leak(queue);
    }

    fn notice_exhaustion(&self, queue: &mut Queue<M>, watch: &Watch, now: Instant) {
        let waiting = || {
            queue
                .waiters
                .iter()
                .filter(|waiting| waiting.must_wait() && waiting.asleep_until.is_none())
        };
        let last = waiting().next_back().map(|waiting| waiting.ticket);
        let waited_long = waiting().any(|waiting| waiting.ticket <= watch.ticket);
        let turned_away = std::mem::take(&mut queue.episodes.turned_away);
        let exhausted = waited_long || turned_away > 0;
        match (&mut queue.episodes.exhaustion, exhausted) {
            (None, true) => {
                let words = format!(
                    "Pool exhausted: {} of {} connections in use, {} being opened, {} callers wait, turned away so far: \
                     {turned_away}",
                    queue.counters.out(),
                    self.capacity,
                    queue.opening(),
                    waiting().count()
                );
                queue.episodes.notices.push(words);
                queue.episodes.exhaustion = Some(Exhaustion {
                    since: watch.since,
                    turned_away,
                });
            }
            (Some(exhaustion), true) => exhaustion.turned_away += turned_away,
            (Some(exhaustion), false) => {
                let words = format!(
                    "The pool is no longer exhausted; it was for {:.1} s; checkouts that timed out or were refused \
                     meanwhile: {}",
                    now.saturating_duration_since(exhaustion.since)
                        .as_secs_f64(),
                    exhaustion.turned_away
                );
                queue.episodes.notices.push(words);
                queue.episodes.exhaustion = None;
            }
            (None, false) => {}
        }
        if last.is_some() || queue.episodes.exhaustion.is_some() {
            queue.episodes.watch = Some(Watch {
                due: now + LOOK,
                since: now,
                ticket: last.unwrap_or(0),
            });
        }
    }

    pub(crate) fn notice_leak(&self, queue: &mut Queue<M>) {
        let Some(since) = queue.full_since else {
            return;
        };
        let full = self.clock.now().saturating_duration_since(since);
        if full > self.settings.leak_after && queue.episodes.leak.is_none() {
            queue.episodes.leak = Some(since);
            queue.episodes.notices.push(format!(
                "Potential connection leak detected! Pool exhausted: {} connections in use",
                queue.counters.out()
            ));
        }
    }

    /// When a pool that is full now would count as leaking.
    pub(crate) fn leak_due(&self, queue: &Queue<M>, now: Instant) -> Option<Instant> {
        let since = queue.full_since.filter(|_| queue.episodes.leak.is_none())?;
        let full = self.clock.now().saturating_duration_since(since);
        // A moment later, because it has to be more than leak_after.
        let left = self.settings.leak_after.saturating_sub(full) + Duration::from_millis(1);
        Some(later(now, left).min(now + LONGEST_WAIT))
    }

    /// Called after every change of what is out or open.
    #[inline]
    pub(crate) fn note_fullness(self: &Arc<Self>, queue: &mut Queue<M>, now: Instant) {
        if queue.is_full(self.capacity) != queue.full_since.is_some() {
            self.fullness_changed(queue, now);
        }
    }

    #[cold]
    fn fullness_changed(self: &Arc<Self>, queue: &mut Queue<M>, now: Instant) {
        if queue.full_since.take().is_none() {
            queue.full_since = Some(now);
            let now = Instant::now();
            self.wake_timer(
                queue,
                later(now, self.settings.leak_after).min(now + LONGEST_WAIT),
            );
        } else if let Some(since) = queue.episodes.leak.take() {
            queue.episodes.notices.push(format!(
                "The pool is no longer full; it was for {:.1} s",
                now.saturating_duration_since(since).as_secs_f64()
            ));
            self.wake_timer(queue, Instant::now());
        }
    }
}

impl<M: Manager> Queue<M> {
    /// To be told once the lock is let go.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.episodes.notices)
    }
}

impl<M: Manager> Inner<M> {
    pub(crate) fn tell(&self, notices: Vec<String>) {
        for notice in notices {
            log::warn!(target: &self.target, "{notice}");
        }
    }
}
