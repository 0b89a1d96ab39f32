//! Whether the servers that the connections lead to accept writes, and what follows when one that did no longer does.
//!
//! A login says whether its server is read-only, and so does a session that is asked later. That one of them is read-only may mean
//! that the servers have changed places; or that the pool was given a replica on purpose; or that an address leads now to the
//! one and now to the other. In the first case all connections are to be replaced, and in the others that would only cost logins.
//! So the pool follows a change only if it has seen a server that accepts writes, and not while logins of both kinds stand
//! beside each other; it replaces at most once a second; and where that brings nothing better, at most once a minute.

use std::sync::Arc;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::gate::trouble::LEAST_GAP;
use crate::settings::Role;

/// The least time between two replacements, and between two connections that are closed alone. Each more within [`CALM`] doubles
/// it.
pub(super) const BREAK: Duration = Duration::from_secs(1);
/// After two replacements in a row that led to read-only servers again, there is none for this long. After this long without a
/// replacement, the next is the first again.
const CALM: Duration = Duration::from_secs(60);

/// So many logins in a row that led to read-only servers, and after this long one that did not, are the end of a switch-over. An
/// address that leads to both kinds shows that sooner.
const A_ROW: u32 = 3;
const A_WHILE: Duration = Duration::from_millis(250);

/// Counts an open connection among those whose login said the same. There is nothing to give back but itself.
pub(crate) struct Login(#[expect(dead_code, reason = "it counts by being there")] Arc<()>);

/// What follows for the connections when one of them is found on a read-only server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// It stays as it is.
    Keep,
    /// It is closed, and no other.
    Close,
    /// It is closed, and all that were opened before are replaced.
    Replace,
}

/// Connections that were opened since the last replacement.
#[derive(Default)]
struct Alive {
    writable: Arc<()>,
    read_only: Arc<()>,
    /// Logins to read-only servers.
    read_only_logins: u32,
    /// One whose server accepts writes was opened while another stood on a read-only one: an address leads to both. The other way
    /// round it may be a switch-over.
    mixed: bool,
}

impl Alive {
    fn any(token: &Arc<()>) -> bool {
        Arc::strong_count(token) > 1
    }

    fn is_mixed(&self) -> bool {
        self.mixed && Alive::any(&self.writable) && Alive::any(&self.read_only)
    }
}

/// From the first confirmed refusal until a login to a server that accepts writes.
struct Episode {
    since: Instant,
    confirmed: u64,
    /// Replacements since the last login to a server that accepts writes.
    in_vain: u32,
    /// Where all are replaced no more for now, one at a time is closed, so that its successor shows where logins lead. When the
    /// next may be, and how much later the one after it.
    alone: Instant,
    pause: Duration,
    /// When a login was last made to see where logins lead.
    looked: Option<Instant>,
}

/// What is known of the servers' roles. All times are on the movable clock.
pub(crate) struct Roles {
    wanted: Role,
    /// Some session has led to a server that accepts writes.
    has_accepted: bool,
    /// The pool's generation to which `alive` belongs.
    generation: u64,
    alive: Alive,
    episode: Option<Episode>,
    /// When all were replaced last, and how much later that may be done again.
    replaced: Option<(Instant, Duration)>,
    /// When the end of an episode last replaced what was left on read-only servers, and how much later the next may.
    cured: Option<(Instant, Duration)>,
    /// When a connection was closed last that was closed alone.
    alone: Option<Instant>,
}

/// What a login to a server has changed.
pub(crate) struct Noted {
    pub(crate) login: Option<Login>,
    /// All that were opened before are to be replaced, and this one counts as opened after that.
    pub(crate) replace: bool,
    pub(super) words: Option<String>,
}

/// How long the pool has been on read-only servers, for the status.
#[derive(Clone, Copy)]
pub(crate) struct Unsuited {
    pub(crate) since: Instant,
    /// New logins lead to read-only servers too.
    pub(crate) in_vain: bool,
}

