//! What happened between two snapshots of a pool.

use std::time::Duration;

use crate::base::histogram::Histogram;
use crate::contract::counts::definition;
use crate::observe::status::Status;

/// The difference between two snapshots of one pool, as returned by [`Status::since`]: it counts only the events between them, and
/// the times of only those checkouts and checkins.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Since {
    /// The time between the two snapshots, in seconds, on the machine's monotonic clock; by the clock of the day if one of them was
    /// read back from JSON.
    pub seconds: f64,
    #[doc = definition!(checkouts)]
    pub checkouts: u64,
    #[doc = definition!(failed_checkouts)]
    pub failed_checkouts: u64,
    #[doc = definition!(waited)]
    pub waited: u64,
    #[doc = definition!(checkins)]
    pub checkins: u64,
    #[doc = definition!(created)]
    pub total_connections_created: u64,
    #[doc = definition!(closed)]
    pub total_connections_closed: u64,
    #[doc = definition!(detached)]
    pub detached: u64,
    #[doc = definition!(connection_errors)]
    pub connection_errors: u64,
    #[doc = definition!(refused_full)]
    pub refused_full: u64,
    #[doc = definition!(abandoned_connects)]
    pub abandoned_connects: u64,
    #[doc = definition!(connection_timeouts)]
    pub connection_timeouts: u64,
    #[doc = definition!(exhausted)]
    pub pool_exhausted_count: u64,
    #[doc = definition!(overloaded)]
    pub overloaded_count: u64,
    #[doc = definition!(validation_failures)]
    pub validation_failures: u64,
    #[doc = definition!(hook_failures)]
    pub hook_failures: u64,
    #[doc = definition!(health_check_failures)]
    pub health_check_failures: u64,
    /// How long these checkouts took, from the call until the connection was handed out. Calls that failed are not in it.
    pub connection_acquisition_time: Histogram,
    /// How long the connections of these checkins had been held.
    pub connection_hold_time: Histogram,
}

impl Status {
    /// What happened since `earlier`, a snapshot of the same pool that was taken before this one. If the two are of different
    /// pools or in the wrong order, a count may be smaller here than there; its difference is then 0.
    ///
    /// ```
    /// # fn main() -> Result<(), queuepool::Error> {
    /// # #[cfg(feature = "sqlite")] {
    /// let database = queuepool::Database::open("sqlite::memory:")?;
    /// let earlier = database.status();
    /// database.get()?.ping()?;
    /// let since = database.status().since(&earlier);
    /// assert_eq!((since.checkouts, since.checkins), (1, 1));
    /// println!("{:.1} checkouts a second", since.per_second(since.checkouts));
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Status) -> Since {
        let between = |of: fn(&Status) -> u64| of(self).saturating_sub(of(earlier));
        Since {
            seconds: self.time_since(earlier).as_secs_f64(),
            checkouts: between(|status| status.checkouts),
            failed_checkouts: between(|status| status.failed_checkouts),
            waited: between(|status| status.waited),
            checkins: between(|status| status.checkins),
            total_connections_created: between(|status| status.total_connections_created),
            total_connections_closed: between(|status| status.total_connections_closed),
            detached: between(|status| status.detached),
            connection_errors: between(|status| status.connection_errors),
            refused_full: between(|status| status.refused_full),
            abandoned_connects: between(|status| status.abandoned_connects),
            connection_timeouts: between(|status| status.connection_timeouts),
            pool_exhausted_count: between(|status| status.pool_exhausted_count),
            overloaded_count: between(|status| status.overloaded_count),
            validation_failures: between(|status| status.validation_failures),
            hook_failures: between(|status| status.hook_failures),
            health_check_failures: between(|status| status.health_check_failures),
            connection_acquisition_time: self
                .connection_acquisition_time
                .since(&earlier.connection_acquisition_time),
            connection_hold_time: self
                .connection_hold_time
                .since(&earlier.connection_hold_time),
        }
    }
}

impl Status {
    /// On the monotonic clock, unless one of the two was read back.
    fn time_since(&self, earlier: &Status) -> Duration {
        match (self.taken, earlier.taken) {
            (Some(now), Some(then)) => now.saturating_duration_since(then),
            _ => self.at.duration_since(earlier.at).unwrap_or_default(),
        }
    }
}

impl Since {
    /// Returns `count` as a rate per second over this interval, or 0 if no time has passed.
    #[must_use]
    pub fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            count as f64 / self.seconds
        } else {
            0.0
        }
    }
}
