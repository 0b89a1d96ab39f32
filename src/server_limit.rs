//! How many connections the server takes: asked once, on an idle connection, on a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::connection_info::CloseReason;
use crate::contract::driver::{Call, ErrorClass, Manager, ServerLimit};
use crate::places::Lease;
use crate::pool::Inner;

/// Whether the server's limit was asked for.
#[derive(Clone, Copy)]
pub(crate) enum LimitKnown {
    Unasked,
    Asking,
    Known(Option<ServerLimit>),
}

impl LimitKnown {
    pub(crate) fn known(self) -> Option<ServerLimit> {
        match self {
            LimitKnown::Known(limit) => limit,
            LimitKnown::Unasked | LimitKnown::Asking => None,
        }
    }
}

impl<M: Manager> Inner<M> {
    /// Asks an idle connection for the server's limit, once, and for no longer than `limit`. `None`: the connection did not survive it.
    pub(crate) fn ask_server_limit(
        self: &Arc<Self>,
        lease: Lease<M>,
        limit: Duration,
    ) -> Option<Lease<M>> {
        if limit.is_zero() {
            return Some(lease);
        }
        {
            let mut queue = self.queue.lock();
            if !matches!(queue.server_limit, LimitKnown::Unasked) {
                return Some(lease);
            }
            queue.server_limit = LimitKnown::Asking;
        }
        let called = self.call(
            Call::ServerLimit,
            lease,
            limit,
            CloseReason::ValidationFailed,
            |inner, live| {
                inner
                    .driver
                    .server_limit(&inner.manager, &mut live.connection)
            },
        );
        let (lease, unfit, answer) = match called {
            None => (None, None, LimitKnown::Unasked),
            Some((lease, Ok(Ok(answer)))) => (Some(lease), None, LimitKnown::Known(answer)),
            Some((lease, Ok(Err(error)))) => {
                // Asked again later where it was not the question that failed.
                let answer = match self.describe(&error).0 {
                    ErrorClass::Lost | ErrorClass::Owed | ErrorClass::Transient => {
                        LimitKnown::Unasked
                    }
                    ErrorClass::Permanent | ErrorClass::Statement => LimitKnown::Known(None),
                };
                let fault = self.fault(&lease, Ok(error));
                log::debug!(target: &self.target, "the server does not tell how many connections it takes: {}", fault.words);
                self.speak_for_others(lease.live(), fault.verdict);
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                (Some(lease), Some(reason), answer)
            }
            Some((lease, Err(_))) => {
                let reason = CloseReason::ValidationFailed;
                (Some(lease), Some(reason), LimitKnown::Known(None))
            }
        };
        self.queue.lock().server_limit = answer;
        match (lease, unfit) {
            (Some(lease), Some(reason)) => {
                self.close_lease(lease, reason);
                None
            }
            (lease, _) => lease,
        }
    }

    /// Whether the server's limit is still to be asked for, and a connection is idle to do so.
    pub(crate) fn wants_server_limit(&self) -> bool {
        let queue = self.queue.lock();
        matches!(queue.server_limit, LimitKnown::Unasked) && !queue.idle.is_empty()
    }

    /// Takes an idle connection to ask for the server's limit.
    pub(crate) fn learn_server_limit(self: &Arc<Self>) {
        let Some(lease) = self.queue.lock().take_coldest() else {
            return;
        };
        let lease = self.ask_server_limit(lease, self.settings.health_check_timeout);
        lease
            .into_iter()
            .for_each(|lease| self.put_back_idle(lease));
    }
}
