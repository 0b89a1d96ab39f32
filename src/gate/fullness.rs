//! Whether the pool is full, since when, and whether that looks like a leak.

use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::state::State;

/// The timer keeps each request until it is due, so a pool that fills and empties often must not leave many requests for a distant
/// time.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl<M: Manager> State<M> {
    pub(crate) fn notice_leak(&mut self) {
        self.note_fullness();
        let Some(since) = self.full_since else {
            return;
        };
        let full = self.rules.clock.now().saturating_duration_since(since);
        if full > self.rules.leak_after && self.episodes.leak.is_none() {
            self.episodes.leak = Some(since);
            self.tell(Some(format!(
                "Potential connection leak detected! Pool exhausted: {} connections in use",
                self.counters.out()
            )));
        }
    }

    /// When a pool that is full now would count as leaking.
    pub(super) fn leak_due(&self, now: Instant) -> Option<Instant> {
        let since = self.full_since.filter(|_| self.episodes.leak.is_none())?;
        let full = self.rules.clock.now().saturating_duration_since(since);
        // A millisecond later, because it has to be more than leak_after.
        let left = self.rules.leak_after.saturating_sub(full) + Duration::from_millis(1);
        Some(later(now, left).min(now + LONGEST_WAIT))
    }

    /// Called after every change of what is out or open. The pool is full if overflow is used up and more than 90 % of the capacity
    /// is out. While bays are open it may be full, and if it turns out to be when they are gathered, it has been at least since so
    /// many connections are out.
    #[inline]
    pub(super) fn note_fullness(&mut self) {
        let capacity = self.rules.capacity;
        let out = self.counters.out() + self.bays.away();
        let is_full = self.counters.total() >= capacity && out * 10 > capacity * 9;
        if is_full != self.full_since.is_some() {
            self.fullness_changed();
        }
        if is_full && self.turned_over && !self.bays.are_open() {
            self.date_fullness();
        }
    }

    #[cold]
    fn date_fullness(&mut self) {
        self.turned_over = false;
        let needed = self.rules.capacity * 9 / 10 + 1;
        let mut since: Vec<Instant> = Vec::new();
        self.each_holder(|holder| since.push(holder.since));
        since.sort_unstable();
        if let Some(reached) = since.get(needed as usize - 1) {
            self.full_since = self.full_since.max(Some(*reached));
        }
    }

    #[cold]
    fn fullness_changed(&mut self) {
        let (now, at) = (Instant::now(), self.rules.clock.now());
        if self.full_since.take().is_none() {
            self.full_since = Some(at);
            self.wake_at(later(now, self.rules.leak_after).min(now + LONGEST_WAIT));
        } else if let Some(since) = self.episodes.leak.take() {
            self.tell(Some(format!(
                "The pool is no longer full; it was for {:.1} s",
                at.saturating_duration_since(since).as_secs_f64()
            )));
        }
    }
}
