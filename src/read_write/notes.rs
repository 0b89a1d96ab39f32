//! What is known of the primary's log: where it stood, and when.

use std::collections::VecDeque;

use crate::contract::replication::{Position, Replication};
use crate::read_write::Moment;

/// A quarter of an hour of notes, one a second. A replica that is further behind keeps what it had replayed when it was last seen
/// near, so its lag goes on growing.
const MOST: usize = 1000;

/// The primary had written this when it was asked at that moment.
struct Note {
    asked: Moment,
    position: Position,
    /// As above, with what had been committed and not yet been written.
    committed: Position,
}

/// The notes of the primary's checks, the newest last. Each one's position covers those before it.
#[derive(Default)]
pub(super) struct Notes {
    notes: VecDeque<Note>,
    /// Why the primary's last check failed.
    failure: Option<String>,
}

impl Notes {
    /// Notes where the primary's log stood when it was asked. Positions beyond it belong to a primary that has been replaced, and are
    /// forgotten.
    pub(super) fn add(&mut self, asked: Moment, told: Replication) {
        self.failure = None;
        let position = told.written.unwrap_or(told.position);
        let committed = told.committed.unwrap_or_else(|| position.clone());
        if !position.is_known() {
            return;
        }
        self.notes.retain(|note| position.covers(&note.position));
        match self.notes.back_mut() {
            // Nothing was written in the meantime. Who has replayed this is as current now as then.
            Some(last) if last.position.covers(&position) => {
                last.asked = asked;
                last.committed = committed;
            }
            _ => self.notes.push_back(Note {
                asked,
                position,
                committed,
            }),
        }
        if self.notes.len() > MOST {
            self.notes.pop_front();
        }
    }

    pub(super) fn primary_failed(&mut self, words: String) {
        self.failure = Some(words);
    }

    /// Why the primary's last check failed.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// When the primary was asked for the newest note of which a log at this position has everything that was written.
    pub(super) fn replayed(&self, position: &Position) -> Option<Moment> {
        self.newest_with(|note| position.covers(&note.position))
    }

    /// As above, for everything that was committed.
    pub(super) fn replayed_committed(&self, position: &Position) -> Option<Moment> {
        self.newest_with(|note| position.covers(&note.committed))
    }

    fn newest_with(&self, is_covered: impl Fn(&Note) -> bool) -> Option<Moment> {
        let mut newest_first = self.notes.iter().rev();
        newest_first
            .find(|note| is_covered(note))
            .map(|note| note.asked)
    }

    /// When the primary was asked for the newest note.
    pub(super) fn newest(&self) -> Option<Moment> {
        self.notes.back().map(|note| note.asked)
    }
}
