//! The gate: the pool's one lock, and everything that is guarded by it.
//!
//! Most checkouts and returns do not come here: they take a [bay]'s lock instead. Whoever takes the gate's lock gathers what is in
//! the bays first, so all that follows is true of the whole pool.
//!
//! # How a connection moves
//!
//! ```text
//!            take a place          connected            nobody waits
//!   (nothing) ──────────► attempt ──────────► lease ──────────────────► idle
//!       ▲                    │                  │ ▲                       │
//!       │                    │ failed           │ └──── checked in ────┐  │ taken
//!       │                    ▼                  │                      │  ▼
//!       └───────────── place given back         └── handed over ──►  in a user's hands
//!       ▲                                       │                      │
//!       └──────────── closing ◄─────────────────┴──────────────────────┘
//! ```
//!
//! A connection that is being opened, is open or is being closed occupies one [place](places::Place) all that time. r2d2 holds
//! the free places: `pool_size + max_overflow` in all. An *attempt* is a connect under way. A *lease* is an open connection
//! together with its place. A *closing* is a connection whose driver has been told to close it. It keeps its place until that
//! call returns or has run past its limit; in the second case the place is freed and the call is counted as *hung*. At
//! most as many calls may hang without a place as there are places, so a dead server costs a bounded number of threads.
//!
//! A caller that finds nothing idle has a ticket, which is its place in the order of arrival, and becomes a *waiter*. Its
//! [`Standing`](waiter::Standing) says what it waits for: a connection that comes back (at capacity), a connect of its own, a
//! connect that was started for somebody else who no longer needs it, the one that is made for all while the database lets nobody
//! in (`trouble`), the end of a pause between two attempts; or it decides about a failure. A [`Signal`](waiter::Signal) tells it.
//!
//! One kind of attempt is made for no caller. While servers refuse writes, a new login now and then shows where logins lead
//! (`following`). If that server accepts writes, the connection goes the way of every other and the older ones are replaced; if it
//! does not, it is closed and handed to nobody. Whoever gives back a connection on which a write was refused waits a moment for it,
//! after the connection has gone back, on a condition variable of its own: no place, ticket or waiter is involved.
//!
//! # The laws, at every instant under the lock
//!
//! 1. `created = closed + detached + total`, and `checkouts = checkins + checked_out`.
//! 2. Open connections, connects that hold a place, and free places add up to `pool_size + max_overflow`.
//! 3. No idle connection stands here while a caller waits: what comes in goes to the oldest waiter, and becomes idle only if there
//!    is none. The one exception is a connection that was held for microseconds, while the oldest waiter has waited for less than a
//!    millisecond; that waiter is then told to look ([`barging`]).
//! 4. Every waiter hears something: it is given a connection, leave to open one, a failure, or the news that the pool has
//!    closed; or it leaves of its own accord at its deadline.
//! 5. At most `pool_size` connections are idle, in the order of their last use. Those that are parked in bays count as idle.
//!
//! # Why no wake-up is lost
//!
//! A caller looks for an idle connection, closes the bays and joins the queue under one hold of the lock, so nothing can come in
//! between.
//! Whoever brings something (a connection, a free place, a failure) takes the waiter out of the queue, or marks it as deciding, and
//! posts the signal under that same hold. A caller whose deadline has passed checks under the lock whether it still stands in
//! the queue. If it does not, its last signal has been posted already, and it takes that. `tests/model` checks all interleavings.
//!
//! Some things must follow every change: a waiter may now be allowed a connect, the pool may have become full or have stopped
//! being full, `close` may be waiting for the last connection, the timer may have to come earlier. Whoever makes a
//! change need not remember any of this. [`Locked`] sees to it when the lock is let go ([`Locked::settle`]).
//!
//! # What never happens under the lock
//!
//! Nothing connects, pings, resets or closes. No hook runs, nothing is logged, no thread is started. Nothing that somebody else
//! wrote is dropped: an error, a panic's payload or a signal that is replaced is put aside (`State::discard`) and dropped once
//! the lock is free. Whatever has to be done then goes through the three [`Doors`], which the builder of the pool hands in.
//!
//! # The order of locks
//!
//! The gate's lock comes first. Three are taken inside it, one at a time and each for an instant: that of a bay, where it is taken
//! behind the line for it; a waiter's own, which guards its signal; and r2d2's, which guards the free places. What happens if the
//! holder of the gate's lock or of a bay's does not run is told in [`lock`]. All others (the helpers', the timer's, those of the
//! history, the health check, the hooks and the notices for the log) are taken neither inside the gate's lock nor around it, with
//! one exception: a slot's, in which a helper leaves the result of a driver call, is taken inside it to decide whether that result
//! came in time (`lifecycle::call`). crossbeam-channel has a lock of its own, which is taken inside for an instant when an attempt
//! reports how it ended.

