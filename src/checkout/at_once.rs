//! A connection that is there at once, or none.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::checkout::connection::Connection;
use crate::checkout::turn::{Serving, Turn};
use crate::contract::call::Call;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::lease::Lease;
use crate::lifecycle::shared::{CalledAt, Shared};
use crate::settings::Mode;

impl<M: Manager> Shared<M> {
    /// As [`checkout`](Shared::checkout), without waiting for a connection.
    pub(crate) fn try_checkout(
        self: &Arc<Self>,
        timeout: Duration,
        location: &'static Location<'static>,
    ) -> Result<Option<Connection<M>>, Error> {
        self.may_block_here(CalledAt("try_get", location))?;
        let started = Instant::now();
        if let Some(connection) = self.take_parked(started, location) {
            return Ok(Some(connection));
        }
        let ticket = match self.take_ready(started, location) {
            Ok(connection) => return Ok(Some(connection)),
            Err(ticket) => ticket,
        };
        let mut serving = Serving::new(self, Turn::new(started, timeout, location));
        serving.turn.ticket = ticket;
        let found = loop {
            let Some(lease) = self.lease_at_once(&mut serving.turn)? else {
                break None;
            };
            if let Some(lease) = self.make_ready(lease, &mut serving.turn)? {
                break Some(self.hand_out(lease, &serving.turn)?);
            }
        };
        serving.end();
        Ok(found)
    }

    fn lease_at_once(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Option<Lease<M>>, Error> {
        let mut gate = self.gate.lock_queue();
        if let Some(lease) = self.arrive(&mut gate, turn)? {
            return Ok(Some(lease));
        }
        let may_open = self.mode == Mode::Null && self.facts.is_bounded(Call::Connect);
        let attempt = match may_open {
            true => gate.open_at_once(turn.ticket),
            false => None,
        };
        drop(gate);
        let Some(attempt) = attempt else {
            return Ok(None);
        };
        self.open_here(attempt, turn)
            .map(Some)
            .map_err(|failure| match failure.panic {
                Some(panic) => panic.resume(),
                None => failure.error,
            })
    }
}
