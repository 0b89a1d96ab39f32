//! How long a caller sleeps between attempts to connect.

use std::time::Duration;

use crate::settings::Retry;

impl Retry {
    /// The delay after the `failures`-th failed attempt in a row (1 for the first), or `None` when it was the last.
    ///
    /// With jitter the delay is drawn evenly between half of it and all of it, so that callers who failed together do
    /// not come back together.
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