impl Roles {
    pub(super) fn new(wanted: Role) -> Self {
        Roles {
            wanted,
            has_accepted: false,
            generation: 0,
            alive: Alive::default(),
            episode: None,
            replaced: None,
            cured: None,
            alone: None,
        }
    }

    /// A login has said this of its server. `generation` is the pool's when the connect began.
    pub(super) fn logged_in(
        &mut self,
        read_only: bool,
        generation: u64,
        may_close: bool,
        now: Instant,
    ) -> Noted {
        if generation > self.generation {
            self.begin_generation(generation);
        }
        let is_current = generation == self.generation;
        self.has_accepted |= !read_only;
        let mut words = None;
        let mut replace = false;
        if is_current && !read_only {
            words = self.end_episode(now);
            let left_behind = Alive::any(&self.alive.read_only);
            let all_were = self.alive.read_only_logins >= A_ROW
                && self.replaced.is_none_or(|(last, _)| last + A_WHILE <= now);
            replace = words.is_some() && left_behind && all_were && may_close && self.may_cure(now);
            if replace {
                self.begin_generation(generation + 1);
            } else {
                self.alive.mixed |= left_behind;
            }
        }
        if is_current && read_only {
            self.alive.read_only_logins += 1;
        }
        let token = match read_only {
            true => &self.alive.read_only,
            false => &self.alive.writable,
        };
        let login = (is_current || replace).then(|| Login(token.clone()));
        Noted {
            login,
            replace,
            words,
        }
    }

    /// A session was asked and is read-only now. `generation` is the one of its connection.
    pub(super) fn confirmed(&mut self, generation: u64, now: Instant) -> (Follow, Option<String>) {
        match self.wanted {
            Role::Replica => (Follow::Keep, None),
            // It was to be replaced in any case.
            _ if generation < self.generation => (Follow::Close, None),
            Role::Any if self.goes_alone() => (self.one_a_second(now), None),
            Role::Any | Role::Primary => {
                let words = self.count_in_episode(now);
                (self.follow(generation, now), words)
            }
        }
    }

    /// A session cannot be asked on which a write was refused.
    pub(super) fn suspected(&mut self, generation: u64, is_news: bool, now: Instant) -> Follow {
        match self.wanted {
            Role::Replica => Follow::Keep,
            _ if generation < self.generation || is_news => Follow::Close,
            _ => self.one_a_second(now),
        }
    }

    /// Whether a session whose login said that its server is read-only is worth asking again.
    pub(super) fn would_follow(&self, generation: u64, now: Instant) -> bool {
        self.wanted == Role::Any
            && generation == self.generation
            && !self.goes_alone()
            && (self.may_replace(now)
                || self.episode.as_ref().is_some_and(|one| one.may_probe(now)))
    }

    /// Whether a login is to show now whether a server that accepts writes is reached again. A switch-over takes seconds, and its
    /// end is to be noticed at once; after [`CALM`] it is left to those that are closed alone.
    pub(super) fn looks(&mut self, now: Instant) -> bool {
        if self.wanted != Role::Any || self.goes_alone() {
            return false;
        }
        let Some(episode) = self.episode.as_mut().filter(|one| now < one.since + CALM) else {
            return false;
        };
        if episode.looked.is_some_and(|last| now < last + LEAST_GAP) {
            return false;
        }
        episode.looked = Some(now);
        true
    }

    /// Whether somebody looks for a server that accepts writes.
    pub(super) fn is_looking(&self, now: Instant) -> bool {
        let looked = self.episode.as_ref().and_then(|episode| episode.looked);
        looked.is_some_and(|last| now < last + CALM)
    }

    /// Whether a session that is read-only says nothing of the others.
    fn goes_alone(&self) -> bool {
        !self.has_accepted || self.alive.is_mixed()
    }

