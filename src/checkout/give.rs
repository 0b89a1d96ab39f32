//! The way back: reset hook, reset, checkin hook, then the oldest waiter, else idle, else closed.

use std::sync::Arc;

use crate::base::runtime::on_a_runtime;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::Lease;
use crate::lifecycle::shared::Shared;
use crate::settings::{Mode, ResetOnReturn};

impl<M: Manager> Shared<M> {
    /// The way back: reset hook, reset, checkin hook, then the oldest waiter, else idle, else closed.
    pub(super) fn check_in(self: &Arc<Self>, mut lease: Lease<M>, holder: usize, panicked: bool) {
        let now = Instant::now();
        let unfit = self.unfitness(&mut lease, self.clock.at(now));
        let how = self.reset_for(panicked);
        if unfit.is_none()
            && !panicked
            && !self.hooks.has_reset
            && !self.hooks.has_checkin
            && !self.reset_is_due(&mut lease, how)
        {
            let proven = self.has_answered(&mut lease);
            self.hand_back(lease, now, Some(holder), proven);
            return;
        }
        self.gate.lock().count_checkin(holder, now);
        if self.facts.is_bounded(Call::Reset) || !on_a_runtime() {
            self.reset_and_give(lease, unfit, how, panicked);
            return;
        }
        let shared = self.clone();
        if let Err(unrun) = self
            .helpers
            .run(move || shared.reset_and_give(lease, unfit, how, panicked))
        {
            (unrun.job)();
        }
    }

    fn reset_and_give(
        self: &Arc<Self>,
        lease: Lease<M>,
        unfit: Option<CloseReason>,
        how: ResetOnReturn,
        panicked: bool,
    ) {
        let (mut lease, mut unfit) = match unfit {
            Some(reason) => (lease, Some(reason)),
            None => match self.reset(lease, how, panicked) {
                Some(result) => result,
                None => return,
            },
        };
        if self.hooks.has_checkin
            && self
                .run_hook("checkin", |hooks| {
                    let (connection, info) = lease.live_mut().as_hooks_see_it();
                    hooks.checking_in(connection, info)
                })
                .is_err()
        {
            unfit = unfit.or(Some(CloseReason::HookFailed));
        }
        if let Some(reason) = unfit {
            self.close_lease_and_settle(lease, reason);
            return;
        }
        let proven = self.facts.resets(how) || self.has_answered(&mut lease);
        self.hand_back(lease, Instant::now(), None, proven);
    }

    /// A used connection goes to the oldest waiter; without one it becomes idle; if enough are idle it is closed. The checkin is
    /// counted here if a holder is named.
    fn hand_back(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        now: Instant,
        holder: Option<usize>,
        proven: bool,
    ) {
        let live = lease.live_mut();
        live.idle_since = self.clock.at(now);
        if proven {
            live.proven = live.idle_since;
        }
        let mut gate = self.gate.lock();
        if proven {
            gate.prove(now);
        }
        let held = holder.map(|holder| gate.count_checkin(holder, now));
        let leftover = match self.mode {
            // With a checkout hook nobody could take it without letting go of the lock.
            Mode::Queue
                if !self.hooks.has_checkout
                    && held.is_some_and(|held| gate.may_park(held, now)) =>
            {
                gate.park(lease);
                None
            }
            Mode::Queue => gate.give(lease),
            // Null mode reuses none: whoever waits opens a connection of its own in the place that becomes free.
            Mode::Null if gate.is_closed() => Some((lease, CloseReason::PoolClosed)),
            Mode::Null => Some((lease, CloseReason::NullPool)),
        };
        drop(gate);
        if let Some((lease, reason)) = leftover {
            self.close_lease_and_settle(lease, reason);
        }
    }
}
