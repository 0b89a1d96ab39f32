//! How many connections the server takes: asked once, on an idle connection, on a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{Call, ErrorClass, Manager, ServerLimit};
use crate::hooks::CloseReason;
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
        if !self.driver.has_server_limit() || limit.is_zero() {
            return Some(lease);
        }
        {
            let mut queue = self.queue.lock();
            if !matches!(queue.server_limit, LimitKnown::Unasked) {
                return Some(lease);
            }
            queue.server_limit = LimitKnown::Asking;
        }
        let generation = lease.live().generation;
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
        let (lease, result) = match called {
            Some((lease, result)) => (Some(lease), Some(result)),
            None => (None, None),
        };
        let mut unfit = matches!(result, Some(Err(_))).then_some(CloseReason::ValidationFailed);
        let answer = match result {
            Some(Ok(Ok(answer))) => LimitKnown::Known(answer),
            Some(Ok(Err(error))) => {
                let (class, words) = self.describe(&error);
                log::debug!(target: &self.target, "the server does not tell how many connections it takes: {words}");
                if class == ErrorClass::Lost {
                    self.replace_older(generation);
                    unfit = Some(CloseReason::Lost);
                }
                match class {
                    ErrorClass::Lost | ErrorClass::Transient => LimitKnown::Unasked,
                    ErrorClass::Permanent | ErrorClass::Statement => LimitKnown::Known(None),
                }
            }
            Some(Err(_)) => LimitKnown::Known(None),
            None => LimitKnown::Unasked,
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
        matches!(queue.server_limit, LimitKnown::Unasked)
            && !queue.idle.is_empty()
            && self.driver.has_server_limit()
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
