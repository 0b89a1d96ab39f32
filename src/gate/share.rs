//! Several instances share one server. While it is full, an instance that has more than its share gives connections up, one a
//! second, so that those with fewer get some.

use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::state::State;
use crate::settings::Mode;

/// The time between two connections that are given up.
const PAUSE: Duration = Duration::from_secs(1);

impl<M: Manager> State<M> {
    /// How many connections this instance may have while the server is full. `None` where there is one instance, or the server's
    /// limit is not known.
    fn share(&self) -> Option<u64> {
        let instances = u64::from(self.rules.instances);
        let limit = self.server_limit.known().filter(|_| instances > 1)?;
        Some((limit.available() / instances).max(1))
    }

    /// Whether a connection that has come back is closed instead of handed on.
    pub(super) fn gives_up_one(&mut self) -> bool {
        if self.rules.instances <= 1 || self.rules.mode == Mode::Null {
            return false;
        }
        let now = Instant::now();
        let is_over = self.is_server_full(now)
            && self
                .share()
                .is_some_and(|share| self.counters.total() > share);
        if !is_over || self.gave_up.is_some_and(|last| now < last + PAUSE) {
            return false;
        }
        self.gave_up = Some(now);
        true
    }

    /// While the server is full, an instance that has its share opens no more; until then.
    pub(super) fn has_its_share(&self, now: Instant) -> Option<Instant> {
        let until = self.trouble.full_until().filter(|until| *until > now)?;
        let taken = self.counters.total() + self.opening() as u64;
        self.share()
            .is_some_and(|share| taken >= share)
            .then_some(until)
    }

    /// Who holds the server's connections, if it is known how many it takes.
    pub(super) fn others_hold(&self) -> Option<String> {
        let available = self.server_limit.known()?.available();
        let others = available.checked_sub(self.counters.total())?;
        Some(format!("other clients hold {others} of {available} places"))
    }
}
