//! A checkout whose wait another thread can end.
//!
//! The token is cancelled first, and then those who wait are woken. A caller listens before its first look at the token, and looks
//! again before each wait. So either it sees that the token is cancelled, or it is woken; and if it has an unread signal at that
//! moment, it reads that, and then looks. What was handed to it at the last moment is read before it leaves, as at a deadline.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

#[cfg(queuepool_loom)]
use crate::base::loom::{Fault, is_broken};
use crate::base::sync::Instant;
use crate::checkout::connection::Connection;
use crate::checkout::turn::Turn;
use crate::contract::cancellation::CancellationToken;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::waiter::{Signal, Waiter};
use crate::lifecycle::shared::{CalledAt, Shared};

impl<M: Manager> Shared<M> {
    /// As [`checkout`](Shared::checkout), until the token is cancelled.
    pub(crate) fn checkout_unless(
        self: &Arc<Self>,
        token: &CancellationToken,
        timeout: Duration,
        location: &'static Location<'static>,
    ) -> Result<Connection<M>, Error> {
        self.may_block_here(CalledAt("get_cancellable", location))?;
        if token.is_cancelled() {
            return Err(self.cancelled_error());
        }
        let started = Instant::now();
        if let Some(connection) = self.take_parked(started, location) {
            return Ok(connection);
        }
        let ticket = match self.take_ready(started, location) {
            Ok(connection) => return Ok(connection),
            Err(ticket) => ticket,
        };
        let mut turn = Turn::new(started, timeout, location);
        turn.ticket = ticket;
        turn.token = Some(token.clone());
        self.serve(turn)
    }

    /// Leaves the queue. Ok: a signal came at the last moment, and is to be looked at.
    pub(super) fn leave_cancelled(&self, turn: &Turn<M>) -> Result<(), Error> {
        #[cfg(queuepool_loom)]
        if is_broken(Fault::CancelIgnoresLastMoment) {
            self.gate.lock().leave(turn.ticket);
            return Err(self.cancelled_error());
        }
        let has_left = self.gate.lock().leave_if_undecided(turn.ticket);
        match has_left {
            true => Err(self.cancelled_error()),
            false => Ok(()),
        }
    }

    fn cancelled_error(&self) -> Error {
        Error::new(
            ErrorKind::Cancelled,
            format!(
                "the wait for a connection of the pool {} was cancelled",
                self.name
            ),
        )
    }
}

impl<M: Manager> Turn<M> {
    /// From now on it is woken when its token is cancelled.
    pub(super) fn listen(&mut self, waiter: &Arc<Waiter<M>>) {
        if self.listening.is_none() {
            let token = self.token.as_ref();
            self.listening = token.map(|token| token.listen(waiter.clone()));
        }
    }

    fn is_cancelled(&self) -> bool {
        #[cfg(queuepool_loom)]
        if is_broken(Fault::CancelIsForgotten) {
            return false;
        }
        self.token
            .as_ref()
            .is_some_and(CancellationToken::is_cancelled)
    }

    /// The next signal, or `None` at this moment.
    pub(super) fn wait(&self, waiter: &Waiter<M>, until: Instant) -> Option<Signal<M>> {
        if self.is_cancelled() {
            return Some(waiter.take().unwrap_or(Signal::Cancelled));
        }
        match waiter.wait(until) {
            None if until < self.deadline => Some(Signal::Look),
            signal => signal,
        }
    }
}
