//! Monotonic time that a test can move: ages, freshness and lifetimes read it, deadlines and waits do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The monotonic clock plus an offset. Clones share the offset.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_nanos: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that runs with the machine's.
    #[must_use]
    pub fn new() -> Self {
        Clock::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.offset_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Instant {
        self.at(Instant::now())
    }

    /// This clock's reading at a moment read from the machine's.
    pub(crate) fn at(&self, moment: Instant) -> Instant {
        match self.offset_nanos.load(Ordering::Relaxed) {
            0 => moment,
            nanos => moment + Duration::from_nanos(nanos),
        }
    }
}

/// `from + by`, or about a century later where that does not fit.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    from.checked_add(by).unwrap_or_else(|| from + CENTURY)
}
