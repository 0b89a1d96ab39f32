//! The way out: the next connection whose turn it is, made ready, under one deadline.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::checkout::connection::Connection;
use crate::checkout::turn::{Serving, Turn};
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::barging::Look;
use crate::gate::failure::Failure;
use crate::gate::lease::{Lease, Live};
use crate::gate::waiter::{Signal, Waiter};
use crate::gate::{Locked, State};
use crate::lifecycle::shared::{CalledAt, Shared};

impl<M: Manager> Shared<M> {
    /// The main path: a connection that this thread has parked and that is ready; else the one whose turn it is.
    #[inline]
    pub(crate) fn checkout(
        self: &Arc<Self>,
        timeout: Duration,
        location: &'static Location<'static>,
    ) -> Result<Connection<M>, Error> {
        self.may_block_here(CalledAt("get", location))?;
        let started = Instant::now();
        match self.take_parked(started, location) {
            Some(connection) => Ok(connection),
            None => self.checkout_at_the_gate(started, timeout, location),
        }
    }

    /// The short way: by the lock of this thread's bay alone.
    #[inline]
    pub(super) fn take_parked(
        &self,
        started: Instant,
        location: &'static Location<'static>,
    ) -> Option<Connection<M>> {
        let bay = self.gate.own_bay();
        let is_ready = |live: &Live<M>, at| self.is_ready(live, at);
        let lease = bay.take(started, &self.clock, location, is_ready)?;
        Some(Connection::new(lease))
    }

    /// Whether a connection needs neither a ping nor to be replaced.
    #[inline]
    fn is_ready(&self, live: &Live<M>, at: Instant) -> bool {
        self.staleness(live, at).is_none() && !self.ping_is_due(live, at)
    }

    /// Takes the connection whose turn it is and makes it ready; if it turns out unfit, takes the next. One deadline covers all of it.
    #[inline(never)]
    fn checkout_at_the_gate(
        self: &Arc<Self>,
        started: Instant,
        timeout: Duration,
        location: &'static Location<'static>,
    ) -> Result<Connection<M>, Error> {
        let ticket = match self.take_ready(started, location) {
            Ok(connection) => return Ok(connection),
            Err(ticket) => ticket,
        };
        let mut turn = Turn::new(started, timeout, location);
        turn.ticket = ticket;
        self.serve(turn)
    }

    /// The rest of a checkout, for which nothing was ready at once.
    pub(super) fn serve(self: &Arc<Self>, turn: Turn<M>) -> Result<Connection<M>, Error> {
        let mut serving = Serving::new(self, turn);
        loop {
            let lease = self.next_lease(&mut serving.turn)?;
            if let Some(lease) = self.make_ready(lease, &mut serving.turn)? {
                let connection = self.hand_out(lease, &serving.turn)?;
                serving.end();
                return Ok(connection);
            }
        }
    }

    /// An idle connection that needs neither a ping nor a hook is handed out under one hold of the gate's lock. Otherwise it must be
    /// waited for or made ready, with this ticket; 0: none yet.
    pub(super) fn take_ready(
        self: &Arc<Self>,
        started: Instant,
        location: &'static Location<'static>,
    ) -> Result<Connection<M>, u64> {
        if self.hooks.has_checkout {
            return Err(0);
        }
        let bay = self.gate.own_bay();
        // The clock is read once more only if the lock had to be waited for.
        let (mut gate, now, waited) = match self.gate.try_lock_queue() {
            Some(gate) => (gate, started, Duration::ZERO),
            None => {
                let gate = self.gate.lock_queue();
                let now = Instant::now();
                (gate, now, now.saturating_duration_since(started))
            }
        };
        let ticket = gate.take_ticket();
        let at = self.clock.at(now);
        let ready = gate.take_ready(bay.index, now, |live| self.is_ready(live, at));
        let mut lease = ready.ok_or(ticket)?;
        gate.count_checkout(&mut lease, bay.index, location, waited, now);
        drop(gate);
        self.keep(&mut lease);
        Ok(Connection::new(lease))
    }

