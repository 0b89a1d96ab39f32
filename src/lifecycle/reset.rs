//! What becomes of a connection that comes back: whether it is fit to be kept, and how it is reset.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::sync::Instant;
use crate::contract::call::{Call, Reset};
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::{Lease, Live};
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;
use crate::settings::{Mode, ResetOnReturn};

impl<M: Manager> Shared<M> {
    /// Runs the reset hook and the driver's reset. `None` means that the reset did not end in time and the connection is abandoned.
    pub(crate) fn reset(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        how: ResetOnReturn,
        panicked: bool,
    ) -> Option<(Lease<M>, Option<CloseReason>)> {
        if self.hooks.has_reset
            && self
                .run_hook("reset", |hooks| {
                    let (connection, info) = lease.live_mut().as_hooks_see_it();
                    hooks.resetting(connection, info)
                })
                .is_err()
        {
            return Some((lease, Some(CloseReason::HookFailed)));
        }
        if how == ResetOnReturn::Full {
            drop(lease.live_mut().extensions.take());
        }
        let was_refused = self.was_refused_a_write(lease.live_mut());
        if was_refused && self.is_closed_unasked(lease.live(), how) {
            return Some((lease, Some(CloseReason::Unsuited)));
        }
        let (resets, asks) = (self.resets(how), was_refused && how != ResetOnReturn::Never);
        if !resets && !asks {
            return Some((lease, panicked.then_some(CloseReason::Panicked)));
        }
        let doubts = self.doubts.load(Ordering::Acquire);
        let limit = self.settings.health_check_timeout;
        let work = move |shared: &Shared<M>, live: &mut Live<M>| {
            let reset = match resets {
                true => shared
                    .driver
                    .reset(&shared.manager, &mut live.connection, how)?,
                false => Reset::NotSupported,
            };
            Ok((reset, shared.ask_role_if_in_doubt(live, asks)?))
        };
        let (mut lease, result) =
            self.call(Call::Reset, lease, limit, CloseReason::ResetFailed, work)?;
        let failed = match result {
            Ok(Ok((Reset::Done, role))) => {
                lease.live_mut().doubts = doubts;
                let unfit = self.follow_role(&mut lease, role, asks);
                return Some((lease, unfit));
            }
            Ok(Ok((Reset::NotSupported, role))) => {
                if resets
                    && self.facts.note_that_it_cannot(how)
                    && how == self.settings.reset_on_return
                {
                    self.warn_that_nothing_is_undone();
                }
                let unfit = panicked.then_some(CloseReason::Panicked);
                let unfit = unfit.or_else(|| self.follow_role(&mut lease, role, asks));
                return Some((lease, unfit));
            }
            Ok(Err(error)) => Ok(error),
            Err(panic) => Err(panic),
        };
        let fault = self.fault(&lease, failed);
        say!(Debug, self.target(), "a reset failed: {}", fault.words);
        if fault.verdict == Verdict::Sound && self.reset_warnings.is_due() {
            say!(
                Warn,
                self.target(),
                "Resets fail, and each closes its connection: {}",
                fault.words
            );
        }
        self.speak_for_others(lease.live(), fault.verdict);
        let reason = fault.close_reason(CloseReason::ResetFailed);
        Some((lease, Some(reason)))
    }

    /// Told once, because users rely on the setting.
    pub(crate) fn warn_that_nothing_is_undone(&self) {
        let how = self.settings.reset_on_return;
        if how != ResetOnReturn::Never && self.mode == Mode::Queue {
            say!(
                Warn,
                self.target(),
                "reset_on_return={how}, but this pool's driver cannot do that: what one user leaves in a session, the next one finds. \
                 Give the pool a Driver that can, or set reset_on_return=never if this is what you want"
            );
        }
    }

    /// Whether the driver's reset must be called. If the driver panics when asked, its reset will say what is wrong.
    #[inline]
    pub(crate) fn reset_is_due(&self, lease: &mut Lease<M>, how: ResetOnReturn) -> bool {
        let connection = &mut lease.live_mut().connection;
        self.resets(how)
            && catch(|| self.driver.reset_is_due(&self.manager, connection, how)).unwrap_or(true)
    }

    /// Whether the return of a connection that was not reset proves it alive.
    #[inline]
    pub(crate) fn has_answered(&self, lease: &mut Lease<M>) -> bool {
        let connection = &mut lease.live_mut().connection;
        catch(|| self.driver.has_answered(&self.manager, connection)).unwrap_or(false)
    }

    /// How a returned connection is reset. In null mode it is closed next, so a rollback is all it can need: PostgreSQL holds the
    /// locks of a session for some milliseconds after the client has closed it (255 of 500 closes, up to 10 ms), SQLite those of
    /// a connection that cannot be closed because a statement on it was leaked.
    pub(crate) fn reset_for(&self, panicked: bool) -> ResetOnReturn {
        match self.settings.reset_on_return {
            _ if panicked && self.mode == Mode::Queue => ResetOnReturn::Full,
            _ if panicked => ResetOnReturn::Rollback,
            ResetOnReturn::Full if self.mode == Mode::Null => ResetOnReturn::Rollback,
            how => how,
        }
    }

    /// Whether the driver's reset has to be called at all. Under `never` it only proves that no answer is owed, which is of no
    /// interest in null mode.
    #[inline]
    pub(crate) fn resets(&self, how: ResetOnReturn) -> bool {
        let is_proof_for_nobody = how == ResetOnReturn::Never && self.mode == Mode::Null;
        self.facts.resets(how) && !is_proof_for_nobody
    }

    /// Why a returned connection cannot be kept, as far as that is known without asking the server. If it is lost, the consequences
    /// for other connections are drawn here.
    #[inline]
    pub(crate) fn unfitness(
        self: &Arc<Self>,
        lease: &mut Lease<M>,
        now: Instant,
    ) -> Option<CloseReason> {
        let live = lease.live_mut();
        let broken = catch(|| self.driver.is_broken(&self.manager, &mut live.connection));
        // If the driver panics when asked, it cannot be trusted with the connection. If it calls the connection broken, it does not
        // say why, so it is unclear whether the server has gone too.
        if broken.unwrap_or(true) {
            live.verdict = match live.verdict {
                Verdict::Sound | Verdict::Unsuited => Verdict::Suspect,
                noted => noted,
            };
        }
        let verdict = live.verdict;
        if verdict != Verdict::Unsuited {
            live.verdict = Verdict::Sound; // what was refused is asked about after the reset
        }
        self.speak_for_others(lease.live(), verdict);
        verdict
            .close_reason()
            .or_else(|| self.staleness(lease.live(), now))
    }
}
