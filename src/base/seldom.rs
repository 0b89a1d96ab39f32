//! What is worth a line in the log, but not one for each time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const PAUSE: Duration = Duration::from_secs(60);

/// Says yes at first, and then at most once a minute.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut last = self.0.lock();
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_minute() {
        let seldom = Seldom::default();
        let first = Instant::now();
        assert!(seldom.is_due_at(first));
        assert!(!seldom.is_due_at(first + PAUSE - Duration::from_nanos(1)));
        assert!(seldom.is_due_at(first + PAUSE));
        assert!(!seldom.is_due_at(first + PAUSE));
    }
}