    /// An idle connection if nobody waits. Otherwise whatever comes first: a connection that is handed over, one that is opened, an
    /// error, or the deadline.
    pub(super) fn next_lease(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Lease<M>, Error> {
        let waiter = {
            let mut gate = self.gate.lock_queue();
            if let Some(lease) = self.arrive(&mut gate, turn)? {
                turn.admitted = true;
                return Ok(lease);
            }
            if turn.remaining().is_zero() {
                if !gate.has_room() {
                    gate.turn_away(turn.ticket, turn.is_probe);
                }
                drop(gate);
                return Err(self.timed_out(turn, false));
            }
            match self.wait_in(&mut gate, turn) {
                Ok(waiter) => waiter,
                Err(limit) => {
                    drop(gate);
                    return Err(self.overloaded(limit));
                }
            }
        };
        turn.listen(&waiter);
        let mut until = turn.deadline;
        loop {
            let signal = turn.wait(&waiter, until);
            until = turn.deadline;
            match signal {
                Some(Signal::Look) => {
                    let bay = self.gate.own_bay().index;
                    let mut gate = self.gate.lock_queue();
                    let look = gate.look(turn.ticket, bay, Instant::now());
                    drop(gate);
                    match look {
                        Look::Found(lease) => return Ok(lease),
                        Look::Again(at) => until = at.min(turn.deadline),
                        Look::Wait => {}
                    }
                }
                Some(Signal::Lease(lease)) => return Ok(lease),
                Some(Signal::Open(attempt)) => match self.open_here(attempt, turn) {
                    Ok(lease) => return Ok(lease),
                    Err(failure) => self.after_failure(turn, failure)?,
                },
                Some(Signal::Failed(failure)) => self.after_failure(turn, failure)?,
                Some(Signal::Closed) => return Err(self.closed_error()),
                Some(Signal::Cancelled) => self.leave_cancelled(turn)?,
                None => {
                    let left = self.gate.leave_at_deadline(
                        turn.ticket,
                        turn.is_probe,
                        turn.last_connect_error
                            .as_ref()
                            .map(|_| turn.successes_before),
                    );
                    // `None`: a signal came at the last moment; the loop looks at it.
                    if let Some(connecting) = left {
                        return Err(self.timed_out(turn, connecting));
                    }
                }
            }
        }
    }

    /// Gives the caller its place in the order of arrival, and an idle connection if nobody came before it.
    pub(super) fn arrive(
        &self,
        gate: &mut State<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        if gate.is_closed() {
            return Err(self.closed_error());
        }
        if turn.ticket == 0 {
            turn.ticket = gate.take_ticket();
        }
        Ok(gate.take_idle(turn.ticket, self.gate.own_bay().index))
    }

    /// Joins the queue, and starts a connect if there is room for one. The error is the limit max_waiting, if it has been reached.
    fn wait_in(&self, gate: &mut Locked<'_, M>, turn: &mut Turn<M>) -> Result<Arc<Waiter<M>>, u32> {
        let is_new = !std::mem::replace(&mut turn.admitted, true);
        let waiter = turn.waiter();
        gate.join(turn.ticket, &waiter);
        if gate.must_wait(turn.ticket) {
            gate.watch_for_exhaustion(turn.ticket);
            if is_new
                && let Some(limit) = self.settings.max_waiting
                && gate.wait_more_than(limit)
            {
                gate.refuse(turn.ticket, turn.is_probe);
                turn.counted_failed.set(true);
                return Err(limit);
            }
            if !turn.counted_exhausted && !turn.is_probe {
                turn.counted_exhausted = true;
                gate.counters_mut().counts.exhausted += 1;
            }
        }
        gate.note_waiting(turn.ticket, &mut turn.counted_waiting);
        Ok(waiter)
    }

    /// Opens on the caller's own thread, for a driver whose connect is local.
    pub(super) fn open_here(
        self: &Arc<Self>,
        attempt: u64,
        turn: &Turn<M>,
    ) -> Result<Lease<M>, Failure> {
        let limit = self.settings.connect_timeout.min(turn.remaining());
        let opened = self.open(attempt, limit);
        self.gate.lock().own_attempt_ended(attempt, opened)
    }

    /// The caller's own attempt to connect failed: it sleeps until the next one, or leaves with the driver's error.
    fn after_failure(self: &Arc<Self>, turn: &mut Turn<M>, failure: Failure) -> Result<(), Error> {
        turn.connect_failures += 1;
        let retry = if failure.transient {
            self.settings.retry.delay_after(turn.connect_failures)
        } else {
            None
        };
        turn.last_connect_error = Some(failure.error.clone());
        turn.successes_before = failure.successes;
        let waiter = turn.waiter();
        // A signal may have come since the failure.
        let late;
        let closed = {
            let mut gate = self.gate.lock();
            // A look is taken below, and at the token when it waits again.
            late = waiter
                .take()
                .filter(|signal| !matches!(signal, Signal::Look | Signal::Cancelled));
            if let Some(delay) = retry
                && (late.is_some() || !gate.is_closed())
            {
                if let Some(signal) = late {
                    // The caller looks at it instead of sleeping.
                    gate.post(&waiter, signal);
                } else if let Some(lease) = gate.take_idle(turn.ticket, self.gate.own_bay().index) {
                    // While it opened on its own thread it was not in the queue, so nobody could hand it anything.
                    gate.leave(turn.ticket);
                    gate.post(&waiter, Signal::Lease(lease));
                } else {
                    match gate.successes() > failure.successes {
                        true => gate.join(turn.ticket, &waiter),
                        false => gate.sleep(turn.ticket, &waiter, later(Instant::now(), delay)),
                    }
                    gate.note_waiting(turn.ticket, &mut turn.counted_waiting);
                }
                return Ok(());
            }
            gate.leave(turn.ticket);
            gate.is_closed() && failure.transient
        };
        if let Some(Signal::Lease(lease)) = late {
            self.put_back(lease);
        }
        if closed {
            return Err(self.closed_error());
        }
        match failure.panic {
            Some(panic) => panic.resume(),
            None => Err(failure.error),
        }
    }

    /// Counts the checkout, notes the holder, and hands the guard out.
    pub(super) fn hand_out(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        turn: &Turn<M>,
    ) -> Result<Connection<M>, Error> {
        let bay = self.gate.own_bay();
        let mut gate = self.gate.lock_queue();
        if gate.is_closed() {
            drop(gate);
            self.close_lease(lease, CloseReason::PoolClosed);
            return Err(self.closed_error());
        }
        let now = Instant::now();
        let waited = now.saturating_duration_since(turn.started);
        gate.count_checkout(&mut lease, bay.index, turn.location, waited, now);
        drop(gate);
        self.keep(&mut lease);
        Ok(Connection::new(lease))
    }

    /// The connection goes out, and keeps the pool alive until it comes back.
    fn keep(self: &Arc<Self>, lease: &mut Lease<M>) {
        let live = lease.live_mut();
        if live.keeper.is_none() {
            live.keeper = Some(self.clone());
        }
    }
}
