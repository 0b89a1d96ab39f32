//! Filling a pool ahead of use, and ending it: warm_up, close, and the last handle's drop.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::attempt::Report;
use crate::clock::later;
use crate::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::hooks::CloseReason;
use crate::pool::{Inner, Pool};
use crate::queue::Signal;
use crate::settings::Mode;
use crate::sync::Instant;

impl<M: Manager> Pool<M> {
    /// Opens connections until `connections` are open, and waits for them, within the setting `timeout`. Transient
    /// failures are retried by the setting `retry`.
    ///
    /// # Errors
    /// Settings when `connections` is above pool_size or the mode is null; Connect with the driver's own error; Timeout;
    /// Closed; Unsupported from inside a hook of this pool, or in a forked child.
    pub fn warm_up(&self, connections: u32) -> Result<(), Error> {
        self.inner().warm_up(connections)
    }

    /// Closes the pool: waiting callers and all later ones get Closed, idle connections are closed, and those out,
    /// opening and closing are waited for until `deadline` from now has passed. Closing twice is harmless.
    ///
    /// # Errors
    /// Timeout when connections are still out, opening or closing at the deadline: the text names who holds them. They
    /// are closed when they are returned. Unsupported from inside a hook of this pool, or in a forked child.
    pub fn close(&self, deadline: Duration) -> Result<(), Error> {
        self.inner().close(deadline)
    }
}

impl<M: Manager> Inner<M> {
    pub(crate) fn warm_up(self: &Arc<Self>, connections: u32) -> Result<(), Error> {
        self.may_block_here("warm_up")?;
        if self.mode == Mode::Null && connections > 0 {
            return Err(Error::setting(
                "warm_up",
                connections,
                "null mode keeps no connections; use 0",
            ));
        }
        if connections > self.settings.pool_size {
            let accepted = format!("at most pool_size, which is {}", self.settings.pool_size);
            return Err(Error::setting("warm_up", connections, accepted));
        }
        let deadline = later(Instant::now(), self.settings.timeout);
        let (report, outcomes) = mpsc::channel();
        let mut failures = 0;
        loop {
            if self.start_warming(connections as usize, &report)? {
                return Ok(());
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                let message = format!(
                    "warm_up({connections}) did not finish within timeout {:?}",
                    self.settings.timeout
                );
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            // Looks again at least so often, for connections that others open.
            let outcome = outcomes.recv_timeout(remaining.min(Duration::from_millis(50)));
            if let Ok(Err((error, transient))) = outcome {
                failures += 1;
                let delay = if transient {
                    self.settings.retry.delay_after(failures)
                } else {
                    None
                };
                let Some(delay) = delay else {
                    return Err(error);
                };
                std::thread::sleep(delay.min(remaining));
                // Those that failed together are one attempt.
                while outcomes.try_recv().is_ok() {}
            }
        }
    }

    /// Starts what is missing, as far as there is room. True when enough are open and ready.
    fn start_warming(self: &Arc<Self>, wanted: usize, report: &Report) -> Result<bool, Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(self.closed_error());
        }
        let open = queue.counters.total() as usize;
        let mut missing = wanted.saturating_sub(open + queue.opening());
        while missing > 0 && queue.may_start(Instant::now()) {
            let Some(place) = self.places.try_take() else {
                break;
            };
            let attempt = queue.add_attempt(place, None, Instant::now());
            attempt.stock = true;
            attempt.report = Some(report.clone());
            let id = attempt.id;
            self.start(&mut queue, id);
            missing -= 1;
        }
        Ok(open.saturating_sub(queue.in_connect_hook()) >= wanted)
    }

    fn close(self: &Arc<Self>, deadline: Duration) -> Result<(), Error> {
        self.may_block_here("close")?;
        let end = later(Instant::now(), deadline);
        self.shut();
        let mut queue = self.queue.lock();
        while !queue.is_drained() {
            if self.drained.wait_until(&mut queue, end).timed_out() {
                break;
            }
        }
        let result = if queue.is_drained() {
            Ok(())
        } else {
            let message = format!(
                "the pool {} did not drain within {deadline:?}: {} connections are out, {} are being opened, {} are \
                 being closed{}",
                self.name,
                queue.counters.out(),
                queue.opening(),
                queue
                    .closings
                    .iter()
                    .filter(|closing| closing.place.is_some())
                    .count(),
                self.evidence(&queue),
            );
            Err(Error::new(ErrorKind::Timeout, message))
        };
        drop(queue);
        self.driver.shutdown(&self.manager);
        self.hooks.discard();
        result
    }

    /// Closed from now on: nobody waits, nothing is idle. Waits for nothing.
    pub(crate) fn shut(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        let closed_before = std::mem::replace(&mut queue.closed, true);
        while let Some(waiting) = queue.remove_waiter(0) {
            waiting.waiter.post(Signal::Closed);
        }
        let idle = std::mem::take(&mut queue.idle);
        let drained = queue.is_drained();
        drop(queue);
        self.monitor.switch_off();
        if !closed_before {
            self.event(format_args!("the pool {} is closed", self.name));
        }
        idle.into_iter()
            .for_each(|lease| self.close_lease(lease, CloseReason::PoolClosed));
        if drained {
            self.driver.shutdown(&self.manager);
        }
    }
}
