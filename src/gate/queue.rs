//! Who waits, in the order of arrival.

use std::mem;
use std::sync::Arc;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::state::State;
use crate::gate::waiter::{Signal, Standing, Waiter, Waiting};

impl<M: Manager> State<M> {
    /// Puts a caller into the queue at the place that its ticket gives. A caller that is in the queue already stays where it is.
    pub(super) fn enqueue(&mut self, ticket: u64, waiter: &Arc<Waiter<M>>) {
        self.stand(ticket, waiter, Standing::AtCapacity);
        self.may_open = true;
    }

    /// As [`enqueue`](State::enqueue), for a caller that sleeps until then unless something comes for it before.
    pub(crate) fn sleep(&mut self, ticket: u64, waiter: &Arc<Waiter<M>>, until: Instant) {
        self.stand(ticket, waiter, Standing::Asleep { until });
        self.wake_at(until);
    }

    /// From now on a connection that comes back must find this waiter, so the bays are closed.
    fn stand(&mut self, ticket: u64, waiter: &Arc<Waiter<M>>, standing: Standing) {
        self.gather_for_waiters();
        match self.position(ticket) {
            Ok(position) => {
                let waiting = &mut self.waiters[position];
                waiting.standing = standing;
                waiting.nudged = false;
            }
            Err(position) => self.waiters.insert(
                position,
                Waiting {
                    ticket,
                    waiter: waiter.clone(),
                    standing,
                    nudged: false,
                },
            ),
        }
    }

    /// Notes how many wait, once a caller has joined and has not been refused. If it is in the queue, it counts as one that has
    /// waited, once.
    pub(crate) fn note_waiting(&mut self, ticket: u64, counted: &mut bool) {
        self.counters.waiting(self.waiters.len() as u64);
        if self.position(ticket).is_ok() && !mem::replace(counted, true) {
            self.counters.counts.waited += 1;
        }
    }

    /// Whether no connection is being opened for this caller.
    pub(crate) fn must_wait(&mut self, ticket: u64) -> bool {
        self.find(ticket).is_some_and(|waiting| waiting.must_wait())
    }

    pub(crate) fn wait_more_than(&self, limit: u32) -> bool {
        let mut waiting = self.waiters.iter().filter(|waiting| waiting.must_wait());
        waiting.nth(limit as usize).is_some()
    }

    /// Refuses a caller because max_waiting has been reached.
    pub(crate) fn refuse(&mut self, ticket: u64, is_probe: bool) {
        if let Ok(position) = self.position(ticket) {
            self.remove_waiter(position);
        }
        self.counters.counts.overloaded += u64::from(!is_probe);
        self.counters.counts.failed_checkouts += u64::from(!is_probe);
        self.turn_away(ticket, is_probe);
    }

    pub(super) fn position(&self, ticket: u64) -> Result<usize, usize> {
        self.waiters
            .binary_search_by_key(&ticket, |waiting| waiting.ticket)
    }

    pub(super) fn find(&mut self, ticket: u64) -> Option<&mut Waiting<M>> {
        self.position(ticket)
            .ok()
            .map(|position| &mut self.waiters[position])
    }

    /// Takes a caller out of the queue; nobody relies on its attempt from then on. `None` means that it is out already, and then
    /// its waiter has a signal.
    pub(crate) fn leave(&mut self, ticket: u64) -> Option<Standing> {
        let position = self.position(ticket).ok()?;
        self.may_open = true;
        self.remove_waiter(position).map(|waiting| waiting.standing)
    }

    /// As [`leave`](State::leave), for a caller that does not want to wait any longer. False: it has a signal, which came at the
    /// last moment.
    pub(crate) fn leave_if_undecided(&mut self, ticket: u64) -> bool {
        let decides = |waiting: &mut Waiting<M>| matches!(waiting.standing, Standing::Deciding);
        if self.find(ticket).is_none_or(decides) {
            return false;
        }
        self.leave(ticket).is_some()
    }

    pub(super) fn remove_waiter(&mut self, position: usize) -> Option<Waiting<M>> {
        let waiting = self.waiters.remove(position)?;
        if let Some(attempt) = waiting.standing.attempt() {
            self.may_open = true;
            if let Some(attempt) = self.attempt(attempt) {
                attempt.owner = None;
            }
        }
        self.pass_on();
        Some(waiting)
    }

    /// A caller's deadline has passed. `None`: a signal came at the last moment, and is to be looked at. Else whether it was
    /// kept waiting by a connect: its own, or one that it was held back for. `failed_at`: how many connects of the pool had
    /// succeeded when its own failed. Another that has succeeded since shows that the caller was not kept waiting by failures.
    pub(super) fn leave_at_deadline(
        &mut self,
        ticket: u64,
        is_probe: bool,
        failed_at: Option<u64>,
    ) -> Option<bool> {
        if matches!(self.find(ticket)?.standing, Standing::Deciding) {
            return None;
        }
        let standing = self.leave(ticket)?;
        let connecting = match standing {
            Standing::AtCapacity | Standing::Deciding => {
                failed_at == Some(self.successes)
                    || self.opening() > 0 && self.places.try_take().is_some()
            }
            Standing::Connecting(_)
            | Standing::Relying { .. }
            | Standing::Probing
            | Standing::Asleep { .. } => true,
        };
        self.give_up(ticket);
        self.may_open = true;
        if !connecting {
            self.turn_away(ticket, is_probe);
        }
        Some(connecting)
    }

    /// Tells a caller something. A signal that it has not read yet is replaced.
    pub(crate) fn post(&mut self, waiter: &Waiter<M>, signal: Signal<M>) {
        match waiter.post(signal) {
            None | Some(Signal::Look | Signal::Cancelled) => {}
            Some(unread) => self.discard(unread),
        }
    }
}
