//! Several instances share one server. While it is full, an instance that has more than its share gives connections up, one a
//! second, so that those with fewer get some.
//!
//! An instance that has all the connections it wants opens none, and so is never refused one. While it is above its share it
//! therefore asks the server, once a second, how many connections it would accept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::reach::LimitKnown;
use crate::gate::state::State;
use crate::gate::trouble::FULL_HOLDS;
use crate::settings::Mode;

/// The time between two connections that are given up, and between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// What this instance has done lately for the others.
#[derive(Default)]
pub(super) struct Sharing {
    gave_up: Option<Instant>,
    asked: Option<Instant>,
    is_asking: bool,
    /// The driver does not tell how many connections the server would accept.
    is_untold: bool,
}

impl<M: Manager> State<M> {
    fn shares(&self) -> bool {
        self.rules.instances > 1 && self.rules.mode == Mode::Queue
    }

    /// How many connections this instance may have while the server is full. `None` where there is one instance, or the server's
    /// limit is not known.
    fn share(&self) -> Option<u64> {
        let instances = u64::from(self.rules.instances);
        let limit = self.server_limit.known().filter(|_| instances > 1)?;
        Some((limit.available() / instances).max(1))
    }

    fn is_above_its_share(&self) -> bool {
        self.share()
            .is_some_and(|share| self.counters.total() > share)
    }

    /// Whether a connection that has come back is closed instead of handed on.
    pub(super) fn gives_up_one(&mut self) -> bool {
        if !self.shares() {
            return false;
        }
        let now = Instant::now();
        let is_over = self.is_server_full(now) && self.is_above_its_share();
        if !is_over || self.sharing.gave_up.is_some_and(|last| now < last + PAUSE) {
            return false;
        }
        self.sharing.gave_up = Some(now);
        true
    }

    /// Whether the server is to be asked, on a connection that comes back or is idle, how many more it would accept. True for one
    /// at a time, who then calls [`end_asking_for_room`](State::end_asking_for_room).
    #[inline]
    pub(crate) fn begin_asking_for_room(&mut self) -> bool {
        self.shares() && self.asks_for_room_now()
    }

    fn asks_for_room_now(&mut self) -> bool {
        let is_due = match self.server_limit {
            LimitKnown::Unasked => true,
            LimitKnown::Asking => false,
            LimitKnown::Known(_) => self.is_above_its_share(),
        };
        let now = Instant::now();
        let Sharing {
            asked,
            is_asking,
            is_untold,
            ..
        } = &mut self.sharing;
        if !is_due || *is_asking || *is_untold || asked.is_some_and(|last| now < last + PAUSE) {
            return false;
        }
        *is_asking = true;
        *asked = Some(now);
        true
    }

    /// The server would accept `room` more connections. A server that accepts none is full for whoever has too few.
    pub(crate) fn end_asking_for_room(&mut self, room: Room) {
        self.sharing.is_asking = false;
        match room {
            Room::Unknown => {}
            Room::Untold => self.sharing.is_untold = true,
            Room::For(0) => {
                let now = Instant::now();
                self.trouble.is_full_for_others(now);
                self.rules.server_full.store(true, Ordering::Release);
                self.wake_at(now + FULL_HOLDS);
            }
            Room::For(_) => {}
        }
    }

    /// While the server is full, an instance that has its share opens no more; until then.
    pub(super) fn has_its_share(&self, now: Instant) -> Option<Instant> {
        let until = self.trouble.full_until().filter(|until| *until > now)?;
        let taken = self.counters.total() + self.opening() as u64;
        self.share()
            .is_some_and(|share| taken >= share)
            .then_some(until)
    }

    /// Who holds the connections of a server that is full. Whoever has none cannot ask how many there are.
    pub(super) fn others_hold(&self) -> Option<String> {
        let total = self.counters.total();
        let Some(limit) = self.server_limit.known() else {
            return (total == 0).then(|| "other clients hold all places".to_owned());
        };
        let available = limit.available();
        let others = available.checked_sub(total)?;
        Some(format!("other clients hold {others} of {available} places"))
    }
}

/// The answer to the question how many more connections a server would accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    For(u64),
    /// It was not answered this time.
    Unknown,
    /// It is never answered.
    Untold,
}
