//! One checkout, from its call to its end.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::cancellation::{CancellationToken, Listening};
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::waiter::Waiter;
use crate::lifecycle::shared::Shared;

/// One checkout, from its call to its end.
pub(crate) struct Turn<M: Manager> {
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    /// Its place in the order of arrival, which it keeps when it has to try again. 0: none yet.
    pub(super) ticket: u64,
    waiter: Option<Arc<Waiter<M>>>,
    pub(super) validation_failures: u32,
    /// How many of these connections had only been ended by the server, each alone.
    pub(super) ended_alone: u32,
    pub(super) refusals: u32,
    pub(super) connect_failures: u32,
    pub(super) last_connect_error: Option<Error>,
    /// How many connects of the pool had succeeded when that error came.
    pub(super) successes_before: u64,
    pub(super) counted_exhausted: bool,
    pub(super) counted_waiting: bool,
    /// It is counted as one that timed out or was refused.
    pub(super) counted_failed: Cell<bool>,
    /// It has been let into the queue or has had a connection, so max_waiting no longer applies to it.
    pub(super) admitted: bool,
    /// It is a health check and not a checkout: not counted as one, and no hook hears of it.
    pub(super) is_probe: bool,
    pub(super) location: &'static Location<'static>,
    /// Ends its waits when it is cancelled.
    pub(super) token: Option<CancellationToken>,
    pub(super) listening: Option<Listening>,
}

impl<M: Manager> Turn<M> {
    pub(crate) fn new(
        started: Instant,
        timeout: Duration,
        location: &'static Location<'static>,
    ) -> Self {
        Turn {
            started,
            deadline: later(started, timeout),
            timeout,
            ticket: 0,
            waiter: None,
            validation_failures: 0,
            ended_alone: 0,
            refusals: 0,
            connect_failures: 0,
            last_connect_error: None,
            successes_before: 0,
            counted_exhausted: false,
            counted_waiting: false,
            counted_failed: Cell::new(false),
            admitted: false,
            is_probe: false,
            location,
            token: None,
            listening: None,
        }
    }

    /// Until the deadline.
    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Where it is told what it waits for.
    pub(super) fn waiter(&mut self) -> Arc<Waiter<M>> {
        let (started, deadline) = (self.started, self.deadline);
        self.waiter
            .get_or_insert_with(|| Waiter::new(started, deadline))
            .clone()
    }
    /// Whether its own attempt to connect failed, and no connect of the pool has succeeded since.
    pub(super) fn cannot_connect(&self, successes: u64) -> bool {
        self.last_connect_error.is_some() && self.successes_before == successes
    }
}

/// A call for a connection, which counts as failed unless it ends otherwise: with an error or with the panic of a hook.
pub(super) struct Serving<'a, M: Manager> {
    pub(super) turn: Turn<M>,
    shared: &'a Shared<M>,
    is_over: bool,
}

impl<'a, M: Manager> Serving<'a, M> {
    pub(super) fn new(shared: &'a Shared<M>, turn: Turn<M>) -> Self {
        Serving {
            turn,
            shared,
            is_over: false,
        }
    }

    /// It ends without a failure: it was served, or did not mean to wait.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl<M: Manager> Drop for Serving<'_, M> {
    fn drop(&mut self) {
        if !self.is_over && !self.turn.counted_failed.get() {
            self.shared.count_failed();
        }
    }
}
