//! How long a connect usually takes, and so how long anybody relies on one.

use std::collections::VecDeque;
use std::time::Duration;

/// How long a caller relies on a connect that was started for somebody else before it opens its own: twice the time that connects
/// have usually taken lately.
pub(crate) struct Patience {
    /// How long the last connects took that succeeded, the newest last.
    lately: VecDeque<Duration>,
    /// Their median; `None` before the first, and where they take no time.
    usual: Option<Duration>,
}

impl Patience {
    /// Before the first success, when it is not known how long a connect takes.
    const AT_FIRST: Duration = Duration::from_secs(1);
    const LEAST: Duration = Duration::from_millis(100);
    /// Nobody relies for longer on a connect that was started for somebody else.
    pub(crate) const MOST: Duration = Duration::from_secs(2);
    const LOOKED_AT: usize = 8;

    pub(crate) fn new() -> Self {
        Patience {
            lately: VecDeque::with_capacity(Patience::LOOKED_AT),
            usual: None,
        }
    }

    /// It is asked more often than connects succeed, so the median is found here.
    pub(crate) fn note_connect(&mut self, took: Duration) {
        if self.lately.len() == Patience::LOOKED_AT {
            self.lately.pop_front();
        }
        self.lately.push_back(took);
        let mut sorted = [Duration::MAX; Patience::LOOKED_AT];
        for (place, took) in sorted.iter_mut().zip(&self.lately) {
            *place = *took;
        }
        sorted.sort_unstable();
        let median = sorted[self.lately.len() / 2];
        self.usual = (!median.is_zero()).then_some(median);
    }

    pub(crate) fn limit(&self) -> Duration {
        self.twice_the_usual().unwrap_or(Patience::AT_FIRST)
    }

    /// From when on a connect is slow enough to lose its place, once a caller has timed out on it.
    pub(crate) fn slow(&self) -> Duration {
        self.twice_the_usual().unwrap_or(Patience::LEAST)
    }

    /// From when on a connect counts as failed, although nobody knows yet: twice the slowest of the last, at least a second.
    pub(crate) fn mute(&self) -> Duration {
        let slowest = self.lately.iter().max();
        slowest.map_or(Patience::AT_FIRST, |slowest| {
            (2 * *slowest).max(Patience::AT_FIRST)
        })
    }

    /// The median of the last connects; `None` before the first, and where they take no time.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    fn twice_the_usual(&self) -> Option<Duration> {
        let twice = 2 * self.usual()?;
        Some(twice.clamp(Patience::LEAST, Patience::MOST))
    }
}
