//! A result that a thread waits for, up to a limit, while another works it out.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::{Condvar, Instant, Mutex};

/// Where a helper leaves a result for which somebody waits, up to a limit.
pub(crate) struct Slot<T> {
    state: Mutex<SlotState<T>>,
    filled: Condvar,
}

enum SlotState<T> {
    Empty,
    Filled(T),
    Abandoned,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Slot {
            state: Mutex::new(SlotState::Empty),
            filled: Condvar::new(),
        })
    }

    /// Leaves the result, or returns it if nobody waits any more.
    pub(crate) fn fill(&self, value: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if matches!(*state, SlotState::Abandoned) {
            return Err(value);
        }
        *state = SlotState::Filled(value);
        self.filled.notify_one();
        Ok(())
    }

    /// The result, if it comes within `limit`. After `None`, [`abandon`](Slot::abandon) decides who has the value.
    pub(crate) fn wait(&self, limit: Duration) -> Option<T> {
        let end = later(Instant::now(), limit);
        let mut state = self.state.lock();
        while matches!(*state, SlotState::Empty) {
            if self.filled.wait_until(&mut state, end).timed_out() {
                break;
            }
        }
        match std::mem::replace(&mut *state, SlotState::Empty) {
            SlotState::Filled(value) => Some(value),
            SlotState::Empty | SlotState::Abandoned => None,
        }
    }

    /// Nobody waits from now on. A result that has come in the meantime is returned.
    pub(crate) fn abandon(&self) -> Option<T> {
        match std::mem::replace(&mut *self.state.lock(), SlotState::Abandoned) {
            SlotState::Filled(value) => Some(value),
            SlotState::Empty | SlotState::Abandoned => None,
        }
    }
}
