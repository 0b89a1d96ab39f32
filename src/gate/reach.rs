//! What is known of the database: the last check and the last failed connect, the server's limit, the validation_query.

use std::time::{Duration, SystemTime};

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::gate::state::State;

/// The last health check that was made, not those skipped.
#[derive(Clone)]
pub(crate) struct LastCheck {
    pub(crate) at: SystemTime,
    pub(crate) ended: Instant,
    pub(crate) took: Duration,
    /// `None`: the database answered.
    pub(crate) error: Option<Error>,
}

/// The last failed connect.
#[derive(Clone)]
pub(crate) struct LastError {
    pub(crate) error: Error,
    pub(crate) at: SystemTime,
    pub(crate) occurred: Instant,
    /// A connect has succeeded since, so it explains nothing any more.
    pub(crate) refuted: bool,
}

/// Whether the server's limit was asked for.
#[derive(Clone, Copy)]
pub(crate) enum LimitKnown {
    Unasked,
    Asking,
    Known(Option<ServerLimit>),
}

impl LimitKnown {
    pub(crate) fn known(self) -> Option<ServerLimit> {
        match self {
            LimitKnown::Known(limit) => limit,
            LimitKnown::Unasked | LimitKnown::Asking => None,
        }
    }
}

/// What is known of the validation_query.
pub(crate) enum Validation {
    Untried,
    /// It succeeded once.
    Proved,
    Refused {
        at: Instant,
        error: Error,
    },
}

/// How long a refused validation_query is not asked again.
const REFUSAL_HOLDS: Duration = Duration::from_secs(1);

impl<M: Manager> State<M> {
    /// A connection was proved alive.
    #[inline]
    pub(crate) fn prove(&mut self, now: Instant) {
        self.proven = Some(now);
    }

    /// A check has been made.
    pub(crate) fn note_check(&mut self, check: LastCheck) {
        self.counters.counts.health_check_failures += u64::from(check.error.is_some());
        let replaced = self.counters.last_health_check.replace(check);
        self.discard(replaced);
    }

    /// A ping has succeeded.
    pub(crate) fn note_answer(&mut self) {
        self.proven = Some(Instant::now());
        if !matches!(self.validation, Validation::Proved) {
            let replaced = std::mem::replace(&mut self.validation, Validation::Proved);
            self.discard(replaced);
        }
    }

    /// The error of a validation_query that was refused within the last second: it is not asked again yet.
    pub(crate) fn query_refused(&self) -> Option<Error> {
        match &self.validation {
            Validation::Refused { at, error } if at.elapsed() < REFUSAL_HOLDS => {
                Some(error.clone())
            }
            _ => None,
        }
    }

    /// A validation_query that is wrong in itself tells nothing of the connection, unless it has succeeded before: then false.
    pub(crate) fn note_refused_query(&mut self, error: &Error) -> bool {
        if matches!(self.validation, Validation::Proved) {
            return false;
        }
        let refused = Validation::Refused {
            at: Instant::now(),
            error: error.clone(),
        };
        let replaced = std::mem::replace(&mut self.validation, refused);
        self.discard(replaced);
        true
    }

    /// True for the one who is to ask the server for its limit.
    pub(crate) fn begin_asking(&mut self) -> bool {
        let asks = matches!(self.server_limit, LimitKnown::Unasked);
        if asks {
            self.server_limit = LimitKnown::Asking;
        }
        asks
    }

    pub(crate) fn note_limit(&mut self, answer: LimitKnown) {
        self.server_limit = answer;
    }

    /// Whether the server's limit is still to be asked for, and a connection is idle to do so.
    pub(crate) fn wants_limit(&self) -> bool {
        matches!(self.server_limit, LimitKnown::Unasked) && !self.idle.is_empty()
    }

    /// For how long the database has not been reached. A connection that was proved alive since the last failure shows that the
    /// database is there, whatever became of a connect.
    pub(crate) fn unreachable_for(&self, now: Instant) -> Option<Duration> {
        let failed = self.counters.last_error.as_ref()?.occurred;
        self.episodes
            .unreachable_for(now)
            .filter(|_| self.proven.is_none_or(|proven| proven < failed))
    }

    /// Why the database cannot be reached, as last known: the latest failure of a health check or a connect, unless a connection
    /// was opened, pinged or returned after use since.
    pub(crate) fn database_error(&self) -> Option<&Error> {
        let check = self.counters.last_health_check.as_ref();
        let failed_check = check.and_then(|check| Some((check.ended, check.error.as_ref()?)));
        // A full server can be reached.
        let connect = self
            .counters
            .last_error
            .as_ref()
            .filter(|last| last.error.class() != Some(ErrorClass::Full));
        let failed_connect = connect.map(|last| (last.occurred, &last.error));
        let (failed, error) = [failed_check, failed_connect]
            .into_iter()
            .flatten()
            .max_by_key(|(failed, _)| *failed)?;
        self.proven
            .is_none_or(|proven| proven < failed)
            .then_some(error)
    }
}
