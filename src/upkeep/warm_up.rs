//! Opening connections before they are needed.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::unbounded;

use crate::base::clock::later;
use crate::base::sync::Instant;
use crate::base::words::counted;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::attempt::Report;
use crate::lifecycle::shared::Shared;
use crate::settings::Mode;

/// How often warm_up looks for room that others have left.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A warm_up in progress, which the gate notifies when it need not sleep any longer.
struct Warming<'a, M: Manager> {
    pool: &'a Shared<M>,
    number: u64,
}

impl<'a, M: Manager> Warming<'a, M> {
    fn register(pool: &'a Shared<M>, report: &Report) -> Self {
        let number = pool.gate.lock().begin_warming(report);
        Warming { pool, number }
    }
}

impl<M: Manager> Drop for Warming<'_, M> {
    fn drop(&mut self) {
        self.pool.gate.lock().end_warming(self.number);
    }
}

impl<M: Manager> Shared<M> {
    pub(crate) fn warm_up(self: &Arc<Self>, connections: u32) -> Result<(), Error> {
        self.may_block_here("warm_up")?;
        if self.mode == Mode::Null && connections > 0 {
            return Err(Error::setting(
                "warm_up",
                connections,
                "0 in null mode, which keeps no connection",
            ));
        }
        if connections > self.settings.pool_size {
            let expected = format!("at most pool_size {}", self.settings.pool_size);
            return Err(Error::setting("warm_up", connections, expected));
        }
        let timeout = self.settings.timeout;
        let deadline = later(Instant::now(), timeout);
        let (report, outcomes) = unbounded();
        let _registered = Warming::register(self, &report);
        let mut failures = 0;
        let mut last_error: Option<Error> = None;
        let mut asleep_until = Instant::now();
        loop {
            let now = Instant::now();
            // Checked in every round: the pool may have been closed, and others may have opened connections.
            {
                let mut gate = self.gate.lock();
                if gate.is_closed() {
                    drop(gate);
                    return Err(self.closed_error());
                }
                if gate.warm(connections as usize, asleep_until <= now, &report) {
                    return Ok(());
                }
            }
            let remaining = deadline.saturating_duration_since(now);
            if remaining.is_zero() {
                return Err(self.warming_timed_out(connections, last_error));
            }
            match outcomes.recv_timeout(remaining.min(LOOK_AGAIN)) {
                // A connect has succeeded, whoever asked for it: there is no reason to sleep any longer.
                Ok(Ok(())) => asleep_until = Instant::now(),
                Ok(Err((error, transient))) => {
                    let now = Instant::now();
                    // Attempts that fail together count as one failure.
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
        let gate = self.gate.lock();
        let evidence = self.evidence(&gate);
        let open = gate.counters().total();
        let opening = gate.opening();
        drop(gate);
        let progress = format!(
            "warm_up({connections}) did not finish within {seconds:.2} s: {} open",
            counted(open, "connection is", "connections are")
        );
        match last_error {
            Some(last) => {
                let kind = match last.kind() {
                    ErrorKind::Resources => ErrorKind::Resources,
                    _ => ErrorKind::Connect,
                };
                let error = Error::new(kind, format!("{last}; {progress}"));
                match last.shared_source() {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            }
            None if opening > 0 => Error::new(
                ErrorKind::Connect,
                format!("{progress}, {opening} being opened{evidence}"),
            ),
            None => Error::new(ErrorKind::Timeout, format!("{progress}{evidence}")),
        }
    }
}