pub(crate) mod attempt;
pub(crate) mod barging;
pub(crate) mod bay;
mod bays;
pub(crate) mod berths;
pub(crate) mod closing;
pub(crate) mod counters;
mod counting;
mod demand;
mod doors;
pub(crate) mod episodes;
pub(crate) mod failure;
#[cfg(queuepool_loom)]
mod faults;
pub(crate) mod following;
mod fullness;
pub(crate) mod holders;
mod idle;
pub(crate) mod lease;
mod lock;
pub(crate) mod opening;
pub(crate) mod patience;
pub(crate) mod places;
mod probing;
mod queue;
pub(crate) mod reach;
pub(crate) mod reading;
pub(crate) mod role;
mod rules;
mod server_full;
pub(crate) mod share;
mod state;
pub(crate) mod stock;
mod sweep;
mod tally;
pub(crate) mod trouble;
pub(crate) mod verdict;
pub(crate) mod waiter;

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::sync::{Condvar, Instant, MutexGuard};
use crate::base::thread::own_bay;
use crate::contract::driver::Manager;
use crate::gate::berths::{BayRef, Berths};
pub(crate) use crate::gate::doors::{Discarded, Doors, Notice};
use crate::gate::holders::HolderRecord;
use crate::gate::lock::Lock;
use crate::gate::places::Places;
use crate::gate::reading::Reading;
use crate::gate::waiter::Waiter;
pub(crate) use crate::gate::{rules::Rules, state::State};

/// The lock of one pool and what is behind it.
pub(crate) struct Gate<M: Manager> {
    state: Lock<State<M>>,
    /// Notified whenever a connection, an attempt, or a time on read-only servers has ended.
    ended: Condvar,
    doors: Doors,
    bays: Berths<M>,
    server_full: Arc<AtomicBool>,
}

/// What is left to be done when the lock is let go.
pub(crate) struct Left {
    opens: Vec<u64>,
    wake: Option<Instant>,
    notices: Vec<Notice>,
    discarded: Discarded,
}

impl<M: Manager> Gate<M> {
    pub(crate) fn new(rules: Rules, places: Places, doors: Doors) -> Self {
        let state = State::new(rules, places);
        let bays = state.bays.all();
        let stalls = bays[0].stalls().clone();
        Gate {
            bays,
            server_full: state.rules.server_full.clone(),
            state: Lock::new(state, stalls),
            ended: Condvar::new(),
            doors,
        }
    }

    /// The bay of this thread.
    #[inline]
    pub(crate) fn own_bay(&self) -> BayRef<M> {
        // Their number is a power of two.
        let own = own_bay() as usize & (self.bays.len() - 1);
        berths::same(&self.bays[own])
    }

