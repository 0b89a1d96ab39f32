//! Barging: a running thread may take a connection before a caller that has to be woken first.
//!
//! A caller that sleeps needs microseconds to wake up. If every connection that comes back were handed to the oldest of them,
//! threads that hold their connections for nanoseconds would spend nearly all their time on waking one another. So a connection
//! that was held for less than [`SHORT`] is parked or becomes idle although somebody waits, as long as the oldest waiter has waited
//! for less than [`YIELD`]. Whoever comes first takes it. From then on, and after every longer hold, it is strictly first come,
//! first served.
//!
//! The oldest waiter is *nudged* when a connection becomes idle beside it, or when a bay is opened for one: it wakes up and looks.
//! One nudge is under way at a time, and it is never lost:
//! - While a connection is idle, or a bay is open, and somebody waits, the oldest has been nudged, or is awake and will look.
//! - A nudge is answered in one of three ways. The waiter takes a connection. It finds none, and then looks again of its own accord
//!   until it has waited for [`YIELD`], and closes the bays with its last look. Or it leaves for another reason; then the next one
//!   is nudged ([`State::pass_on`]).
//! - Whoever joins the queue closes the bays, and hands what is idle to those who wait, the oldest first
//!   ([`State::serve_from_idle`]). So nobody goes to sleep beside an idle connection, and nobody opens one.

use std::time::Duration;

#[cfg(queuepool_loom)]
use crate::base::loom::{Fault, is_broken};
use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::lease::{Keeper, Lease};
use crate::gate::state::State;
use crate::gate::waiter::Signal;

/// For so long the oldest waiter may be passed over, as in Go's `sync.Mutex`. parking_lot draws the line at half of it on
/// average.
const YIELD: Duration = Duration::from_millis(1);

/// What is held for longer goes to the oldest waiter. Waking it takes about as long as this.
pub(super) const SHORT: Duration = Duration::from_micros(10);

/// A waiter that was nudged in vain looks again after this long, so that it is not woken at each return for nothing.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

#[cfg(not(queuepool_loom))]
pub(super) fn yield_for() -> Duration {
    YIELD
}

/// The models run with both: while time stands still, a connection would never be handed over directly otherwise.
#[cfg(queuepool_loom)]
pub(super) fn yield_for() -> Duration {
    match crate::base::loom::is_strict() {
        true => Duration::ZERO,
        false => YIELD,
    }
}

/// What a waiter that was nudged has found.
pub(crate) enum Look<M: Manager> {
    Found(Lease<M>),
    /// Nothing: it is to look again then, unless it hears something before.
    Again(Instant),
    /// Nothing: it will hear of the next connection.
    Wait,
}

impl<M: Manager> State<M> {
    /// Whether somebody who comes now may take what is idle although others wait.
    #[inline]
    pub(super) fn may_barge(&self, now: Instant) -> bool {
        match self.waiters.front() {
            None => true,
            Some(oldest) => now < oldest.waiter.since + self.rules.yield_for,
        }
    }

    /// Takes a connection back after a checkout that took so long, if nobody waits or if those who wait may be passed over: it is
    /// parked in its bay, or becomes idle, and the oldest waiter is nudged. `Err`: it must be [given](State::give).
    pub(crate) fn park(
        &mut self,
        mut lease: Lease<M>,
        held: Option<Duration>,
        keeper: &Keeper,
        now: Instant,
    ) -> Result<(), Lease<M>> {
        let somebody_waits = !self.waiters.is_empty();
        if somebody_waits && !(held.is_some_and(|held| held < SHORT) && self.may_barge(now)) {
            return Err(lease);
        }
        if self.may_open_a_bay() {
            lease.live_mut().unused = false;
            lease.live_mut().keeper = Some(keeper.clone());
            self.park_in_bay(lease);
        } else if somebody_waits
            && self.rules.parks
            && !self.closed
            && self.idle.len() < self.rules.pool_size
        {
            lease.live_mut().unused = false;
            self.idle.push(lease);
        } else {
            return Err(lease);
        }
        #[cfg(queuepool_loom)]
        if is_broken(Fault::ParksWithoutNudging) {
            return Ok(());
        }
        self.nudge();
        Ok(())
    }

    /// What the nudged waiter finds. It has left the queue if it found something.
    pub(crate) fn look(&mut self, ticket: u64, bay: usize, now: Instant) -> Look<M> {
        if self
            .waiters
            .front()
            .is_none_or(|oldest| oldest.ticket != ticket)
        {
            // It is not the oldest any more, or out of the queue with a signal on its way.
            if let Some(waiting) = self.find(ticket) {
                waiting.nudged = false;
            }
            return Look::Wait;
        }
        let looks_again = self.rules.looks_again && self.may_barge(now);
        if !looks_again {
            // It will not look again, so what comes back from now on must find it.
            self.gather();
        }
        if let Some(lease) = self.take_any(bay, |_| true) {
            self.remove_waiter(0);
            return Look::Found(lease);
        }
        let oldest = &mut self.waiters[0];
        oldest.nudged = looks_again;
        match looks_again {
            true => Look::Again(now + LOOK_AGAIN),
            false => Look::Wait,
        }
    }

    /// Wakes the oldest waiter so that it looks, unless it is about to.
    fn nudge(&mut self) {
        let Some(oldest) = self.waiters.front_mut() else {
            return;
        };
        if !std::mem::replace(&mut oldest.nudged, true) {
            oldest.waiter.nudge();
        }
    }

    /// Somebody has left the queue: if something is idle, the one who is now the oldest is to look.
    pub(super) fn pass_on(&mut self) {
        #[cfg(queuepool_loom)]
        if is_broken(Fault::LeavesWithoutPassingOn) {
            return;
        }
        if (!self.idle.is_empty() || self.bays.are_open()) && !self.closed {
            self.nudge();
        }
    }

    /// Hands what is idle to those who wait, the oldest first.
    pub(super) fn serve_from_idle(&mut self) {
        #[cfg(queuepool_loom)]
        if is_broken(Fault::JoinsInTwoHolds) {
            return;
        }
        while !self.waiters.is_empty()
            && let Some(lease) = self.idle.pop()
            && let Some(waiting) = self.remove_waiter(0)
        {
            self.post(&waiting.waiter, Signal::Lease(lease));
        }
    }
}
