//! What a checkout that failed tells: whose fault it was, who waits, who holds what, and the last connect error.

use std::sync::Arc;

use crate::attempt::Attempt;
use crate::base::sync::Instant;
use crate::checkout::Turn;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::pool::Inner;
use crate::queue::Queue;

impl<M: Manager> Inner<M> {
    /// The error of a checkout whose deadline has passed, counted and told to the hook. While the caller's own connect
    /// ran or between attempts, and where hanging calls kept it from a connect, it is a Connect error, else Timeout.
    pub(crate) fn timed_out(self: &Arc<Self>, turn: &Turn<M>, connecting: bool) -> Error {
        let error = {
            let mut queue = self.queue.lock();
            let at_capacity = !connecting && queue.is_used_up(self.capacity);
            queue.counters.timeouts_at_capacity += u64::from(at_capacity && !turn.is_probe);
            match connecting {
                true => self.connecting_timed_out(&queue, turn),
                false => self.waiting_timed_out(&queue, turn),
            }
        };
        self.count_timeout(turn);
        error
    }

    fn connecting_timed_out(&self, queue: &Queue<M>, turn: &Turn<M>) -> Error {
        let seconds = turn.timeout.as_secs_f64();
        let Some(last) = &turn.last_connect_error else {
            let message = format!(
                "connecting did not finish, connection timed out, timeout {seconds:.2}{}",
                self.in_hooks(queue)
            );
            return Error::new(ErrorKind::Connect, message);
        };
        let message =
            format!("{last}; timeout {seconds:.2} passed before another attempt succeeded");
        let error = Error::new(ErrorKind::Connect, message);
        match last.shared_source() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    fn waiting_timed_out(&self, queue: &Queue<M>, turn: &Turn<M>) -> Error {
        let seconds = turn.timeout.as_secs_f64();
        let (kind, cause) = if self.too_many_hang(queue) {
            let words = format!(
                "{}: no connection is opened until one of them ends",
                queue.what_hangs()
            );
            (ErrorKind::Connect, words)
        } else if self.places.try_take().is_some() {
            let taken = queue.counters.total() + queue.opening() as u64;
            let words = format!(
                "no connection was ready, and there was no time left to open one ({taken} of {} are open)",
                self.capacity
            );
            (ErrorKind::Timeout, words)
        } else {
            let words = format!(
                "{} limit of size {} overflow {} reached",
                self.pool_type(),
                self.settings.pool_size,
                self.settings.max_overflow
            );
            (ErrorKind::Timeout, words)
        };
        let evidence = self.evidence(queue);
        Error::new(
            kind,
            format!("{cause}, connection timed out, timeout {seconds:.2}{evidence}"),
        )
    }

    /// Whether as many driver calls hang without a place as the pool has places: then no more are begun.
    pub(crate) fn too_many_hang(&self, queue: &Queue<M>) -> bool {
        queue.hung as u64 >= self.capacity
    }

    /// New connections on which a connect hook runs, and for how long.
    fn in_hooks(&self, queue: &Queue<M>) -> String {
        let now = Instant::now();
        let since = queue.attempts.iter().filter_map(Attempt::in_hook_since);
        let Some(longest) = since.clone().min() else {
            return String::new();
        };
        let seconds = now.saturating_duration_since(longest).as_secs_f64();
        match since.count() {
            1 => format!("; a new connection has been in its connect hook for {seconds:.1} s"),
            count => format!(
                "; {count} new connections are in their connect hooks, one of them for {seconds:.1} s"
            ),
        }
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
        text += &self.in_hooks(queue);
        if queue.hung > 0 && !self.too_many_hang(queue) {
            text += &format!("; {}", queue.what_hangs());
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
