//! What the gate wants done once its lock is let go, and who does it.

use std::sync::Weak;

use crate::base::panics::let_go;
use crate::contract::driver::Manager;
use crate::gate::Doors;
use crate::lifecycle::shared::Shared;
use crate::lifecycle::work;
use crate::upkeep::sweep;

/// They hold the pool weakly, since the gate that holds them is a part of it.
pub(super) fn doors<M: Manager>(pool: &Weak<Shared<M>>) -> Doors {
    let (opening, waking, telling) = (pool.clone(), pool.clone(), pool.clone());
    Doors {
        open: Box::new(move |attempt| match opening.upgrade() {
            Some(shared) => work::open(&shared, attempt),
            None => Ok(()),
        }),
        wake: Box::new(move |at| sweep::wake(&waking, at)),
        tell: Box::new(move |notices, discarded| match telling.upgrade() {
            Some(shared) => shared.tell(notices, discarded),
            None => discarded.into_iter().for_each(let_go),
        }),
    }
}
