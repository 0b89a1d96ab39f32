//! How the gate is broken, so that the models show that they would notice (`tests/model`).

use crate::base::loom::{Fault, is_broken};
use crate::contract::driver::Manager;
use crate::gate::{Gate, Locked};

impl<M: Manager> Gate<M> {
    /// How a broken gate lets a caller leave at its deadline. True when it has left.
    pub(crate) fn leave_wrongly(&self, ticket: u64) -> bool {
        if is_broken(Fault::IgnoresLastMoment) {
            self.lock().leave(ticket);
            return true;
        }
        if is_broken(Fault::LeavesInTwoHolds) && self.lock().find(ticket).is_some() {
            self.lock().leave(ticket);
            return true;
        }
        false
    }
}

impl<M: Manager> Locked<'_, M> {
    /// What a broken gate does between its look at the idle connections and joining the queue.
    pub(super) fn let_go_before_joining(&mut self) {
        if is_broken(Fault::JoinsInTwoHolds)
            && let Some(state) = &mut self.state
        {
            state.let_go();
        }
    }
}
