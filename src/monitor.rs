//! The monitor: one thread of the pool's own that checks the database and takes samples, each at its interval.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::base::clock::later;
use crate::base::sync::{Condvar, Instant, Mutex, spawn};
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::pool::{Inner, Pool};

/// How the monitor is told to end. Its thread holds this and the pool weakly.
pub(crate) struct MonitorSwitch {
    off: Mutex<bool>,
    switched: Condvar,
}

impl MonitorSwitch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(MonitorSwitch {
            off: Mutex::new(false),
            switched: Condvar::new(),
        })
    }

    pub(crate) fn switch_off(&self) {
        *self.off.lock() = true;
        self.switched.notify_all();
    }

    /// Waits until then. False when it was switched off.
    fn wait_until(&self, moment: Instant) -> bool {
        let mut off = self.off.lock();
        while !*off {
            if self.switched.wait_until(&mut off, moment).timed_out() {
                return !*off;
            }
        }
        false
    }
}

impl<M: Manager> Pool<M> {
    /// For tests: the monitor's sample, now.
    #[doc(hidden)]
    pub fn sample(&self) {
        self.inner().sample();
    }
}

impl<M: Manager> Inner<M> {
    /// Starts the monitor if the settings ask for it.
    pub(crate) fn start_monitor(self: &Arc<Self>) -> Result<(), Error> {
        if !self.settings.enable_pool_metrics || cfg!(queuepool_loom) {
            return Ok(());
        }
        let (pool, switch) = (Arc::downgrade(self), self.monitor.clone());
        let sampling = self.settings.metrics_collection_interval;
        let checking = self.settings.health_check_interval;
        let name = format!("{}-monitor", self.name);
        spawn(name, move || watch(&pool, &switch, sampling, checking)).map_err(|error| {
            Error::new(
                ErrorKind::Connect,
                format!("no thread could be started for the monitor: {error}"),
            )
        })
    }

    pub(crate) fn sample(&self) {
        let (counters, waiting, taken) = {
            let mut queue = self.queue.lock();
            let counters = queue.counters.clone();
            let waiting = queue.waiters.len() as u64;
            queue.counters.recent_checked_out = counters.out();
            queue.counters.recent_total = counters.total();
            queue.counters.recent_waiting = waiting;
            (counters, waiting, self.clock.now())
        };
        let (recent, last_hour) = {
            let mut history = self.history.lock();
            history.note(counters, waiting, taken);
            (history.recent(), history.last_hour())
        };
        let mut queue = self.queue.lock();
        (queue.recent, queue.last_hour) = (recent, last_hour);
    }
}

fn watch<M: Manager>(
    pool: &Weak<Inner<M>>,
    switch: &MonitorSwitch,
    sampling: Duration,
    checking: Duration,
) {
    let mut next_sample = Instant::now();
    let mut next_check = later(next_sample, checking);
    while switch.wait_until(next_sample.min(next_check)) {
        let Some(inner) = pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        if next_sample <= now {
            inner.sample();
            // In step, unless this thread or the machine slept over one.
            next_sample = later(next_sample, sampling);
            if next_sample <= now {
                next_sample = later(now, sampling);
            }
        }
        if next_check <= now {
            next_check = later(now, checking);
            // It may take as long as health_check_timeout, and samples are not to wait for it. One that would only wait for
            // another's result would keep a helper from callers.
            if !inner.checking.is_under_way() {
                inner.on_helper(|inner| {
                    // Closed, or a result that the status shows.
                    let _ = inner.health_check();
                });
            }
        }
    }
}
