//! How a failed connect is retried.

use std::time::Duration;

/// How a connect is retried after a transient failure. Retries never go past the deadline of the checkout.
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
    /// Attempts in all, including the first. Default 5, which with the other defaults is at most 7.5 s of pauses, well within
    /// the 30 s of a checkout. At least 1, which means no second attempt.
    ///
    /// URL `max_retry_attempts`, environment `DB_MAX_RETRY_ATTEMPTS`.
    pub max_attempts: u32,

    /// The pause after the first failure. Default 0.5 s; zero or more, at most `max_delay`.
    ///
    /// URL `initial_retry_delay`, environment `DB_INITIAL_RETRY_DELAY`.
    pub initial_delay: Duration,

    /// The factor by which each pause is longer than the one before. Default 2.0; from 1.0 to 100.0.
    ///
    /// URL `retry_backoff_multiplier`, environment `DB_RETRY_BACKOFF_MULTIPLIER`.
    pub multiplier: f64,

    /// The longest pause. Default 30 s, which is also the default limit of a checkout; at least `initial_delay`, at most 100
    /// years.
    ///
    /// URL `max_retry_delay`, environment `DB_MAX_RETRY_DELAY`.
    pub max_delay: Duration,

    /// Whether each pause is drawn at random between half and all of its length, so that callers who failed together do not all
    /// come back at the same instant. Default on.
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

    /// Sets the factor by which each pause is longer than the one before.
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

    /// The pause after the `failures`-th failed attempt in a row (1 for the first), or `None` if that was the last attempt.
    ///
    /// With jitter, the pause is drawn evenly between half and all of its length.
    pub(crate) fn delay_after(&self, failures: u32) -> Option<Duration> {
        if failures >= self.max_attempts {
            return None;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_delay.as_secs_f64() * self.multiplier.powi(exponent);
        let delay = Duration::try_from_secs_f64(grown)
            .unwrap_or(self.max_delay)
            .min(self.max_delay);
        Some(if self.jitter {
            delay.mul_f64(0.5 + 0.5 * fastrand::f64())
        } else {
            delay
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(jitter: bool) -> Retry {
        Retry::default().max_attempts(5).jitter(jitter)
    }

    #[test]
    fn delays_double_up_to_the_cap_and_end_with_the_last_attempt() {
        let retry = retry(false).max_attempts(9);
        let delays: Vec<_> = (1..=9)
            .map(|failures| retry.delay_after(failures).map(|d| d.as_millis()))
            .collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
            .map(Some)
            .into_iter()
            .chain([None]);
        assert_eq!(delays, expected.collect::<Vec<_>>());
    }

    #[test]
    fn jitter_shortens_by_at_most_half() {
        for _ in 0..1000 {
            let delay = retry(true).delay_after(2).unwrap();
            assert!(
                (Duration::from_millis(500)..=Duration::from_secs(1)).contains(&delay),
                "{delay:?}"
            );
        }
    }

    #[test]
    fn huge_multipliers_end_at_the_cap() {
        let retry = retry(false).max_attempts(u32::MAX).multiplier(1e300);
        assert_eq!(
            retry.delay_after(u32::MAX - 1),
            Some(Duration::from_secs(30))
        );
    }
}
