//! A connect under way: for whom it was started, who relies on it, and when its place may be taken.

use std::time::Duration;

use crossbeam_channel::Sender;

use crate::base::sync::Instant;
use crate::error::Error;
use crate::gate::places::Place;

/// Where warm_up and health checks hear how their attempts end; an error comes with whether it is transient.
pub(crate) type Report = Sender<Result<(), (Error, bool)>>;

/// For whom a connect was started.
pub(crate) enum For {
    /// The caller with this ticket: its error is that caller's alone.
    Caller(u64),
    /// Nobody in particular: warm_up, which hears of the outcome, or min_pool_size.
    Stock(Option<Report>),
    /// Nobody: it shows whether logins lead to a server that accepts writes.
    Look,
    /// A health check, and the latest that relies on it ends then.
    Check { until: Instant, report: Report },
}

/// A connect under way.
pub(crate) struct Attempt {
    pub(super) id: u64,
    pub(super) stage: Stage,
    pub(super) purpose: For,
    /// The ticket of the caller who relies on it.
    pub(super) owner: Option<u64>,
    pub(super) started: Instant,
    /// The ticket of a caller that relied on this connect, which was started for another, and lost patience. Nobody relies on it
    /// after that.
    pub(super) doubted_by: Option<u64>,
    /// A caller timed out on it: once it is [slow](super::patience::Patience::slow), its place may be taken by the next who
    /// needs one.
    pub(super) given_up: bool,
    /// It has counted as failed because it is [mute](super::patience::Patience::mute).
    pub(super) counted: bool,
}

pub(crate) enum Stage {
    Connecting(Place),
    /// Past its limit, or its place was taken: counted as hung.
    Abandoned,
    /// Connected and counted; the connect hook has run since then.
    Admitted(Instant),
}

impl Attempt {
    pub(super) fn holds_place(&self) -> bool {
        matches!(self.stage, Stage::Connecting(_))
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Abandoned)
    }

    pub(super) fn in_hook_since(&self) -> Option<Instant> {
        match self.stage {
            Stage::Admitted(since) => Some(since),
            Stage::Connecting(_) | Stage::Abandoned => None,
        }
    }

    /// The caller for whom it was started.
    pub(super) fn starter(&self) -> Option<u64> {
        match self.purpose {
            For::Caller(ticket) => Some(ticket),
            For::Stock(_) | For::Look | For::Check { .. } => None,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        let asked_for = self.owner.is_some() || self.starter().is_none();
        asked_for && !self.is_abandoned()
    }

    /// Whether a caller may rely on it although it was started for somebody else.
    pub(super) fn is_adoptable(&self, now: Instant, slow: Duration) -> bool {
        self.owner.is_none()
            && self.doubted_by.is_none()
            && (!self.given_up || !self.is_slow(now, slow))
            && !self.is_abandoned()
    }

    /// Who is told when it fails: its starter, if that one still relies on it.
    pub(super) fn blames(&self) -> Option<u64> {
        self.starter()
            .filter(|starter| self.owner == Some(*starter))
    }

    /// Whether its place may be taken: a caller timed out on it, and not merely because that caller's own timeout was short.
    pub(super) fn is_displaceable(&self, now: Instant, slow: Duration) -> bool {
        self.given_up && self.owner.is_none() && self.holds_place() && self.is_slow(now, slow)
    }

    fn is_slow(&self, now: Instant, slow: Duration) -> bool {
        self.started + slow <= now
    }
}

impl For {
    pub(super) fn report(self) -> Option<Report> {
        match self {
            For::Caller(_) | For::Look => None,
            For::Stock(report) => report,
            For::Check { report, .. } => Some(report),
        }
    }

    /// Takes the report out: nobody hears of this attempt from then on.
    pub(super) fn take_report(&mut self) -> Option<Report> {
        match self {
            For::Caller(_) | For::Look => None,
            For::Stock(report) => report.take(),
            For::Check { .. } => std::mem::replace(self, For::Stock(None)).report(),
        }
    }
}
