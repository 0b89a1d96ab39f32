//! What the gate makes of the roles of servers: which connections are closed for them, and what is told.

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::attempt::{Attempt, For};
use crate::gate::lease::Live;
use crate::gate::role::{BREAK, Follow};
use crate::gate::state::State;

impl<M: Manager> State<M> {
    /// The login of a new connection has said whether its server is read-only. Returns whether all opened before are to be
    /// replaced.
    pub(crate) fn note_login(&mut self, live: &mut Live<M>) -> bool {
        let Some(read_only) = live.info.read_only else {
            return false;
        };
        let now = self.rules.clock.now();
        let may_close = self.may_close_for_role();
        let noted = self
            .roles
            .logged_in(read_only, live.generation, may_close, now);
        live.login = noted.login;
        self.something_ended |= noted.words.is_some();
        self.tell(noted.words);
        noted.replace
    }

    /// This connection was asked, and its server is read-only.
    pub(crate) fn confirm_read_only(&mut self, live: &mut Live<M>) -> Follow {
        live.info.read_only = Some(true);
        let now = self.rules.clock.now();
        if !self.may_close_for_role() {
            return Follow::Keep;
        }
        let (follow, words) = self.roles.confirmed(live.generation, now);
        self.tell(words);
        follow
    }

    /// A write was refused on this connection, and its server cannot be asked.
    pub(crate) fn suspect_read_only(&mut self, live: &Live<M>) -> Follow {
        let now = self.rules.clock.now();
        if !self.may_close_for_role() {
            return Follow::Keep;
        }
        let Some(read_only) = live.info.read_only else {
            return Follow::Keep;
        };
        self.roles.suspected(live.generation, !read_only, now)
    }

    /// This connection was asked, and its server accepts writes.
    pub(crate) fn note_writable(&mut self, live: &mut Live<M>) {
        let now = self.rules.clock.now();
        if live.info.read_only.replace(false) == Some(true) {
            let (login, words) = self.roles.accepts_again(live.generation, now);
            live.login = login;
            self.something_ended |= words.is_some();
            self.tell(words);
        }
    }

    /// Whether this connection is worth asking, of which it was seen in passing that its server is read-only.
    pub(crate) fn is_worth_asking(&self, live: &Live<M>) -> bool {
        let now = self.rules.clock.now();
        match live.info.read_only {
            // Its user may have made the session read-only, for good.
            Some(false) => live.refuted.is_none_or(|last| last + BREAK <= now),
            Some(true) => self.roles.would_follow(live.generation, now),
            None => false,
        }
    }

    /// Whether a connection that comes back now would be kept.
    pub(crate) fn keeps_what_comes_back(&self) -> bool {
        let has_room = self.idle.len() < self.rules.pool_size;
        !self.closed && (has_room || !self.waiters.is_empty())
    }

    /// Whether idle sessions are to be asked if their servers accept writes again.
    pub(crate) fn hopes_for_writes(&self) -> bool {
        let is_read_only = |live: &Live<M>| live.info.read_only == Some(true);
        self.roles.unsuited().is_some() && self.any_idle(is_read_only)
    }

    /// A write was refused on a connection that is to be kept. A new login shows where logins lead now, one at a time and at most
    /// ten times a second; where there is no room for it, this connection makes some.
    pub(crate) fn look_for_a_writable_server(&mut self) -> Look {
        let now = self.rules.clock.now();
        let may_start =
            !self.closed && !self.is_looking() && self.may_start(Instant::now()).is_ok();
        if may_start && self.roles.looks(now) {
            let Some(place) = self.places.try_take() else {
                return Look::NeedsRoom;
            };
            let attempt = self.add_attempt(place, For::Look, Instant::now());
            self.start(attempt);
        }
        match self.roles.is_looking(now) {
            true => Look::UnderWay,
            false => Look::None,
        }
    }

    fn is_looking(&self) -> bool {
        let looks = |attempt: &Attempt| matches!(attempt.purpose, For::Look);
        self.attempts.iter().any(looks)
    }

    /// Whether this attempt was made to see where logins lead.
    pub(crate) fn is_look(&mut self, id: u64) -> bool {
        self.attempt(id)
            .is_some_and(|attempt| matches!(attempt.purpose, For::Look))
    }

    /// A login that was to show where logins lead has led to a read-only server again, and is closed.
    pub(crate) fn looked_in_vain(&mut self, id: u64) {
        self.end_attempt(id);
        self.connected();
    }

    /// Whether nobody has reason to wait for a server that accepts writes.
    pub(crate) fn waits_for_no_writes(&self) -> bool {
        self.closed || !self.roles.is_looking(self.rules.clock.now())
    }

    /// Whether a working connection may be closed because its server is read-only, before its successor is open.
    fn may_close_for_role(&self) -> bool {
        !self.is_server_full(Instant::now())
    }
}

/// Whether somebody looks where logins lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    None,
    /// Whoever was refused a write waits for what it shows.
    UnderWay,
    NeedsRoom,
}
