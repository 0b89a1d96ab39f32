//! Monotonic time that a test can move. Ages, freshness and lifetimes are measured by it; deadlines and waits are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::sync::Instant;

/// The machine's monotonic clock, or one that stands still until it is moved. Clones move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    stopped: Option<Stopped>,
}

#[derive(Debug, Clone)]
struct Stopped {
    at: Instant,
    moved_nanos: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that stands still.
    #[must_use]
    pub fn stopped() -> Self {
        Clock {
            stopped: Some(Stopped {
                at: Instant::now(),
                moved_nanos: Arc::default(),
            }),
        }
    }

    /// Moves a stopped clock forward.
    ///
    /// # Panics
    /// When the clock runs.
    pub fn advance(&self, by: Duration) {
        let stopped = self
            .stopped
            .as_ref()
            .expect("bug: only a stopped clock can be moved");
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        stopped.moved_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Instant {
        match &self.stopped {
            None => Instant::now(),
            Some(stopped) => stopped.now(),
        }
    }

    /// What this clock shows at a moment that has just been read from the machine's clock.
    #[inline]
    pub(crate) fn at(&self, moment: Instant) -> Instant {
        self.stopped.as_ref().map_or(moment, Stopped::now)
    }
}

impl Stopped {
    fn now(&self) -> Instant {
        self.at + Duration::from_nanos(self.moved_nanos.load(Ordering::Relaxed))
    }
}

/// `from + by`, or about a century later where that does not fit.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    from.checked_add(by).unwrap_or_else(|| from + CENTURY)
}
