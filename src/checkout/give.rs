//! The way back: reset hook, reset, checkin hook, then the oldest waiter, else idle, else closed.

use std::mem;
use std::sync::Arc;

use crate::base::runtime::on_a_runtime;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::{Keeper, Lease};
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;
use crate::settings::{Mode, ResetOnReturn};

/// A connection that comes back.
struct Returned {
    now: Instant,
    /// The checkin was counted before.
    is_counted: bool,
    /// That proves the connection alive.
    has_answered: bool,
}

impl<M: Manager> Shared<M> {
    /// The way back: reset hook, reset, checkin hook, then the bay, the oldest waiter, else idle, else closed.
    #[inline]
    pub(super) fn check_in(self: Arc<Self>, mut lease: Lease<M>, panicked: bool) {
        let now = Instant::now();
        let at = self.clock.at(now);
        let unfit = self.unfitness(&mut lease, at);
        let how = self.reset_for(panicked);
        if unfit.is_some()
            || panicked
            || self.hooks.has_reset
            || self.hooks.has_checkin
            || lease.live().verdict == Verdict::Unsuited
            || (how == ResetOnReturn::Full && lease.live().extensions.is_some())
            || self.reset_is_due(&mut lease, how)
        {
            return self.restore(lease, now, unfit, how, panicked);
        }
        let has_answered = self.has_answered(&mut lease);
        lease.live_mut().keeper = Some(self);
        if let Err(lease) = lease.live().bay().put(lease, now, at, has_answered) {
            Shared::put_at_the_gate(lease, now, has_answered);
        }
    }

    #[inline(never)]
    fn put_at_the_gate(mut lease: Lease<M>, now: Instant, has_answered: bool) {
        let pool = Shared::end_keeping(lease.live_mut());
        let returned = Returned {
            now,
            is_counted: false,
            has_answered,
        };
        pool.hand_back(lease, returned);
    }

    /// The return of a connection on which something has to be done first.
    #[inline(never)]
    fn restore(
        self: Arc<Self>,
        lease: Lease<M>,
        now: Instant,
        unfit: Option<CloseReason>,
        how: ResetOnReturn,
        panicked: bool,
    ) {
        self.gate.lock_queue().count_checkin(lease.live(), now);
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
        let awaits_writes = mem::take(&mut lease.live_mut().awaits_writes);
        let has_answered = self.resets(how) || self.has_answered(&mut lease);
        let returned = Returned {
            now: Instant::now(),
            is_counted: true,
            has_answered,
        };
        self.hand_back(lease, returned);
        if awaits_writes {
            self.await_writes();
        }
    }

    /// A used connection goes to the oldest waiter; without one it is parked or becomes idle; if enough are idle it is closed.
    fn hand_back(self: &Arc<Self>, mut lease: Lease<M>, returned: Returned) {
        let Returned {
            now,
            is_counted,
            has_answered,
        } = returned;
        let live = lease.live_mut();
        live.info.idle_since = self.clock.at(now);
        live.info.taken = None;
        if has_answered {
            live.proven = live.info.idle_since;
        }
        let mut gate = self.gate.lock_queue();
        if has_answered {
            gate.prove(now);
        }
        let held = (!is_counted).then(|| gate.count_checkin(lease.live(), now));
        if gate.begin_asking_for_room() {
            drop(gate);
            return self.on_helper(|shared| shared.ask_for_room(lease));
        }
        let leftover = match self.mode {
            Mode::Queue => {
                let keeper: Keeper = self.clone();
                match gate.park(lease, held, &keeper, now) {
                    Ok(()) => None,
                    Err(lease) => gate.give(lease),
                }
            }
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
