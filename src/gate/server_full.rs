//! The server is full: it answers, and accepts no more connections. That is no outage.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::episodes::LOOK;
use crate::gate::state::State;

/// From the first connect that was refused so to the first that succeeded.
pub(crate) struct ServerFull {
    since: SystemTime,
    began: Instant,
    refused: u64,
    /// When a connect succeeded. While some are refused and others not, the episode goes on.
    ended: Option<Instant>,
}

impl<M: Manager> State<M> {
    /// The server has refused a connect because it is full.
    pub(super) fn note_full(&mut self, error: &Error) {
        let now = Instant::now();
        self.trouble.server_is_full(now, &self.rules.retry);
        self.rules.server_full.store(true, Ordering::Release);
        // It has answered.
        self.proven = Some(now);
        self.end_outage(now);
        self.counters.counts.refused_full += 1;
        if let Some(replaced) = self.counters.connect_failed(error) {
            self.discard(replaced);
        }
        match &mut self.server_full {
            Some(full) => {
                full.refused += 1;
                full.ended = None;
            }
            None => {
                self.server_full = Some(ServerFull {
                    since: SystemTime::now(),
                    began: now,
                    refused: 1,
                    ended: None,
                });
                self.tell(Some(format!("The server is full: {error}")));
            }
        }
        self.wake_at(now + LOOK);
    }

    /// A connect has succeeded.
    pub(super) fn end_server_full(&mut self, now: Instant) {
        if let Some(full) = &mut self.server_full
            && full.ended.is_none()
        {
            full.ended = Some(now);
            self.wake_at(now + LOOK);
        }
    }

    /// What has changed by `now`: the server may no longer count as full, and the episode may be over.
    pub(super) fn look_at_server_full(&mut self, now: Instant) {
        if !self.is_server_full(now) {
            self.rules.server_full.store(false, Ordering::Release);
        }
        let is_over = |full: &mut ServerFull| full.ended.is_some_and(|ended| ended + LOOK <= now);
        let Some(full) = self.server_full.take_if(is_over) else {
            return;
        };
        let lasted = full
            .ended
            .unwrap_or(now)
            .saturating_duration_since(full.began);
        self.tell(Some(format!(
            "The server accepts connections again after {:.1} s; connects that it refused meanwhile because it was full: {}",
            lasted.as_secs_f64(),
            full.refused
        )));
    }

    /// When to look at it next.
    pub(super) fn server_full_due(&self, now: Instant) -> Option<Instant> {
        let ends = self.trouble.full_until().filter(|until| *until > now);
        let ended = self.server_full.as_ref().and_then(|full| full.ended);
        ends.into_iter()
            .chain(ended.map(|ended| ended + LOOK))
            .min()
    }

    /// Since when no connect has succeeded because the server is full.
    pub(crate) fn server_full_since(&self) -> Option<SystemTime> {
        let full = self.server_full.as_ref()?;
        full.ended.is_none().then_some(full.since)
    }

    /// Whether the server has said within the last ten seconds that it is full.
    pub(crate) fn is_server_full(&self, now: Instant) -> bool {
        self.trouble.full_until().is_some_and(|until| until > now)
    }

    /// The refusal, if the last connect was refused as full within the last ten seconds and the pool has no connection to go on with.
    pub(crate) fn shut_out(&self, now: Instant) -> Option<&Error> {
        let is_shut_out =
            self.trouble.is_full() && self.is_server_full(now) && self.counters.total() == 0;
        let last = self.counters.last_error.as_ref()?;
        is_shut_out.then_some(&last.error)
    }

    /// Why no connection is opened although there is room: the server has said that it is full.
    pub(crate) fn full_words(&self) -> Option<String> {
        let last = self.counters.last_error.as_ref()?;
        self.trouble.is_full().then(|| {
            format!(
                "no connection came back in time, and the server is full (this pool has {} of its {}): {}",
                self.counters.total(),
                self.rules.capacity,
                last.error
            )
        })
    }

    /// A full server's words, and how many connections this pool has.
    pub(super) fn full_in_words(&self, error: &Error) -> Error {
        let open = match self.counters.total() {
            0 => "none".to_owned(),
            open => open.to_string(),
        };
        let others = self
            .others_hold()
            .map_or_else(String::new, |others| format!(", and {others}"));
        error.reworded(format!(
            "{error}; the server accepts no more connections, and this pool has {open} of its {}{others}",
            self.rules.capacity
        ))
    }
}
