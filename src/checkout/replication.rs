//! How far the server's log has come: asked with a connection whose turn it is.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::checkout::turn::Turn;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::contract::replication::Replication;
use crate::error::{Error, ErrorKind};
use crate::gate::lease::Lease;
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;
use crate::settings::Mode;

impl<M: Manager> Shared<M> {
    /// The server's answer, within `limit`. The connection is tested first, so that one that has been lost is replaced.
    pub(crate) fn replication(self: &Arc<Self>, limit: Duration) -> Result<Replication, Error> {
        self.may_block_here("a check of replication")?;
        let mut turn = Turn::new(Instant::now(), limit, Location::caller());
        turn.is_probe = true;
        loop {
            let lease = self.next_lease(&mut turn)?;
            if let Some(reason) = self.staleness_before_use(lease.live(), self.clock.now()) {
                self.close_lease(lease, reason);
                continue;
            }
            if let Some(lease) = self.test(lease, &mut turn)? {
                return self.ask_replication(lease, turn.remaining());
            }
        }
    }

    fn ask_replication(
        self: &Arc<Self>,
        lease: Lease<M>,
        limit: Duration,
    ) -> Result<Replication, Error> {
        let called = self.call(
            Call::Replication,
            lease,
            limit,
            CloseReason::ValidationFailed,
            |shared, live| {
                shared
                    .driver
                    .replication(&shared.manager, &mut live.connection)
            },
        );
        let (lease, failed) = match called {
            None => {
                let words = format!("{} did not end in time", Call::Replication);
                return Err(Error::new(ErrorKind::Connect, words));
            }
            Some((lease, Ok(Ok(told)))) => {
                self.put_back_after_question(lease);
                return Ok(told);
            }
            Some((lease, Ok(Err(error)))) => (lease, Ok(error)),
            Some((lease, Err(panic))) => (lease, Err(panic)),
        };
        let panicked = failed.is_err();
        let mut fault = self.fault(&lease, failed);
        if fault.verdict == Verdict::Sound && !panicked {
            self.put_back_after_question(lease);
            return Ok(Replication::refused(std::mem::take(&mut fault.words)));
        }
        self.speak_for_others(lease.live(), fault.verdict);
        let reason = fault.close_reason(CloseReason::ValidationFailed);
        self.close_lease(lease, reason);
        let error = Error::new(ErrorKind::Connect, std::mem::take(&mut fault.words));
        Err(match fault.source.take() {
            Some(source) => error.with_source(source),
            None => error,
        })
    }

    fn put_back_after_question(self: &Arc<Self>, lease: Lease<M>) {
        match self.mode {
            Mode::Null => self.close_lease_and_settle(lease, CloseReason::NullPool),
            Mode::Queue => self.put_back(lease),
        }
    }
}
