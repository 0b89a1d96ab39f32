//! What the models (`tests/model`) do to a pool: let time pass, and break the core to see that they would notice.

use std::time::Duration;

pub use crate::base::loom::{Fault, begin, break_core};
use crate::base::loom::{Instant, Mutex, MutexGuard, is_broken, let_time_pass};
use crate::contract::driver::Manager;
use crate::pool::Pool;
use crate::queue::Queue;

impl<M: Manager> Pool<M> {
    /// Time passes for all: waits whose deadline is reached end, and the timer does what is due.
    pub fn pass_time(&self, by: Duration) {
        // Time is read under the pool's lock, and loom tries both orders only of steps that touch the same thing.
        let_time_pass(by, || self.inner().queue.lock());
        self.inner().sweep(Instant::now());
    }
}

/// How a broken core leaves the queue at a deadline. True when it has done so.
pub(crate) fn leave_wrongly<M: Manager>(queue: &Mutex<Queue<M>>, ticket: u64) -> bool {
    if is_broken(Fault::IgnoresLastMoment) {
        queue.lock().leave(ticket);
        return true;
    }
    if is_broken(Fault::LeavesInTwoHolds) && queue.lock().find(ticket).is_some() {
        queue.lock().leave(ticket);
        return true;
    }
    false
}

/// What a broken core does between its look at the idle connections and joining the queue.
pub(crate) fn let_go_before_joining<M: Manager>(queue: &mut MutexGuard<'_, Queue<M>>) {
    if is_broken(Fault::JoinsInTwoHolds) {
        queue.let_go();
    }
}
