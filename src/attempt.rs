//! A connect under way: for whom it was started, who relies on it, and when its place may be taken.

use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::error::Error;
use crate::places::Place;
use crate::sync::Instant;

/// A caller that relies on a connect started for somebody else may open another after this long.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Where warm_up hears how its attempts end; an error comes with whether it is transient.
pub(crate) type Report = Sender<Result<(), (Error, bool)>>;

/// A connect under way.
pub(crate) struct Attempt {
    pub(crate) id: u64,
    pub(crate) stage: Stage,
    /// The ticket of the caller for whom it was started: its error is that caller's alone.
    pub(crate) starter: Option<u64>,
    /// The ticket of the caller who relies on it.
    pub(crate) owner: Option<u64>,
    pub(crate) started: Instant,
    /// Nobody asked for it: warm_up or min_idle did.
    pub(crate) stock: bool,
    /// A health check started it, and the latest that relies on it ends then.
    pub(crate) check_until: Option<Instant>,
    /// Where warm_up hears of the outcome.
    pub(crate) report: Option<Report>,
    /// The ticket of an adopter who lost patience: nobody relies on it any more.
    pub(crate) doubted_by: Option<u64>,
    /// A caller timed out on it: once it is older than [`PATIENCE`], its place may be taken by the next who needs one.
    pub(crate) given_up: bool,
}

pub(crate) enum Stage {
    Connecting(Place),
    /// Past its limit, or its place was taken: counted as hung.
    Abandoned,
    /// Connected and counted; the connect hook runs.
    Admitted,
}

impl Attempt {
    pub(crate) fn holds_place(&self) -> bool {
        matches!(self.stage, Stage::Connecting(_))
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Abandoned)
    }

    /// Whether a caller may rely on it although it was started for somebody else.
    pub(crate) fn is_adoptable(&self, now: Instant) -> bool {
        self.owner.is_none()
            && self.doubted_by.is_none()
            && (!self.given_up || !self.is_slow(now))
            && !self.is_abandoned()
    }

    /// Who is told when it fails: its starter, if that one still relies on it.
    pub(crate) fn blames(&self) -> Option<u64> {
        self.starter.filter(|_| self.starter == self.owner)
    }

    /// Whether its place may be taken: a caller timed out on it, and not only because it had no time to lose.
    pub(crate) fn is_displaceable(&self, now: Instant) -> bool {
        self.given_up && self.owner.is_none() && self.holds_place() && self.is_slow(now)
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.started + PATIENCE <= now
    }
}
