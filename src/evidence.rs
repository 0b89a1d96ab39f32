//! What a checkout that failed tells: whose fault it was, who waits, who holds what, and the last connect error.

use std::sync::Arc;

use crate::checkout::Turn;
use crate::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::pool::Inner;
use crate::queue::Queue;

impl<M: Manager> Inner<M> {
    /// The error of a checkout whose deadline has passed, counted and told to the hook. While the caller's own connect
    /// ran or between attempts it is a Connect error, else Timeout.
    pub(crate) fn timed_out(self: &Arc<Self>, turn: &Turn<M>, connecting: bool) -> Error {
        let evidence = {
            let mut queue = self.queue.lock();
            let at_capacity = !connecting && queue.is_used_up(self.capacity);
            queue.counters.timeouts_at_capacity += u64::from(at_capacity && !turn.is_probe);
            self.evidence(&queue)
        };
        let seconds = turn.timeout.as_secs_f64();
        let error = match connecting {
            true => {
                let message = match &turn.last_connect_error {
                    Some(last) => format!(
                        "{last}; timeout {seconds:.2} passed before another attempt succeeded"
                    ),
                    None => format!(
                        "connecting did not finish, connection timed out, timeout {seconds:.2}"
                    ),
                };
                let error = Error::new(ErrorKind::Connect, message);
                match turn
                    .last_connect_error
                    .as_ref()
                    .and_then(Error::shared_source)
                {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            }
            false => Error::new(
                ErrorKind::Timeout,
                format!(
                    "{} limit of size {} overflow {} reached, connection timed out, timeout {seconds:.2}{evidence}",
                    self.pool_type(),
                    self.settings.pool_size,
                    self.settings.max_overflow,
                ),
            ),
        };
        self.count_timeout(turn);
        error
    }

    /// A checkout has ended at its deadline: counted and told to the hook.
    pub(crate) fn count_timeout(&self, turn: &Turn<M>) {
        if turn.is_probe {
            return;
        }
        self.queue.lock().counters.connection_timeouts += 1;
        // Its failure is counted and logged.
        let _ = self.run_hook("timeout", |hooks| hooks.timed_out(turn.started.elapsed()));
    }

    /// Who waits, who holds what longest and where, and the last connect error: the tail of a timeout's text.
    pub(crate) fn evidence(&self, queue: &Queue<M>) -> String {
        let mut text = String::new();
        if !queue.waiters.is_empty() {
            text += &format!("; {} others wait", queue.waiters.len());
        }
        let now = self.clock.now();
        let mut holders: Vec<_> = queue.holders.iter().collect();
        holders.sort_by_key(|holder| holder.since);
        for holder in holders.iter().take(3) {
            text += &format!(
                "; connection {} is held by {} at {}:{} for {:.1} s",
                holder.connection_id,
                holder.thread,
                holder.location.file(),
                holder.location.line(),
                now.saturating_duration_since(holder.since).as_secs_f64(),
            );
        }
        if let Some(last) = &queue.counters.last_error {
            let ago = last.at.elapsed().unwrap_or_default().as_secs_f64();
            text += &format!("; last connect error {ago:.1} s ago: {}", last.error);
        }
        text
    }

    /// Told at once, and without the evidence: an overloaded pool has no time for it.
    pub(crate) fn overloaded(&self, limit: u32) -> Error {
        Error::new(
            ErrorKind::Overloaded,
            format!(
                "the pool {} is overloaded: {limit} callers wait for a connection already, which is max_waiting",
                self.name
            ),
        )
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(
            ErrorKind::Closed,
            format!("the pool {} is closed", self.name),
        )
    }
}
