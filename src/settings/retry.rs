//! How connecting is tried again.

use std::time::Duration;

/// How connecting is tried again after a transient failure, never past the checkout's own deadline.
///
/// ```
/// use queuepool::{Retry, Settings};
///
/// let patient = Settings::default().retry(Retry::default().max_attempts(10));
/// assert_eq!(patient.retry.multiplier, 2.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts in all, the first included. Default 5: with the other defaults 7.5 s of waiting, well inside a
    /// checkout's 30 s. From 1, which means no second attempt.
    ///
    /// URL `max_retry_attempts`, environment `DB_MAX_RETRY_ATTEMPTS`.
    pub max_attempts: u32,

    /// The pause after the first failure. Default 0.5 s; from zero, at most `max_delay`.
    ///
    /// URL `initial_retry_delay`, environment `DB_INITIAL_RETRY_DELAY`.
    pub initial_delay: Duration,

    /// By how much each pause is longer than the one before. Default 2.0; from 1.0 to 100.0.
    ///
    /// URL `retry_backoff_multiplier`, environment `DB_RETRY_BACKOFF_MULTIPLIER`.
    pub multiplier: f64,

    /// The longest pause. Default 30 s, the checkout's own limit; at least `initial_delay`, at most 100 years.
    ///
    /// URL `max_retry_delay`, environment `DB_MAX_RETRY_DELAY`.
    pub max_delay: Duration,

    /// Whether each pause is drawn at random between half and all of its length, so that many callers do not come back
    /// at the same instant. Default on.
    ///
    /// URL `retry_jitter`, environment `DB_RETRY_JITTER`.
    pub jitter: bool,
}

impl Default for Retry {
    /// 5 attempts, 0.5 s first delay, x2.0, 30 s cap, jitter on.
    fn default() -> Self {
        Retry {
            max_attempts: 5,
            initial_delay: Duration::from_millis(500),
            multiplier: 2.0,
            max_delay: Duration::from_secs(30),
            jitter: true,
        }
    }
}

impl Retry {
    /// Sets the number of attempts in all.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// Sets the pause after the first failure.
    #[must_use]
    pub fn initial_delay(mut self, initial_delay: Duration) -> Self {
        self.initial_delay = initial_delay;
        self
    }

    /// Sets by how much each pause is longer than the one before.
    #[must_use]
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = max_delay;
        self
    }

    /// Sets whether each pause is drawn at random between half and all of its length.
    #[must_use]
    pub fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }
}
