//! The end of a pool: close, and the last handle's drop.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::base::words::counted;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::shared::Shared;

impl<M: Manager> Shared<M> {
    pub(crate) fn close(self: &Arc<Self>, deadline: Duration) -> Result<(), Error> {
        let end = later(Instant::now(), deadline);
        self.shut();
        let gate = self.gate.wait_until(end, |state| state.is_drained());
        let result = if gate.is_drained() {
            Ok(())
        } else {
            let message = format!(
                "the pool {} did not drain within {deadline:?}: {} out, {} being opened, {} being \
                 closed{}",
                self.name,
                counted(gate.counters().out(), "connection is", "connections are"),
                gate.opening(),
                gate.closing(),
                self.evidence(&gate),
            );
            Err(Error::new(ErrorKind::Timeout, message))
        };
        drop(gate);
        self.shut_driver();
        self.hooks.discard();
        result
    }

    /// Closes the pool without waiting: nobody waits for a connection and none is idle from now on.
    pub(crate) fn shut(self: &Arc<Self>) {
        let mut gate = self.gate.lock();
        let (idle, is_first) = gate.close();
        let drained = gate.is_drained();
        drop(gate);
        if is_first {
            self.event(format_args!("the pool {} is closed", self.name));
        }
        idle.into_iter()
            .for_each(|lease| self.close_lease(lease, CloseReason::PoolClosed));
        if drained {
            self.shut_driver();
        }
    }
}
