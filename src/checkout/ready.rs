//! Before hand-out: not stale, proved alive where a ping is due, accepted by the checkout hook.

use std::sync::Arc;

use crate::base::log::say;
use crate::base::words::counted;
use crate::checkout::turn::Turn;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::contract::hooks::HookFailure;
use crate::error::{Error, ErrorKind};
use crate::gate::lease::Lease;
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;
use crate::lifecycle::validate::Pinged;

/// Connections that a checkout hook may refuse within one checkout.
const REFUSALS: u32 = 3;

impl<M: Manager> Shared<M> {
    /// Makes a connection fit to be handed out. `None` means that it was not fit and has been closed; the caller tries the next.
    pub(super) fn make_ready(
        self: &Arc<Self>,
        lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        let now = self.clock.now();
        if let Some(reason) = self.staleness_before_use(lease.live(), now) {
            self.close_lease(lease, reason);
            return Ok(None);
        }
        let lease = if self.ping_is_due(lease.live(), now) {
            match self.test(lease, turn)? {
                Some(lease) => lease,
                None => return Ok(None),
            }
        } else {
            lease
        };
        if self.hooks.has_checkout {
            self.offer_to_hook(lease, turn)
        } else {
            Ok(Some(lease))
        }
    }

    /// Pings the connection. If it is lost, those opened before it may be replaced too; if the ping fails for another reason, only
    /// this connection is closed.
    pub(super) fn test(
        self: &Arc<Self>,
        lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        let limit = self.settings.health_check_timeout.min(turn.remaining());
        if limit.is_zero() {
            self.put_back(lease);
            return Err(self.timed_out(turn, false));
        }
        let refused = self.gate.lock().query_refused();
        if let Some(refused) = refused {
            self.put_back(lease);
            return Err(refused);
        }
        match self.ping(lease, limit) {
            Pinged::Alive(lease) => Ok(Some(lease)),
            Pinged::Unsuited => Ok(None),
            Pinged::QueryRefused(lease, error) => {
                self.put_back(lease);
                if !turn.is_probe {
                    self.gate.lock().counters_mut().counts.validation_failures += 1;
                }
                Err(error)
            }
            Pinged::Failed(lease, mut fault) => {
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                self.speak_for_others(lease.live(), fault.verdict);
                // A new connection that ends so proves that the next would fare no better.
                let ended_alone = fault.verdict == Verdict::Ended && !lease.live().unused;
                turn.ended_alone += u32::from(ended_alone);
                self.close_lease(lease, reason);
                let cause = Error::new(ErrorKind::Validation, std::mem::take(&mut fault.words));
                self.validation_failed(
                    turn,
                    match fault.source.take() {
                        Some(source) => cause.with_source(source),
                        None => cause,
                    },
                )
            }
            Pinged::NoAnswer => {
                let words = format!("no answer within {limit:?}");
                self.validation_failed(turn, Error::new(ErrorKind::Validation, words))
            }
        }
    }

    fn validation_failed(
        self: &Arc<Self>,
        turn: &mut Turn<M>,
        cause: Error,
    ) -> Result<Option<Lease<M>>, Error> {
        if !turn.is_probe {
            self.gate.lock().counters_mut().counts.validation_failures += 1;
        }
        say!(
            Info,
            self.target(),
            "a connection failed its test and is replaced: {cause}"
        );
        turn.validation_failures += 1;
        if turn.remaining().is_zero() {
            self.count_timeout(turn);
        } else if turn.validation_failures - turn.ended_alone
            < self.settings.max_validation_failures
        {
            // A session that the server has ended, for its idleness as a rule, says nothing against the next connection, and those
            // that have been idle for longer have ended too. There are no more of them than idle connections.
            return Ok(None);
        }
        let message = format!(
            "{} failed their test, the last: {cause}",
            counted(
                turn.validation_failures,
                "connection",
                "connections in a row"
            )
        );
        let error = Error::new(ErrorKind::Validation, message);
        Err(match cause.shared_source() {
            Some(source) => error.with_source(source),
            None => error,
        })
    }

    fn offer_to_hook(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        lease.live_mut().taken_at(self.clock.now());
        let called = self.run_hook("checkout", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.checking_out(connection, info)
        });
        let Err(failure) = called else {
            return Ok(Some(lease));
        };
        self.close_lease(lease, CloseReason::HookFailed);
        turn.refusals += 1;
        match failure {
            HookFailure::Panicked(panic) => panic.resume(),
            refused if turn.refusals >= REFUSALS => {
                Err(self.failed_hook("checkout", refused).error)
            }
            HookFailure::Refused(_) => Ok(None),
        }
    }
}
