//! Where the bays of a pool come from, and how guards refer to them.
//!
//! A guard locks its bay and moves the connection into it, and with the connection the pool, which the guard has kept alive until
//! then. So the guard needs a reference to the bay that does not depend on the pool. A counted one would be counted twice for each
//! checkout. Therefore bays are never freed: when a pool has ended, the next one with the same manager uses its bays again. There
//! are as many sets of them as pools of that manager were ever alive at once. A set takes less than 500 bytes for each bay.

use std::sync::Arc;

use crate::contract::driver::Manager;
use crate::gate::bay::Bay;
use crate::gate::lock::Stalls;

#[cfg(not(queuepool_loom))]
pub(crate) type BayRef<M> = &'static Bay<M>;
/// loom's locks belong to one interleaving.
#[cfg(queuepool_loom)]
pub(crate) type BayRef<M> = Arc<Bay<M>>;

/// The bays of one pool.
pub(super) type Berths<M> = Arc<[BayRef<M>]>;

#[cfg(not(queuepool_loom))]
#[inline]
pub(super) fn same<M: Manager>(bay: &BayRef<M>) -> BayRef<M> {
    bay
}

#[cfg(queuepool_loom)]
pub(super) fn same<M: Manager>(bay: &BayRef<M>) -> BayRef<M> {
    bay.clone()
}

#[cfg(queuepool_loom)]
pub(super) fn take<M: Manager>(count: usize) -> Berths<M> {
    let stalls = Arc::<Stalls>::default();
    let bay = |index| Bay::new(index, stalls.clone()).into();
    (0..count).map(bay).collect()
}

#[cfg(queuepool_loom)]
pub(super) fn give_back<M: Manager>(_: &Berths<M>) {}

#[cfg(not(queuepool_loom))]
pub(super) use ever::{give_back, take};

#[cfg(not(queuepool_loom))]
mod ever {
    use std::any::{Any, TypeId};
    use std::collections::HashMap;
    use std::sync::LazyLock;

    use super::{Arc, Bay, Berths, Manager, Stalls};
    use crate::base::sync::Mutex;

    type Sets = HashMap<TypeId, Vec<Box<dyn Any + Send>>>;

    /// The sets that no pool uses, by the type of the manager. All sets of a manager have the same number of bays.
    static FREE: LazyLock<Mutex<Sets>> = LazyLock::new(Mutex::default);

    pub(in crate::gate) fn take<M: Manager>(count: usize) -> Berths<M> {
        let free = FREE.lock().get_mut(&TypeId::of::<M>()).and_then(Vec::pop);
        match free.and_then(|free| free.downcast::<Berths<M>>().ok()) {
            Some(free) => *free,
            None => {
                let stalls = Arc::<Stalls>::default();
                let bay = |index| &*Box::leak(Box::new(Bay::new(index, stalls.clone())));
                (0..count).map(bay).collect()
            }
        }
    }

    /// The pool has ended: nothing is parked or held.
    pub(in crate::gate) fn give_back<M: Manager>(bays: &Berths<M>) {
        bays.iter().for_each(|bay| bay.clear());
        let mut free = FREE.lock();
        free.entry(TypeId::of::<M>())
            .or_default()
            .push(Box::new(bays.clone()));
    }
}
