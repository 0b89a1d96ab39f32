//! The way out: the next connection whose turn it is, made ready, under one deadline.

use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::connection::Connection;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::{Call, Manager};
use crate::counters::{HolderRecord, LastCheck, thread_name};
use crate::error::{Error, ErrorKind};
use crate::opener::Failure;
use crate::places::Lease;
use crate::pool::Inner;
use crate::queue::{Queue, Signal, Waiter};
use crate::settings::Mode;

/// One checkout, from its call to its end.
pub(crate) struct Turn<M: Manager> {
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    /// Its arrival: kept when it has to try again.
    pub(crate) ticket: u64,
    waiter: Option<Arc<Waiter<M>>>,
    pub(crate) validation_failures: u32,
    pub(crate) refusals: u32,
    connect_failures: u32,
    pub(crate) last_connect_error: Option<Error>,
    counted_exhausted: bool,
    /// It was let into the queue, or had a connection already: max_waiting does not apply to it any more.
    admitted: bool,
    /// Not a checkout: in no counter, and no hook hears of it.
    pub(crate) is_probe: bool,
    location: &'static Location<'static>,
}

impl<M: Manager> Turn<M> {
    pub(crate) fn new(timeout: Duration, location: &'static Location<'static>) -> Self {
        let started = Instant::now();
        Turn {
            started,
            deadline: later(started, timeout),
            timeout,
            ticket: 0,
            waiter: None,
            validation_failures: 0,
            refusals: 0,
            connect_failures: 0,
            last_connect_error: None,
            counted_exhausted: false,
            admitted: false,
            is_probe: false,
            location,
        }
    }

    /// Until the deadline.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl<M: Manager> Inner<M> {
    /// The main path: the next connection whose turn it is, made ready, or the next; one deadline for all of it.
    pub(crate) fn checkout(self: &Arc<Self>, mut turn: Turn<M>) -> Result<Connection<M>, Error> {
        self.may_block_here("get")?;
        if let Some(connection) = self.take_ready(&mut turn) {
            return Ok(connection);
        }
        loop {
            let lease = self.next_lease(&mut turn)?;
            if let Some(lease) = self.make_ready(lease, &mut turn)? {
                return self.hand_out(lease, &turn);
            }
        }
    }

    /// The short way: an idle connection that needs neither a test nor a hook, under one lock. `None`: the long way.
    fn take_ready(self: &Arc<Self>, turn: &mut Turn<M>) -> Option<Connection<M>> {
        if self.hooks.has_checkout {
            return None;
        }
        let mut queue = self.queue.lock();
        turn.ticket = queue.take_ticket();
        let now = Instant::now();
        let at = self.clock.at(now);
        let live = queue.idle.last()?.live();
        if !queue.waiters.is_empty()
            || self.staleness(live, at).is_some()
            || self.ping_is_due(live, at)
        {
            return None;
        }
        let mut lease = queue.idle.pop()?;
        let holder = self.count_checkout(&mut queue, &mut lease, turn, now);
        drop(queue);
        Some(Connection::new(self.clone(), lease, holder))
    }

