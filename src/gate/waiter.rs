//! A caller that waits: as the queue sees it, and its own side.

use std::sync::Arc;

use crate::base::sync::{Condvar, Instant, Mutex};
use crate::contract::cancellation::Interrupt;
use crate::contract::driver::Manager;
use crate::gate::failure::Failure;
use crate::gate::lease::Lease;

/// A caller in the queue, as the queue sees it.
pub(crate) struct Waiting<M: Manager> {
    pub(super) ticket: u64,
    pub(super) waiter: Arc<Waiter<M>>,
    pub(super) standing: Standing,
    /// It was told to look at what is idle, and has not answered yet.
    pub(super) nudged: bool,
}

/// What a caller in the queue waits for.
#[derive(Clone, Copy)]
pub(crate) enum Standing {
    /// For a connection that comes back, or for room to open one.
    AtCapacity,
    /// For a connect that was started for it.
    Connecting(u64),
    /// For a connect that was started for somebody else, since then.
    Relying { on: u64, since: Instant },
    /// In trouble, for the connect that is made for all who wait.
    Probing,
    /// Its attempt failed, and its thread has not yet said what next.
    Deciding,
    /// For the next attempt to connect, then.
    Asleep { until: Instant },
}

impl Standing {
    /// The connect that it relies on.
    pub(super) fn attempt(self) -> Option<u64> {
        match self {
            Standing::Connecting(on) | Standing::Relying { on, .. } => Some(on),
            Standing::AtCapacity
            | Standing::Probing
            | Standing::Deciding
            | Standing::Asleep { .. } => None,
        }
    }
}

impl<M: Manager> Waiting<M> {
    /// Whether no connection is being opened for it: at capacity, or between two attempts.
    pub(super) fn must_wait(&self) -> bool {
        matches!(
            self.standing,
            Standing::AtCapacity | Standing::Probing | Standing::Asleep { .. }
        )
    }

    pub(super) fn is_at_capacity(&self) -> bool {
        matches!(self.standing, Standing::AtCapacity)
    }

    pub(super) fn wants_attempt(&self, now: Instant) -> bool {
        match self.standing {
            Standing::AtCapacity | Standing::Probing => true,
            Standing::Asleep { until } => until <= now,
            Standing::Connecting(_) | Standing::Relying { .. } | Standing::Deciding => false,
        }
    }
}

/// What a waiting caller is told.
pub(crate) enum Signal<M: Manager> {
    Lease(Lease<M>),
    /// Something may be idle: look.
    Look,
    /// Leave to connect on its own thread, as this attempt.
    Open(u64),
    Failed(Failure),
    Closed,
    /// Its token is cancelled.
    Cancelled,
}

/// The caller's side of [`Waiting`]. Signals are posted under the gate's lock; a caller that is no longer in the queue
/// has its last signal here.
pub(crate) struct Waiter<M: Manager> {
    /// When its caller came.
    pub(super) since: Instant,
    /// Its caller's deadline.
    pub(super) until: Instant,
    signal: Mutex<Option<Signal<M>>>,
    wake: Condvar,
}

impl<M: Manager> Waiter<M> {
    pub(crate) fn new(since: Instant, until: Instant) -> Arc<Self> {
        Arc::new(Waiter {
            since,
            until,
            signal: Mutex::new(None),
            wake: Condvar::new(),
        })
    }

    /// Posts a signal. A signal that was not read is returned: a lease is worth more than an unread failure.
    #[must_use = "it is not to be dropped under the lock"]
    pub(crate) fn post(&self, signal: Signal<M>) -> Option<Signal<M>> {
        let unread = self.signal.lock().replace(signal);
        self.wake.notify_one();
        unread
    }

    /// Posts [`Signal::Look`], unless there is a signal that it has not read yet.
    pub(super) fn nudge(&self) {
        self.post_if_none(Signal::Look);
    }

    fn post_if_none(&self, posted: Signal<M>) {
        let mut signal = self.signal.lock();
        if signal.is_none() {
            *signal = Some(posted);
            self.wake.notify_one();
        }
    }

    /// The next signal, or `None` at the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<Signal<M>> {
        let mut signal = self.signal.lock();
        loop {
            if let Some(signal) = signal.take() {
                return Some(signal);
            }
            if self.wake.wait_until(&mut signal, deadline).timed_out() {
                return signal.take();
            }
        }
    }

    pub(crate) fn take(&self) -> Option<Signal<M>> {
        self.signal.lock().take()
    }
}

impl<M: Manager> Interrupt for Waiter<M> {
    /// Not under the gate's lock. A signal that it has not read yet stays: it looks at its token after that.
    fn interrupt(&self) {
        self.post_if_none(Signal::Cancelled);
    }
}
