//! The timer's visits: it comes when the gate asks for it, and holds the pool weakly.

use std::sync::{Arc, Weak};

use crate::base::sync::Instant;
use crate::base::timer;
use crate::contract::driver::Manager;
use crate::lifecycle::shared::Shared;

/// Has the gate sweep at that moment.
pub(crate) fn wake<M: Manager>(pool: &Weak<Shared<M>>, at: Instant) {
    if cfg!(queuepool_loom) {
        return; // a model lets time pass itself
    }
    let pool = pool.clone();
    timer::after(at.saturating_duration_since(Instant::now()), move || {
        if let Some(shared) = pool.upgrade() {
            shared.gate.sweep(Instant::now());
            leave_timer(shared);
        }
    });
}

/// The timer serves all pools and must not block. If this is the last reference to the pool, the pool is dropped on a helper,
/// because what ends with it (the log of an SQLite file, values that hooks have captured) may take time.
pub(crate) fn leave_timer<M: Manager>(shared: Arc<Shared<M>>) {
    if Arc::strong_count(&shared) == 1 {
        let helpers = shared.helpers.clone();
        if let Err(unrun) = helpers.run(move || drop(shared)) {
            (unrun.job)();
        }
    }
}