    /// An idle connection if nobody waits; else the first of: one handed over, one opened, an error, the deadline.
    fn next_lease(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Lease<M>, Error> {
        let waiter = {
            let mut queue = self.queue.lock();
            if let Some(lease) = self.arrive(&mut queue, turn)? {
                turn.admitted = true;
                return Ok(lease);
            }
            if turn.remaining().is_zero() {
                if self.places.try_take().is_none() {
                    self.turn_away(&mut queue, turn);
                }
                drop(queue);
                return Err(self.timed_out(turn, false));
            }
            #[cfg(queuepool_loom)]
            crate::model::let_go_before_joining(&mut queue);
            match self.wait_in(&mut queue, turn) {
                Ok(waiter) => waiter,
                Err(limit) => {
                    drop(queue);
                    return Err(self.overloaded(limit));
                }
            }
        };
        loop {
            match waiter.wait(turn.deadline) {
                Some(Signal::Lease(lease)) => return Ok(lease),
                Some(Signal::Open(attempt)) => match self.open_here(attempt, turn) {
                    Ok(lease) => return Ok(lease),
                    Err(failure) => self.after_failure(turn, failure)?,
                },
                Some(Signal::Failed(failure)) => self.after_failure(turn, failure)?,
                Some(Signal::Closed) => return Err(self.closed_error()),
                #[cfg(queuepool_loom)]
                None if crate::model::leave_wrongly(&self.queue, turn.ticket) => {
                    return Err(self.timed_out(turn, false));
                }
                None => {
                    if let Some(error) = self.leave_at_deadline(turn) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Its place in the order of arrival, and an idle connection if nobody came before it.
    fn arrive(&self, queue: &mut Queue<M>, turn: &mut Turn<M>) -> Result<Option<Lease<M>>, Error> {
        if queue.closed {
            return Err(self.closed_error());
        }
        if turn.ticket == 0 {
            turn.ticket = queue.take_ticket();
        }
        Ok(queue.take_idle(turn.ticket))
    }

    /// `None`: a signal came at the last moment, and is to be looked at.
    fn leave_at_deadline(self: &Arc<Self>, turn: &Turn<M>) -> Option<Error> {
        let mut queue = self.queue.lock();
        if queue.find(turn.ticket)?.deciding {
            return None;
        }
        let waiting = queue.leave(turn.ticket)?;
        // Its own connect, or one that it was held back for.
        let connecting = waiting.attempt.is_some()
            || waiting.asleep_until.is_some()
            || queue.opening() > 0 && self.places.try_take().is_some();
        queue.give_up(turn.ticket);
        self.open_for_waiters(&mut queue);
        if !connecting {
            self.turn_away(&mut queue, turn);
        }
        drop(queue);
        Some(self.timed_out(turn, connecting))
    }

    /// Joins the queue and starts a connect if there is room for one. The error is the max_waiting that is reached.
    fn wait_in(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        turn: &mut Turn<M>,
    ) -> Result<Arc<Waiter<M>>, u32> {
        let is_new = !std::mem::replace(&mut turn.admitted, true);
        let waiter = turn.waiter.get_or_insert_with(Waiter::new).clone();
        queue.join(turn.ticket, &waiter, None);
        self.open_for_waiters(queue);
        let must_wait = queue
            .find(turn.ticket)
            .is_some_and(|waiting| waiting.must_wait());
        if must_wait {
            self.watch_for_exhaustion(queue, turn.ticket);
        }
        if must_wait
            && is_new
            && let Some(limit) = self.settings.max_waiting
            && queue.wait_more_than(limit)
        {
            queue.leave(turn.ticket);
            queue.counters.overloaded += u64::from(!turn.is_probe);
            self.turn_away(queue, turn);
            return Err(limit);
        }
        if must_wait && !turn.counted_exhausted && !turn.is_probe {
            turn.counted_exhausted = true;
            queue.counters.exhausted += 1;
        }
        queue.note_waiting();
        Ok(waiter)
    }

    /// Opens on the caller's own thread, for a driver whose connect is local.
    fn open_here(self: &Arc<Self>, attempt: u64, turn: &Turn<M>) -> Result<Lease<M>, Failure> {
        let limit = self.settings.connect_timeout.min(turn.remaining());
        let result = self.open(attempt, limit);
        let mut queue = self.queue.lock();
        let result = match result {
            Some(Ok(lease)) => {
                self.connected(&mut queue);
                Ok(lease)
            }
            Some(Err(failure)) => {
                // An abandoned one was counted when it was.
                let abandoned = queue
                    .attempt(attempt)
                    .is_none_or(|attempt| attempt.is_abandoned());
                if failure.error.kind() == ErrorKind::Connect && !abandoned {
                    queue.connect_failed(&failure.error);
                }
                Err(failure)
            }
            None => Err(Failure {
                transient: true,
                ..Failure::permanent(
                    ErrorKind::Connect,
                    "connecting ended after connect_timeout, and its place was taken by then",
                )
            }),
        };
        queue.end_attempt(attempt);
        self.open_for_waiters(&mut queue);
        self.drained.notify_all();
        let (notices, successes) = (queue.take_notices(), queue.successes);
        drop(queue);
        self.tell(notices);
        result.map_err(|failure| Failure {
            successes,
            ..failure
        })
    }

    /// The caller's own attempt failed: asleep until the next, or out with the driver's error.
    fn after_failure(self: &Arc<Self>, turn: &mut Turn<M>, failure: Failure) -> Result<(), Error> {
        turn.connect_failures += 1;
        let retry = if failure.transient {
            self.settings.retry.delay_after(turn.connect_failures)
        } else {
            None
        };
        turn.last_connect_error = Some(failure.error.clone());
        let waiter = turn.waiter.get_or_insert_with(Waiter::new).clone();
        let mut queue = self.queue.lock();
        let late = waiter.take();
        if let (Some(delay), None, false) = (retry, &late, queue.closed) {
            // It was not in the queue while it opened on its own thread.
            if let Some(lease) = queue.take_idle(turn.ticket) {
                waiter.post(Signal::Lease(lease));
                return Ok(());
            }
            if queue.successes > failure.successes {
                queue.join(turn.ticket, &waiter, None);
                self.open_for_waiters(&mut queue);
                return Ok(());
            }
            let until = later(Instant::now(), delay);
            queue.join(turn.ticket, &waiter, Some(until));
            queue.note_waiting();
            self.wake_timer(&mut queue, until);
            return Ok(());
        }
        if late.is_some() && retry.is_some() {
            // Something came since the failure: it is looked at instead.
            late.into_iter().for_each(|signal| waiter.post(signal));
            return Ok(());
        }
        queue.leave(turn.ticket);
        let closed = queue.closed && failure.transient;
        self.open_for_waiters(&mut queue);
        drop(queue);
        if let Some(Signal::Lease(lease)) = late {
            self.put_back(lease);
        }
        if closed {
            return Err(self.closed_error());
        }
        match failure.panic {
            Some(panic) => resume_unwind(panic),
            None => Err(failure.error),
        }
    }

    /// Counts the checkout, notes the holder, and hands the guard out.
    fn hand_out(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        turn: &Turn<M>,
    ) -> Result<Connection<M>, Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            self.close_lease(lease, CloseReason::PoolClosed);
            return Err(self.closed_error());
        }
        let holder = self.count_checkout(&mut queue, &mut lease, turn, Instant::now());
        drop(queue);
        Ok(Connection::new(self.clone(), lease, holder))
    }

    #[cfg_attr(queuepool_counting, inline(never))] // benches/counting.sh finds it by name
    fn count_checkout(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        lease: &mut Lease<M>,
        turn: &Turn<M>,
        now: Instant,
    ) -> usize {
        let at = self.clock.at(now);
        let live = lease.live_mut();
        live.unused = false;
        live.info.checkouts += 1;
        let waited = now.saturating_duration_since(turn.started);
        queue.counters.checked_out(waited);
        self.note_fullness(queue, at);
        queue.holders.add(HolderRecord {
            thread: thread_name(),
            location: turn.location,
            since: at,
            connection_id: live.info.id,
            warned: false,
        })
    }

    /// A health check: noted as one, and in no other counter.
    pub(crate) fn probe(self: &Arc<Self>, mut turn: Turn<M>) -> Result<(), Error> {
        self.may_block_here("ping")?;
        turn.is_probe = true;
        let started = turn.started;
        let result = self.ping_any(turn);
        let error = result.as_ref().err().cloned();
        // A used up or closed pool says nothing of the database, which was not asked.
        if error
            .as_ref()
            .is_none_or(|error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Validation))
        {
            self.note_check(LastCheck {
                at: SystemTime::now(),
                ended: Instant::now(),
                took: started.elapsed(),
                error,
            });
        } else {
            self.queue.lock().counters.health_check_failures += 1;
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

    pub(crate) fn try_checkout(
        self: &Arc<Self>,
        mut turn: Turn<M>,
    ) -> Result<Option<Connection<M>>, Error> {
        self.may_block_here("try_get")?;
        loop {
            let Some(lease) = self.lease_at_once(&mut turn)? else {
                return Ok(None);
            };
            match self.make_ready(lease, &mut turn) {
                Ok(Some(lease)) => return self.hand_out(lease, &turn).map(Some),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn lease_at_once(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Option<Lease<M>>, Error> {
        let mut queue = self.queue.lock();
        if let Some(lease) = self.arrive(&mut queue, turn)? {
            return Ok(Some(lease));
        }
        let may_open = self.mode == Mode::Null && self.facts.is_bounded(Call::Connect);
        if !may_open || !queue.waiters.is_empty() {
            return Ok(None);
        }
        let Some(place) = self.places.try_take() else {
            return Ok(None);
        };
        let attempt = queue
            .add_attempt(place, Some(turn.ticket), Instant::now())
            .id;
        drop(queue);
        self.open_here(attempt, turn)
            .map(Some)
            .map_err(|failure| match failure.panic {
                Some(panic) => resume_unwind(panic),
                None => failure.error,
            })
    }
}