    fn one_a_second(&mut self, now: Instant) -> Follow {
        if self.alone.is_some_and(|last| last + BREAK > now) {
            return Follow::Keep;
        }
        self.alone = Some(now);
        Follow::Close
    }

    fn count_in_episode(&mut self, now: Instant) -> Option<String> {
        if let Some(episode) = &mut self.episode {
            episode.confirmed += 1;
            return None;
        }
        self.episode = Some(Episode {
            since: now,
            confirmed: 1,
            in_vain: 0,
            alone: now,
            pause: BREAK,
            looked: None,
        });
        Some("The server is read-only and was not before: the connections opened before are replaced".to_owned())
    }

    fn follow(&mut self, generation: u64, now: Instant) -> Follow {
        let may_replace = self.wanted == Role::Primary || self.may_replace(now);
        let Some(episode) = &mut self.episode else {
            return Follow::Keep;
        };
        if may_replace {
            episode.in_vain += 1;
            episode.alone = now + BREAK;
            episode.pause = BREAK;
            self.note_replacement(generation, now);
            return Follow::Replace;
        }
        if !episode.may_probe(now) {
            return Follow::Keep;
        }
        // A switch-over takes seconds, and its end is to be noticed within one.
        if episode.since + CALM <= now {
            episode.pause = (episode.pause * 2).min(CALM);
        }
        episode.alone = now + episode.pause;
        Follow::Close
    }

    fn may_replace(&self, now: Instant) -> bool {
        let in_vain = self.episode.as_ref().map_or(0, |episode| episode.in_vain);
        self.replaced.is_none_or(|(last, pause)| {
            let pause = if in_vain >= 2 { CALM } else { pause };
            last + pause <= now
        })
    }

    /// Whether what is left on read-only servers is replaced because a login has led to one that accepts writes. This ends a
    /// switch-over, however short a time ago the last replacement was. Where an address leads to both, it would come again and
    /// again, so each within [`CALM`] doubles the time to the next.
    fn may_cure(&mut self, now: Instant) -> bool {
        let pause = match self.cured {
            Some((last, pause)) if now < last + pause => return false,
            Some((last, pause)) if now < last + CALM => (pause * 2).min(CALM),
            _ => BREAK,
        };
        self.cured = Some((now, pause));
        true
    }

    fn note_replacement(&mut self, generation: u64, now: Instant) {
        let pause = match self.replaced {
            Some((last, pause)) if last + CALM > now => (pause * 2).min(CALM),
            _ => BREAK,
        };
        self.replaced = Some((now, pause));
        self.begin_generation(generation + 1);
    }

    fn begin_generation(&mut self, generation: u64) {
        self.generation = generation;
        self.alive = Alive::default();
    }

    /// What the log is to be told.
    fn end_episode(&mut self, now: Instant) -> Option<String> {
        let episode = self.episode.take()?;
        Some(format!(
            "A server that accepts writes is reached again after {:.1} s; connections found on read-only servers meanwhile: {}",
            now.saturating_duration_since(episode.since).as_secs_f64(),
            episode.confirmed
        ))
    }

    /// A session that was read-only accepts writes again, as do all that lead to the same server.
    pub(super) fn accepts_again(
        &mut self,
        generation: u64,
        now: Instant,
    ) -> (Option<Login>, Option<String>) {
        self.has_accepted = true;
        let is_current = generation == self.generation;
        let login = is_current.then(|| Login(self.alive.writable.clone()));
        (login, self.end_episode(now))
    }

    pub(super) fn unsuited(&self) -> Option<Unsuited> {
        let episode = self.episode.as_ref()?;
        Some(Unsuited {
            since: episode.since,
            in_vain: episode.in_vain >= 2,
        })
    }
}

impl Episode {
    fn may_probe(&self, now: Instant) -> bool {
        self.in_vain >= 2 && self.alone <= now
    }
}

#[cfg(test)]
mod tests;
