//! The monitor: one thread of the pool's own that checks the database and takes samples, each at its interval.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use parking_lot::Mutex;

use crate::base::clock::later;
use crate::base::panics::let_go;
use crate::base::sync::{Instant, spawn, tell_if_slow};
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::shared::Shared;
use crate::upkeep::Care;
use crate::upkeep::health_check::health_check;

/// How the monitor is told to end. Its thread holds the pool weakly.
pub(crate) struct MonitorSwitch {
    /// Dropped to end it.
    on: Mutex<Option<Sender<Infallible>>>,
    off: Receiver<Infallible>,
}

impl MonitorSwitch {
    pub(crate) fn new() -> Self {
        let (on, off) = bounded(0);
        MonitorSwitch {
            on: Mutex::new(Some(on)),
            off,
        }
    }

    pub(crate) fn switch_off(&self) {
        *self.on.lock() = None;
    }

    /// Waits until that moment. False if the monitor was switched off.
    fn wait_until(&self, moment: Instant) -> bool {
        let tick = after(moment.saturating_duration_since(Instant::now()));
        select! {
            recv(self.off) -> _ => false,
            recv(tick) -> _ => true,
        }
    }
}

/// Starts the monitor if the settings ask for it.
pub(crate) fn start<M: Manager>(shared: &Arc<Shared<M>>, care: &Arc<Care>) -> Result<(), Error> {
    if !shared.settings.enable_pool_metrics || cfg!(queuepool_loom) {
        return Ok(());
    }
    let (pool, care) = (Arc::downgrade(shared), care.clone());
    let sampling = shared.settings.metrics_collection_interval;
    let checking = shared.settings.health_check_interval;
    let name = format!("{}-monitor", shared.name);
    spawn(name, move || watch(&pool, &care, sampling, checking)).map_err(|error| {
        Error::new(
            ErrorKind::Resources,
            format!("no thread could be started for the monitor: {error}"),
        )
    })
}

/// Notes what the pool has done since the last sample.
pub(crate) fn sample<M: Manager>(shared: &Shared<M>, care: &Care) {
    let (mut counters, waiting) = shared.gate.lock().take_sample();
    // The history is of numbers. An error in it would be dropped under its lock, which status() takes, and whatever a driver's
    // error does in its drop would happen there.
    let_go((
        counters.last_error.take(),
        counters.last_health_check.take(),
    ));
    let taken = shared.clock.now();
    care.history.lock().note(counters, waiting, taken);
}

fn watch<M: Manager>(
    pool: &Weak<Shared<M>>,
    care: &Arc<Care>,
    sampling: Duration,
    checking: Duration,
) {
    let mut next_sample = Instant::now();
    let mut next_check = later(next_sample, checking);
    while care.monitor.wait_until(next_sample.min(next_check)) {
        let Some(shared) = pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        if next_sample <= now {
            sample(&shared, care);
            tell_if_slow();
            // Samples keep in step with their interval unless this thread or the machine has slept through one.
            next_sample = later(next_sample, sampling);
            if next_sample <= now {
                next_sample = later(now, sampling);
            }
        }
        if next_check <= now {
            next_check = later(now, checking);
            // On a helper, because it may take as long as health_check_timeout and samples must not wait for it. Not at all while a
            // check is under way: it would only wait for that one's result and keep a helper from callers meanwhile.
            if !care.checking.is_under_way() {
                let care = care.clone();
                shared.on_helper(move |shared| {
                    // An error means that the pool is closed; the status shows the result.
                    let _ = health_check(shared, &care.checking);
                });
            }
        }
    }
}
