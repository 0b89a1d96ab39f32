//! How far a server's log of changes has come.

use std::collections::BTreeMap;
use std::time::Duration;

/// How far a server's log of changes has come: what [`Driver::replication`](crate::Driver::replication) tells
/// [`ReadWrite`](crate::ReadWrite) of a primary and of its replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replication {
    pub(crate) position: Position,
    /// What it has written, where that is not told by `position`, which is then what it has replayed.
    pub(crate) written: Option<Position>,
    /// Where the log will be once everything is written that has been committed, if that is not `position`.
    pub(crate) committed: Option<Position>,
    /// The lag by the server's own account: `None` if it gives none, `Some(None)` if it does not know.
    pub(crate) reported: Option<Option<Duration>>,
    /// Why the server did not tell.
    pub(crate) refusal: Option<String>,
}

impl Replication {
    /// Nothing is known, which is what a driver without replication says.
    #[must_use]
    pub fn unknown() -> Self {
        Replication::default()
    }

    /// The log has come to this position: on a primary what it has written, on a replica what it has replayed. A position has a
    /// number for each origin of changes, which grows with each change from there; most servers have one origin. A replica has
    /// replayed what the primary had at some moment once none of its numbers is lower than the primary's was.
    #[must_use]
    pub fn at<O: Into<String>>(position: impl IntoIterator<Item = (O, u64)>) -> Self {
        let position = position.into_iter();
        Replication {
            position: Position(position.map(|(o, n)| (o.into(), n)).collect()),
            ..Replication::default()
        }
    }

    /// The replica's lag as the server itself tells it, or `None` if the server does not know. It is used in place of the lag that
    /// the positions tell.
    #[must_use]
    pub fn with_lag(mut self, lag: Option<Duration>) -> Self {
        self.reported = Some(lag);
        self
    }

    /// What it has written, if it is a primary, where `self` is what it has replayed, if it is a replica.
    #[cfg(feature = "mysql")]
    pub(crate) fn with_written(mut self, written: Replication) -> Self {
        self.written = Some(written.position);
        self
    }

    /// Where the log will be once everything is written that has been committed, where a commit does not wait for that.
    #[cfg(feature = "postgres")]
    pub(crate) fn with_committed(mut self, committed: Replication) -> Self {
        self.committed = Some(committed.position);
        self
    }

    /// Why the server does not tell its lag.
    #[cfg(feature = "mysql")]
    pub(crate) fn with_refusal(mut self, words: String) -> Self {
        self.refusal = Some(words);
        self.with_lag(None)
    }

    /// The server refused the question.
    pub(crate) fn refused(words: String) -> Self {
        Replication {
            refusal: Some(words),
            ..Replication::default()
        }
    }
}

/// How far a log has come: a number for each origin of changes. Empty if nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position(BTreeMap<String, u64>);

impl Position {
    pub(crate) fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this log has everything that the other one has.
    pub(crate) fn covers(&self, other: &Position) -> bool {
        let has = |(origin, number): (&String, &u64)| self.0.get(origin) >= Some(number);
        other.0.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position<const N: usize>(position: [(&str, u64); N]) -> Position {
        Replication::at(position).position
    }

    #[test]
    fn a_log_covers_another_if_it_has_come_as_far_from_every_origin() {
        let both = position([("a", 3), ("b", 5)]);
        assert!(both.covers(&both));
        assert!(both.covers(&position([("a", 3)])));
        assert!(both.covers(&position([("a", 2), ("b", 5)])));
        assert!(!both.covers(&position([("a", 4), ("b", 5)])));
        assert!(!both.covers(&position([("a", 3), ("b", 5), ("c", 1)])));
        assert!(!position([]).is_known() && both.is_known());
    }
}
