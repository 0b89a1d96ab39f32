//! What is known of one replica, and whether reads may go to it.

use std::fmt;
use std::time::Duration;

use crate::contract::replication::{Position, Replication};
use crate::error::Error;
use crate::read_write::Moment;
use crate::read_write::notes::Notes;

/// The servers count their lag in whole seconds, so a lag of 1 s may be one of 1.999 s.
const GRANULARITY: Duration = Duration::from_secs(1);

/// What is known of one replica.
#[derive(Default)]
pub(super) struct Replica {
    /// Raised whenever it fails. A check that began before that proves nothing.
    failures: u64,
    /// Why it failed, until a check that began later has succeeded.
    failure: Option<String>,
    seen: Option<Seen>,
    /// Whether it was last told to the log as one that is passed over.
    pub(super) told: bool,
}

/// What its last successful check saw.
struct Seen {
    asked: Moment,
    position: Position,
    /// It has everything that the primary had written at this moment, by the notes.
    written: Option<Moment>,
    /// It has everything that the primary had committed at this moment.
    committed: Option<Moment>,
    /// The moment from which its lag counts: by the server's own account, or by the notes.
    current: Option<Moment>,
    /// Why the server does not tell its lag.
    refusal: Option<String>,
}

/// Why reads pass a replica over.
pub(super) enum Obstacle {
    Failed(String),
    UnknownLag(Option<String>),
    Behind {
        lag: Duration,
        max_lag: Duration,
    },
    /// It may not have replayed what the reader wants to see.
    Mark,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Failed(words) => write!(f, "it failed: {words}"),
            Obstacle::UnknownLag(None) => f.write_str("its lag is unknown, and max_lag is set"),
            Obstacle::UnknownLag(Some(why)) => {
                write!(f, "its lag is unknown, and max_lag is set: {why}")
            }
            Obstacle::Behind { lag, max_lag } => {
                write!(f, "it is {lag:.1?} behind, and max_lag is {max_lag:?}")
            }
            Obstacle::Mark => f.write_str("it may not have replayed yet what must be seen"),
        }
    }
}

impl Replica {
    /// What a check has to bring along to be believed.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    pub(super) fn fail(&mut self, error: &Error) {
        self.failures += 1;
        self.failure = Some(error.to_string());
    }

    /// A check that began at `asked`, when it had failed so often, was answered.
    pub(super) fn note(&mut self, asked: Moment, failures: u64, told: Replication, notes: &Notes) {
        let Replication {
            position,
            written: _,
            committed: _,
            reported,
            refusal,
        } = told;
        if failures == self.failures {
            self.failure = None;
        }
        let before = self.seen.take();
        // The notes may not reach back as far as the replica is behind. Then it has at least what it had when it was seen last,
        // unless it has been set up anew since.
        let before = before.filter(|seen| position.covers(&seen.position));
        let before = before.map_or((None, None), |seen| (seen.written, seen.committed));
        let by_notes = match position.is_known() {
            true => (
                notes.replayed(&position).max(before.0),
                notes.replayed_committed(&position).max(before.1),
            ),
            false => (None, None),
        };
        let by_report = reported.map(|lag| asked.checked_sub(lag?));
        self.seen = Some(Seen {
            asked,
            written: by_notes.0,
            committed: match by_report {
                Some(at) if !position.is_known() => at.and_then(|at| at.checked_sub(GRANULARITY)),
                _ => by_notes.1,
            },
            current: by_report.unwrap_or(by_notes.0),
            position,
            refusal,
        });
    }

    /// How far it was behind when it was last asked.
    pub(super) fn lag(&self) -> Option<Duration> {
        let seen = self.seen.as_ref()?;
        Some(seen.asked.saturating_sub(seen.current?))
    }

    /// Why a read must not go to it now: one that allows for so much lag, and one that must see what the primary had at `mark`.
    pub(super) fn obstacle(
        &self,
        now: Moment,
        max_lag: Option<Duration>,
        mark: Option<Moment>,
        notes: &Notes,
    ) -> Option<Obstacle> {
        if let Some(words) = &self.failure {
            return Some(Obstacle::Failed(words.clone()));
        }
        let seen = self.seen.as_ref();
        if let Some(max_lag) = max_lag {
            // While the primary does not answer, a replica with everything that the primary is known to have had is as good as any.
            let written = seen.and_then(|seen| seen.written);
            let has_all = written.is_some() && written >= notes.newest();
            if !(has_all && notes.failure().is_some()) {
                let Some(current) = seen.and_then(|seen| seen.current) else {
                    return Some(Obstacle::UnknownLag(self.why_unknown()));
                };
                // What has happened since the last check is not known, so the lag counts from now.
                let lag = now.saturating_sub(current);
                if lag > max_lag {
                    return Some(Obstacle::Behind { lag, max_lag });
                }
            }
        }
        let committed = seen.and_then(|seen| seen.committed);
        match mark {
            Some(mark) if committed.is_none_or(|committed| committed < mark) => {
                Some(Obstacle::Mark)
            }
            _ => None,
        }
    }

    fn why_unknown(&self) -> Option<String> {
        match &self.seen {
            None => Some("it has not been asked yet".to_owned()),
            Some(seen) => seen.refusal.clone(),
        }
    }
}
