//! What the error of a failed checkout says: what was at fault, who waits, who holds what, and the last connect error.

use std::sync::Arc;

use crate::base::sync::Instant;
use crate::base::words::counted;
use crate::checkout::turn::Turn;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::State;
use crate::lifecycle::shared::Shared;

impl<M: Manager> Shared<M> {
    /// The error of a checkout whose deadline has passed; it is counted, and the timeout hook is told. The kind is Connect if the
    /// caller's own connect was running, if the caller slept between two attempts, or if calls that hang kept it from
    /// connecting. Otherwise it is Timeout.
    pub(crate) fn timed_out(self: &Arc<Self>, turn: &Turn<M>, connecting: bool) -> Error {
        let error = {
            let mut gate = self.gate.lock();
            let at_capacity = !connecting && gate.is_used_up();
            gate.counters_mut().counts.timeouts_at_capacity +=
                u64::from(at_capacity && !turn.is_probe);
            note_timeout(&mut gate, turn);
            if connecting {
                let error = self.connecting_timed_out(&gate, turn);
                gate.note_silence();
                error
            } else {
                self.waiting_timed_out(&gate, turn)
            }
        };
        self.tell_of_timeout(turn);
        error
    }

    fn connecting_timed_out(&self, gate: &State<M>, turn: &Turn<M>) -> Error {
        let seconds = turn.timeout.as_secs_f64();
        let last = turn
            .last_connect_error
            .as_ref()
            .filter(|_| turn.cannot_connect(gate.successes()))
            .or_else(|| gate.trouble_error());
        let Some(last) = last else {
            let message = format!(
                "{} did not finish, connection timed out, timeout {seconds:.2}{}",
                self.facts.connecting(),
                in_hooks(gate)
            );
            return Error::new(ErrorKind::Connect, message);
        };
        let message =
            format!("{last}; timeout {seconds:.2} s passed before another attempt succeeded");
        let kind = match last.kind() {
            ErrorKind::Resources => ErrorKind::Resources,
            _ => ErrorKind::Connect,
        };
        let error = Error::new(kind, message).with_class(last.class());
        match last.shared_source() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    fn waiting_timed_out(&self, gate: &State<M>, turn: &Turn<M>) -> Error {
        let seconds = turn.timeout.as_secs_f64();
        let (kind, cause) = if gate.too_many_hang() {
            let words = format!(
                "{}: no connection is opened until one of them ends",
                gate.what_hangs()
            );
            (ErrorKind::Connect, words)
        } else if let Some(words) = gate.full_words() {
            (ErrorKind::Timeout, words)
        } else if gate.has_room() {
            let taken = gate.counters().total() + gate.opening() as u64;
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
        let evidence = self.evidence(gate);
        Error::new(
            kind,
            format!("{cause}, connection timed out, timeout {seconds:.2}{evidence}"),
        )
    }

    /// Counts a checkout that ended at its deadline, and tells the hook.
    pub(crate) fn count_timeout(&self, turn: &Turn<M>) {
        note_timeout(&mut self.gate.lock(), turn);
        self.tell_of_timeout(turn);
    }

    fn tell_of_timeout(&self, turn: &Turn<M>) {
        if !turn.is_probe {
            // Its failure is counted and logged.
            let _ = self.run_hook("timeout", |hooks| hooks.timed_out(turn.started.elapsed()));
        }
    }

    /// Counts a call that ended without a connection, other than at its deadline or refused for max_waiting.
    pub(crate) fn count_failed(&self) {
        self.gate.lock().counters_mut().counts.failed_checkouts += 1;
    }

    /// The end of a timeout's text: who waits, who has held which connections longest and where they took them, and the last
    /// connect error, unless a connect has succeeded since.
    pub(crate) fn evidence(&self, gate: &State<M>) -> String {
        let mut text = String::new();
        if gate.waiting() > 0 {
            let others = counted(gate.waiting(), "other waits", "others wait");
            text += &format!("; {others}");
        }
        let now = self.clock.now();
        let mut holders = gate.holders();
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
        text += &in_hooks(gate);
        if gate.hung() > 0 && !gate.too_many_hang() {
            text += &format!("; {}", gate.what_hangs());
        }
        if let Some(last) = gate.counters().last_error.as_ref()
            && !last.refuted
        {
            let ago = last.at.elapsed().unwrap_or_default().as_secs_f64();
            text += &format!("; last connect error {ago:.1} s ago: {}", last.error);
        }
        text
    }

    /// It comes at once and without the evidence of a timeout, because gathering that costs time, which an overloaded pool lacks.
    pub(crate) fn overloaded(&self, limit: u32) -> Error {
        Error::new(
            ErrorKind::Overloaded,
            format!(
                "the pool {} is overloaded: {limit} callers wait for a connection already, which is max_waiting",
                self.name
            ),
        )
    }
}

/// Under one hold of the lock, so that no snapshot shows more timeouts than failures.
fn note_timeout<M: Manager>(gate: &mut State<M>, turn: &Turn<M>) {
    if turn.is_probe {
        return;
    }
    let counts = &mut gate.counters_mut().counts;
    counts.connection_timeouts += 1;
    counts.failed_checkouts += 1;
    turn.counted_failed.set(true);
}

/// New connections on which a connect hook runs, and for how long.
fn in_hooks<M: Manager>(gate: &State<M>) -> String {
    let since = gate.hooks_began();
    let Some(longest) = since.clone().min() else {
        return String::new();
    };
    let seconds = Instant::now()
        .saturating_duration_since(longest)
        .as_secs_f64();
    match since.count() {
        1 => format!("; a new connection has been in its connect hook for {seconds:.1} s"),
        count => format!(
            "; {count} new connections are in their connect hooks, one of them for {seconds:.1} s"
        ),
    }
}
