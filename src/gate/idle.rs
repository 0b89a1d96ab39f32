//! What is idle, and to whom goes what comes in.

use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::{Lease, Live};
use crate::gate::state::State;
use crate::gate::waiter::Signal;
use crate::settings::Mode;

impl<M: Manager> State<M> {
    /// The most recently used idle connection, unless somebody with an older ticket waits and may not be passed over.
    pub(crate) fn take_idle(&mut self, ticket: u64, bay: usize) -> Option<Lease<M>> {
        let oldest = self.waiters.front();
        if oldest.is_some_and(|oldest| oldest.ticket < ticket) && !self.may_barge(Instant::now()) {
            return None;
        }
        self.take_any(bay, |_| true)
    }

    /// The most recently used idle connection, if nobody waits who may not be passed over and the connection is ready as it is.
    #[inline]
    pub(crate) fn take_ready(
        &mut self,
        bay: usize,
        now: Instant,
        is_ready: impl FnOnce(&Live<M>) -> bool,
    ) -> Option<Lease<M>> {
        match self.may_barge(now) {
            true => self.take_any(bay, is_ready),
            false => None,
        }
    }

    /// The least recently used idle connection: the one that the next callers will miss least.
    pub(crate) fn take_coldest(&mut self) -> Option<Lease<M>> {
        (!self.idle.is_empty()).then(|| self.idle.remove(0))
    }

    /// The least recently used idle connection of those that satisfy `wanted`.
    pub(crate) fn take_first_idle(
        &mut self,
        wanted: impl Fn(&Live<M>) -> bool,
    ) -> Option<Lease<M>> {
        let position = self.idle.iter().position(|lease| wanted(lease.live()))?;
        Some(self.idle.remove(position))
    }

    pub(crate) fn any_idle(&self, wanted: impl Fn(&Live<M>) -> bool) -> bool {
        self.idle.iter().any(|lease| wanted(lease.live()))
    }

    /// Idle connections that satisfy `unwanted`, taken out.
    pub(crate) fn take_idle_where(&mut self, unwanted: impl Fn(&Live<M>) -> bool) -> Vec<Lease<M>> {
        self.idle
            .extract_if(.., |lease| unwanted(lease.live()))
            .collect()
    }

    /// The longest idle first, while more than min_pool_size are open, in use or idle.
    pub(crate) fn take_idle_too_long(&mut self, limit: Duration, now: Instant) -> Vec<Lease<M>> {
        let open = self.counters.total() as usize;
        let spare = open.saturating_sub(self.rules.min_pool_size);
        let too_long = |lease: &&Lease<M>| {
            now.saturating_duration_since(lease.live().info.idle_since) >= limit
        };
        let count = self.idle.iter().take(spare).take_while(too_long).count();
        self.idle.drain(..count).collect()
    }

    /// Puts the idle connections into the order of their last use again. The sort is stable, and they are nearly sorted.
    pub(crate) fn sort_idle(&mut self) {
        self.idle.sort_by_key(|lease| lease.live().info.idle_since);
    }

    /// Gives the connection to the oldest waiter. Without one it becomes idle; if enough are idle it comes back, with the reason to
    /// close it for.
    pub(crate) fn give(&mut self, mut lease: Lease<M>) -> Option<(Lease<M>, CloseReason)> {
        if self.closed {
            return Some((lease, CloseReason::PoolClosed));
        }
        if self.gives_up_one() {
            return Some((lease, CloseReason::OverShare));
        }
        if !self.waiters.is_empty()
            && let Some(waiting) = self.remove_waiter(0)
        {
            self.post(&waiting.waiter, Signal::Lease(lease));
            return None;
        }
        if self.rules.mode == Mode::Null {
            return Some((lease, CloseReason::NullPool));
        }
        if self.idle.len() >= self.rules.pool_size {
            return Some((lease, CloseReason::Overflow));
        }
        let live = lease.live_mut();
        live.unused = false;
        live.keeper = None;
        self.idle.push(lease);
        None
    }
}
