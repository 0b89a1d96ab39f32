//! Filling a pool ahead of use, and ending it: warm_up, close, and the last handle's drop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::attempt::Report;
use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::pool::{Inner, Pool};
use crate::queue::Signal;
use crate::settings::Mode;

/// How often warm_up looks for room that others left.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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

/// A warm_up under way, which is told when it need not sleep on.
struct Warming<'a, M: Manager> {
    pool: &'a Inner<M>,
    ticket: u64,
}

impl<'a, M: Manager> Warming<'a, M> {
    fn register(pool: &'a Inner<M>, report: &Report) -> Self {
        let mut queue = pool.queue.lock();
        let ticket = queue.take_ticket();
        queue.warming.push((ticket, report.clone()));
        Warming { pool, ticket }
    }
}

impl<M: Manager> Drop for Warming<'_, M> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.lock();
        queue.warming.retain(|(ticket, _)| *ticket != self.ticket);
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
        let timeout = self.settings.timeout;
        let deadline = later(Instant::now(), timeout);
        let (report, outcomes) = mpsc::channel();
        let _registered = Warming::register(self, &report);
        let mut failures = 0;
        let mut last_error: Option<Error> = None;
        let mut asleep_until = Instant::now();
        loop {
            let now = Instant::now();
            // Also tells of the pool's end, and of connections that others opened.
            if self.start_warming(connections as usize, asleep_until <= now, &report)? {
                return Ok(());
            }
            let remaining = deadline.saturating_duration_since(now);
            if remaining.is_zero() {
                return Err(self.warming_timed_out(connections, last_error));
            }
            match outcomes.recv_timeout(remaining.min(LOOK_AGAIN)) {
                // A connect has succeeded, of whomever: there is no reason to sleep on.
                Ok(Ok(())) => asleep_until = Instant::now(),
                Ok(Err((error, transient))) => {
                    let now = Instant::now();
                    // Those that fail together count once.
                    if asleep_until <= now {
                        failures += 1;
                        let delay = self.settings.retry.delay_after(failures);
                        match delay.filter(|_| transient) {
                            Some(delay) => asleep_until = later(now, delay),
                            None => return Err(error),
                        }
                    }
                    last_error = Some(error);
                }
                Err(_) => {}
            }
        }
    }

    fn warming_timed_out(&self, connections: u32, last_error: Option<Error>) -> Error {
        let seconds = self.settings.timeout.as_secs_f64();
        let queue = self.queue.lock();
        let evidence = self.evidence(&queue);
        let open = queue.counters.total();
        let opening = queue.opening();
        drop(queue);
        let progress = format!(
            "warm_up({connections}) did not finish, timeout {seconds:.2}: {open} connections are open"
        );
        match last_error {
            Some(last) => {
                let error = Error::new(ErrorKind::Connect, format!("{last}; {progress}"));
                match last.shared_source() {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            }
            None if opening > 0 => Error::new(
                ErrorKind::Connect,
                format!("{progress}, {opening} are being opened{evidence}"),
            ),
            None => Error::new(ErrorKind::Timeout, format!("{progress}{evidence}")),
        }
    }

    /// Starts what is missing, if it may and as far as there is room. True when enough are open and ready.
    fn start_warming(
        self: &Arc<Self>,
        wanted: usize,
        may_start: bool,
        report: &Report,
    ) -> Result<bool, Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(self.closed_error());
        }
        let open = queue.counters.total() as usize;
        let mut missing = wanted.saturating_sub(open + queue.opening());
        while may_start && missing > 0 && queue.may_start(Instant::now()) {
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
        self.shut_driver();
        self.hooks.discard();
        result
    }

    /// Tells the driver, once.
    pub(crate) fn shut_driver(&self) {
        if !std::mem::replace(&mut self.queue.lock().driver_is_shut, true) {
            let told = catch_unwind(AssertUnwindSafe(|| self.driver.shutdown(&self.manager)));
            if told.is_err() {
                log::warn!(target: &self.target, "the driver panicked in Driver::shutdown");
            }
        }
    }

    /// Closed from now on: nobody waits, nothing is idle. Waits for nothing.
    pub(crate) fn shut(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        let closed_before = std::mem::replace(&mut queue.closed, true);
        while let Some(waiting) = queue.remove_waiter(0) {
            waiting.waiter.post(Signal::Closed);
        }
        queue.wake_warming();
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
            self.shut_driver();
        }
    }
}
