//! Whether the database answers, asked in earnest: with a connection whose turn it is.

use std::sync::Arc;
use std::time::SystemTime;

use crate::base::sync::Instant;
use crate::checkout::turn::Turn;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::reach::LastCheck;
use crate::lifecycle::shared::Shared;
use crate::settings::Mode;

impl<M: Manager> Shared<M> {
    /// A health check. It is counted as one and in no other counter.
    pub(crate) fn probe(self: &Arc<Self>, mut turn: Turn<M>) -> Result<(), Error> {
        self.may_block_here("ping")?;
        turn.is_probe = true;
        let started = turn.started;
        let result = self.ping_any(turn);
        let error = result.as_ref().err().cloned();
        // If the pool was used up or closed, the database was not asked, and the result says nothing about it.
        if error
            .as_ref()
            .is_none_or(|error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Validation))
        {
            self.gate.lock().note_check(LastCheck {
                at: SystemTime::now(),
                ended: Instant::now(),
                took: started.elapsed(),
                error,
            });
        } else {
            self.gate.lock().counters_mut().counts.health_check_failures += 1;
        }
        result
    }

    fn ping_any(self: &Arc<Self>, mut turn: Turn<M>) -> Result<(), Error> {
        loop {
            let lease = self.next_lease(&mut turn)?;
            if let Some(reason) = self.staleness_before_use(lease.live(), self.clock.now()) {
                self.close_lease(lease, reason);
                continue;
            }
            if let Some(lease) = self.test(lease, &mut turn)? {
                if self.mode == Mode::Null {
                    self.close_lease_and_settle(lease, CloseReason::NullPool);
                } else {
                    self.put_back(lease);
                }
                return Ok(());
            }
        }
    }
}