    /// The lock, with all bays gathered.
    pub(crate) fn lock(&self) -> Locked<'_, M> {
        let mut locked = self.lock_queue();
        locked.gather();
        locked
    }

    /// The lock, with the bays as they are.
    #[inline]
    pub(crate) fn lock_queue(&self) -> Locked<'_, M> {
        Locked {
            gate: self,
            state: Some(self.state.lock()),
        }
    }

    /// As [`lock_queue`](Gate::lock_queue), if nobody holds the lock.
    pub(crate) fn try_lock_queue(&self) -> Option<Locked<'_, M>> {
        let state = Some(self.state.try_lock()?);
        Some(Locked { gate: self, state })
    }

    /// Whether the server has said within the last ten seconds that it is full. Nothing that works is closed then.
    pub(crate) fn is_server_full(&self) -> bool {
        self.server_full.load(Ordering::Acquire)
    }

    /// All that can be told of the pool at one instant. `holders` is where the records of them go: room is made before the lock is
    /// taken.
    pub(crate) fn read(&self, holders: Vec<HolderRecord>) -> Reading {
        Reading::of(&mut self.lock(), holders)
    }

    /// A caller's deadline has passed. `None`: it has a signal, which came at the last moment. Else it has left, and this says
    /// whether it was kept waiting by a connect.
    pub(crate) fn leave_at_deadline(
        &self,
        ticket: u64,
        is_probe: bool,
        failed_at: Option<u64>,
    ) -> Option<bool> {
        #[cfg(queuepool_loom)]
        if self.leave_wrongly(ticket) {
            return Some(false);
        }
        self.lock().leave_at_deadline(ticket, is_probe, failed_at)
    }

    /// Ends what is past its time.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock().sweep(now);
    }

    /// Opens what is to be open.
    pub(crate) fn look_again(&self) {
        self.lock().look_again();
    }

    /// Waits until that is so, which only the end of a connection or an attempt can bring about, or until `end`.
    pub(crate) fn wait_until(&self, end: Instant, is_so: fn(&State<M>) -> bool) -> Locked<'_, M> {
        let mut state = self.state.lock();
        while !is_so(&state) {
            if self.ended.wait_until(&mut state, end).timed_out() {
                break;
            }
        }
        Locked {
            gate: self,
            state: Some(state),
        }
    }

    /// First what others wait for: the timer and the connects. An attempt for which no thread can be had fails, and more may
    /// follow from that, so this goes on until nothing is left. Other people's code comes last, because it may block.
    #[cold]
    fn carry_out(&self, left: Left) {
        let (mut notices, mut discarded) = (Vec::new(), Vec::new());
        let mut next = Some(left);
        while let Some(left) = next.take() {
            notices.extend(left.notices);
            discarded.extend(left.discarded);
            if let Some(at) = left.wake {
                (self.doors.wake)(at);
            }
            let mut failed = Vec::new();
            for attempt in left.opens {
                if let Err(error) = (self.doors.open)(attempt) {
                    failed.push((attempt, error));
                }
            }
            if failed.is_empty() {
                break;
            }
            let mut state = self.state.lock();
            for (attempt, error) in failed {
                state.could_not_start(attempt, &error);
            }
            self.settle(&mut state);
            next = state.take_left();
        }
        if !notices.is_empty() || !discarded.is_empty() {
            (self.doors.tell)(notices, discarded);
        }
    }

    #[inline]
    fn settle(&self, state: &mut State<M>) {
        state.settle();
        if mem::take(&mut state.something_ended) {
            self.ended.notify_all();
        }
    }
}

/// The lock, held. Letting go of it settles what has changed and carries out what is left to be done.
pub(crate) struct Locked<'a, M: Manager> {
    gate: &'a Gate<M>,
    /// `None` only while it ends.
    state: Option<MutexGuard<'a, State<M>>>,
}

impl<M: Manager> Locked<'_, M> {
    /// Does what follows from all changes so far, without letting go of the lock. Twice is as good as once.
    pub(crate) fn settle(&mut self) {
        let gate = self.gate;
        gate.settle(self);
    }
}

impl<M: Manager> Locked<'_, M> {
    /// Into the queue; a connect is started if there is room for one.
    pub(crate) fn join(&mut self, ticket: u64, waiter: &Arc<Waiter<M>>) {
        #[cfg(queuepool_loom)]
        self.let_go_before_joining();
        self.enqueue(ticket, waiter);
        self.settle();
    }
}

impl<M: Manager> Deref for Locked<'_, M> {
    type Target = State<M>;

    #[inline]
    fn deref(&self) -> &State<M> {
        self.state.as_ref().expect("bug: used after it was let go")
    }
}

impl<M: Manager> DerefMut for Locked<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State<M> {
        self.state.as_mut().expect("bug: used after it was let go")
    }
}

impl<M: Manager> Drop for Locked<'_, M> {
    #[inline]
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        if state.is_changed() {
            self.gate.settle(&mut state);
        }
        let left = state.take_left();
        drop(state);
        if let Some(left) = left {
            self.gate.carry_out(left);
        }
    }
}
