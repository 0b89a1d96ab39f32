//! A connect under way: for whom it was started, who relies on it, and when its place may be taken.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::error::Error;
use crate::places::Place;

/// How long a caller relies on a connect that was started for somebody else before it opens its own: as long as connects
/// lately took, and as long again.
pub(crate) struct Patience {
    /// How long the last connects took that succeeded, the newest last.
    lately: VecDeque<Duration>,
}

impl Patience {
    /// Nothing is known of how long a connect takes.
    const AT_FIRST: Duration = Duration::from_secs(1);
    const LEAST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(2);
    const LOOKED_AT: usize = 8;

    pub(crate) fn new() -> Self {
        Patience {
            lately: VecDeque::with_capacity(Patience::LOOKED_AT),
        }
    }

    pub(crate) fn note_connect(&mut self, took: Duration) {
        if self.lately.len() == Patience::LOOKED_AT {
            self.lately.pop_front();
        }
        self.lately.push_back(took);
    }

    pub(crate) fn limit(&self) -> Duration {
        self.twice_the_usual().unwrap_or(Patience::AT_FIRST)
    }

    /// From when on a connect is slow enough to lose its place, once a caller has timed out on it.
    pub(crate) fn slow(&self) -> Duration {
        self.twice_the_usual().unwrap_or(Patience::LEAST)
    }

    /// The median of the last connects; `None` before the first, and where they take no time.
    pub(crate) fn usual(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.lately.iter().copied().collect();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        (!median.is_zero()).then_some(median)
    }

    fn twice_the_usual(&self) -> Option<Duration> {
        let twice = 2 * self.usual()?;
        Some(twice.clamp(Patience::LEAST, Patience::MOST))
    }
}

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
    /// Nobody asked for it: warm_up or min_pool_size did.
    pub(crate) stock: bool,
    /// A health check started it, and the latest that relies on it ends then.
    pub(crate) check_until: Option<Instant>,
    /// Where warm_up hears of the outcome.
    pub(crate) report: Option<Report>,
    /// The ticket of an adopter who lost patience: nobody relies on it any more.
    pub(crate) doubted_by: Option<u64>,
    /// A caller timed out on it: once it is [slow](Patience::slow), its place may be taken by the next who needs one.
    pub(crate) given_up: bool,
}

pub(crate) enum Stage {
    Connecting(Place),
    /// Past its limit, or its place was taken: counted as hung.
    Abandoned,
    /// Connected and counted; the connect hook has run since then.
    Admitted(Instant),
}

impl Attempt {
    pub(crate) fn holds_place(&self) -> bool {
        matches!(self.stage, Stage::Connecting(_))
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Abandoned)
    }

    pub(crate) fn in_hook_since(&self) -> Option<Instant> {
        match self.stage {
            Stage::Admitted(since) => Some(since),
            Stage::Connecting(_) | Stage::Abandoned => None,
        }
    }

    /// Whether a caller may rely on it although it was started for somebody else.
    pub(crate) fn is_adoptable(&self, now: Instant, slow: Duration) -> bool {
        self.owner.is_none()
            && self.doubted_by.is_none()
            && (!self.given_up || !self.is_slow(now, slow))
            && !self.is_abandoned()
    }

    /// Who is told when it fails: its starter, if that one still relies on it.
    pub(crate) fn blames(&self) -> Option<u64> {
        self.starter.filter(|_| self.starter == self.owner)
    }

    /// Whether its place may be taken: a caller timed out on it, and not only because it had no time to lose.
    pub(crate) fn is_displaceable(&self, now: Instant, slow: Duration) -> bool {
        self.given_up && self.owner.is_none() && self.holds_place() && self.is_slow(now, slow)
    }

    fn is_slow(&self, now: Instant, slow: Duration) -> bool {
        self.started + slow <= now
    }
}
