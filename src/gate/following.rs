//! What the gate makes of the roles of servers: which connections are closed for them, and what is told.

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
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

    /// Whether a working connection may be closed because its server is read-only, before its successor is open.
    fn may_close_for_role(&self) -> bool {
        !self.is_server_full(Instant::now())
    }
}
