//! What the models (`tests/model`) do to a pool: let time pass, and break the core to see that they would notice.

use std::time::Duration;

pub use crate::base::loom::{Fault, begin, break_core};
use crate::base::loom::{Instant, let_time_pass};
use crate::contract::driver::Manager;
use crate::pool::Pool;

impl<M: Manager> Pool<M> {
    /// Time passes for all: waits whose deadline is reached end, and the timer does what is due.
    pub fn pass_time(&self, by: Duration) {
        // Time is read under the pool's lock, and loom tries both orders only of steps that touch the same thing.
        let_time_pass(by, || self.shared().gate.lock());
        self.shared().gate.sweep(Instant::now());
    }

    /// Time passes without the timer, which would close the bays: a moment in the middle of a short way.
    pub fn pass_moment(&self, by: Duration) {
        let_time_pass(by, || self.shared().gate.lock_queue());
    }
}
