//! Connections that are being closed, and driver calls that have not returned.

use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::attempt::Attempt;
use crate::gate::places::Place;
use crate::gate::state::State;

/// A place is free after this long, whether its connection's close has returned or not.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A connection that is being closed.
pub(crate) struct Closing {
    pub(super) connection_id: u64,
    /// What it waits for: its close, or a call that was abandoned.
    call: Call,
    /// `None` once the place is free.
    place: Option<Place>,
    reason: CloseReason,
    pub(super) due: Instant,
    /// Past its limit, and without a place.
    pub(super) hung: bool,
}

impl Closing {
    fn new(
        connection_id: u64,
        call: Call,
        place: Option<Place>,
        reason: CloseReason,
        due: Instant,
    ) -> Self {
        Closing {
            connection_id,
            call,
            place,
            reason,
            due,
            hung: false,
        }
    }
}

impl<M: Manager> State<M> {
    /// A close begins; `place` is `None` for a connection that was never counted as open.
    pub(crate) fn begin_closing(
        &mut self,
        connection_id: u64,
        place: Option<Place>,
        reason: CloseReason,
    ) {
        let due = Instant::now() + CLOSE_LIMIT;
        let closing = Closing::new(connection_id, Call::Close, place, reason, due);
        self.closings.push(closing);
        if reason == CloseReason::Lost {
            // The server no longer counts a lost connection, so its place is free at once.
            self.free_place(self.closings.len() - 1);
        }
        self.wake_at(due);
    }

    /// A driver call on this connection is past its limit. Its place is freed if fewer calls hang than the pool has places.
    pub(crate) fn abandon(
        &mut self,
        connection_id: u64,
        call: Call,
        place: Place,
        reason: CloseReason,
    ) {
        let due = Instant::now();
        let closing = Closing::new(connection_id, call, Some(place), reason, due);
        self.closings.push(closing);
        self.free_overdue(due);
        // If too many hang, the timer looks again until one of them has ended.
        self.wake_at(due);
    }

    /// The close, or the abandoned call, has returned.
    pub(crate) fn close_returned(&mut self, connection_id: u64) {
        let Some(position) = self
            .closings
            .iter()
            .position(|closing| closing.connection_id == connection_id)
        else {
            return;
        };
        self.free_place(position);
        if self.closings.swap_remove(position).hung {
            self.hung -= 1;
            self.may_open = true;
        }
    }

    /// Closes that are past their limit give their places back and count as hung. At most `capacity` calls may hang
    /// without a place; beyond that a place stays taken.
    pub(super) fn free_overdue(&mut self, now: Instant) {
        for position in 0..self.closings.len() {
            let closing = &self.closings[position];
            if closing.due <= now && !closing.hung && !self.too_many_hang() {
                self.closings[position].hung = true;
                self.hung += 1;
                self.free_place(position);
            }
        }
    }

    /// Counts the connection as closed and gives its place back, once.
    fn free_place(&mut self, position: usize) {
        if let Some(place) = self.closings[position].place.take() {
            self.counters.closed(self.closings[position].reason);
            self.ended(place);
        }
    }

    /// How many are being closed.
    pub(crate) fn closing(&self) -> usize {
        self.closings
            .iter()
            .filter(|closing| closing.place.is_some())
            .count()
    }

    /// The driver calls that are past their limit and have not returned, with the connects on which callers timed out: "2
    /// connects and 1 reset hang".
    pub(crate) fn what_hangs(&self) -> String {
        let (now, slow) = (Instant::now(), self.patience.slow());
        let given_up = |attempt: &&Attempt| attempt.is_displaceable(now, slow);
        let connects = self.hung_connects() + self.attempts.iter().filter(given_up).count();
        let mut counts = vec![(Call::Connect, connects)];
        for call in [
            Call::Ping,
            Call::Reset,
            Call::Close,
            Call::ServerLimit,
            Call::Replication,
        ] {
            let hangs = |closing: &&Closing| closing.hung && closing.call == call;
            counts.push((call, self.closings.iter().filter(hangs).count()));
        }
        let words: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(call, count)| match (call, count) {
                (Call::ServerLimit | Call::Replication, _) => call.to_string(),
                (Call::Close, 2..) => format!("{count} closes"),
                (_, 1) => format!("1 {call}"),
                (_, _) => format!("{count} {call}s"),
            })
            .collect();
        let all: usize = counts.iter().map(|(_, count)| count).sum();
        let verb = if all == 1 { "hangs" } else { "hang" };
        format!("{} {verb}", words.join(" and "))
    }
}
