//! How many connections the server takes: asked once, on an idle connection, on a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use crate::base::log::say;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::gate::lease::Lease;
use crate::gate::reach::LimitKnown;
use crate::lifecycle::shared::Shared;

impl<M: Manager> Shared<M> {
    /// Asks the server for its limit on this connection, once in the life of the pool and for no longer than `limit`. `None` means
    /// that the connection did not survive it.
    pub(crate) fn ask_server_limit(
        self: &Arc<Self>,
        lease: Lease<M>,
        limit: Duration,
    ) -> Option<Lease<M>> {
        if limit.is_zero() {
            return Some(lease);
        }
        if !self.gate.lock().begin_asking() {
            return Some(lease);
        }
        let called = self.call(
            Call::ServerLimit,
            lease,
            limit,
            CloseReason::ValidationFailed,
            |shared, live| {
                shared
                    .driver
                    .server_limit(&shared.manager, &mut live.connection)
            },
        );
        let (lease, unfit, answer) = match called {
            None => (None, None, LimitKnown::Unasked),
            Some((lease, Ok(Ok(answer)))) => (Some(lease), None, LimitKnown::Known(answer)),
            Some((lease, Ok(Err(error)))) => {
                // If it was the connection that failed and not the question, it is asked again later.
                let answer = match self.describe(&error).0 {
                    ErrorClass::Lost
                    | ErrorClass::Owed
                    | ErrorClass::Transient
                    | ErrorClass::Full => LimitKnown::Unasked,
                    ErrorClass::Unsuited | ErrorClass::Permanent | ErrorClass::Statement => {
                        LimitKnown::Known(None)
                    }
                };
                let fault = self.fault(&lease, Ok(error));
                say!(
                    Debug,
                    self.target(),
                    "the server does not tell how many connections it takes: {}",
                    fault.words
                );
                self.speak_for_others(lease.live(), fault.verdict);
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                (Some(lease), Some(reason), answer)
            }
            Some((lease, Err(_))) => {
                let reason = CloseReason::ValidationFailed;
                (Some(lease), Some(reason), LimitKnown::Known(None))
            }
        };
        self.gate.lock().note_limit(answer);
        match (lease, unfit) {
            (Some(lease), Some(reason)) => {
                self.close_lease(lease, reason);
                None
            }
            (lease, _) => lease,
        }
    }

    /// Takes an idle connection to ask for the server's limit.
    pub(crate) fn learn_server_limit(self: &Arc<Self>) {
        let Some(lease) = self.gate.lock().take_coldest() else {
            return;
        };
        let lease = self.ask_server_limit(lease, self.settings.health_check_timeout);
        lease
            .into_iter()
            .for_each(|lease| self.put_back_idle(lease));
    }
}
