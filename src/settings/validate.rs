//! The ranges of the settings, checked before a pool is built.

use std::fmt;
use std::time::Duration;

use super::value::{Form, Query};
use super::{Mode, PrePing, Retry, Settings, durations};
use crate::error::Error;

/// More connections than any server is configured for, and few enough to reserve memory for all of them.
pub(crate) const GREATEST_CAPACITY: u32 = 10_000;

/// 100 years of 365.25 days. It can be added to the reading of any clock without overflow.
const LONGEST: Duration = Duration::from_secs(3_155_760_000);

/// In trouble, attempts to connect are up to 150 ms apart: before that it is not known whether the database is back.
const LEAST_OUTAGE_TIMEOUT: Duration = Duration::from_millis(150);

const GREATEST_RECYCLE_JITTER: f64 = 0.1;

const GREATEST_MULTIPLIER: f64 = 100.0;

impl Settings {
    /// Checks that every setting is in its range, as building a pool does. The documentation of each field gives its range.
    ///
    /// If [`mode`](Settings#structfield.mode) is `None`, queue mode is assumed here; building a pool asks the driver.
    ///
    /// # Errors
    /// Settings, naming the first setting that is out of its range, its value, where it was given, and what is expected.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_for(self.mode.unwrap_or(Mode::Queue))
    }

    /// As [`validate`](Settings::validate), but for the mode that the pool will have.
    pub(crate) fn validate_for(&self, mode: Mode) -> Result<(), Error> {
        let Settings {
            pool_size: _,
            max_overflow: _,
            timeout,
            max_waiting: _,
            outage_timeout,
            recycle,
            recycle_jitter,
            pre_ping,
            reset_on_return: _,
            mode: _,
            role: _,
            instances,
            connect_timeout,
            command_timeout,
            idle_timeout,
            keepalive,
            warm_up,
            min_pool_size,
            retry,
            max_validation_failures,
            validation_query,
            health_check_interval,
            health_check_timeout,
            enable_pool_metrics: _,
            metrics_collection_interval,
            warning_utilization,
            critical_utilization,
            leak_after,
            holder_warn_after,
            echo: _,
            echo_pool: _,
            require_tls: _,
            provenance: _,
        } = self;

        self.validate_capacity(mode)?;
        self.validate_kept("min_pool_size", *min_pool_size, mode)?;
        self.validate_kept("warm_up", *warm_up, mode)?;
        self.validate_time("timeout", *timeout)?;
        self.validate_outage_timeout(*outage_timeout)?;
        self.validate_from_one("instances", *instances)?;
        self.validate_recycle(*recycle, *recycle_jitter)?;
        self.validate_pre_ping(*pre_ping)?;
        self.validate_time("connect_timeout", *connect_timeout)?;
        self.validate_time_or_off("command_timeout", *command_timeout)?;
        self.validate_time_or_off("idle_timeout", *idle_timeout)?;
        self.validate_time_or_off("keepalive", *keepalive)?;
        self.validate_retry(retry)?;
        self.validate_from_one("max_validation_failures", *max_validation_failures)?;
        self.validate_query(validation_query.as_deref())?;
        self.validate_time("health_check_interval", *health_check_interval)?;
        self.validate_time("health_check_timeout", *health_check_timeout)?;
        self.validate_time("metrics_collection_interval", *metrics_collection_interval)?;
        self.validate_percentage("warning_utilization", *warning_utilization)?;
        self.validate_percentage("critical_utilization", *critical_utilization)?;
        self.validate_time("leak_after", *leak_after)?;
        self.validate_time_or_off("holder_warn_after", *holder_warn_after)
    }

    fn refused(
        &self,
        path: &str,
        value: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Result<(), Error> {
        Err(self.given(path).refused(value, expected))
    }

    fn validate_outage_timeout(&self, time: Option<Duration>) -> Result<(), Error> {
        match time {
            Some(time) if !(LEAST_OUTAGE_TIMEOUT..=LONGEST).contains(&time) => self.refused(
                "outage_timeout",
                durations::print(time),
                "150ms to 100 years (the pool looks for the database every 100 to 150 ms while anybody waits), or off",
            ),
            _ => Ok(()),
        }
    }

    fn validate_capacity(&self, mode: Mode) -> Result<(), Error> {
        let (pool_size, max_overflow) = (self.pool_size, self.max_overflow);
        if mode == Mode::Queue && pool_size == 0 {
            return self.refused(
                "pool_size",
                pool_size,
                "at least 1 (0 is not unlimited); for a pool that keeps no connection set the mode null",
            );
        }
        match pool_size.checked_add(max_overflow) {
            Some(1..=GREATEST_CAPACITY) => Ok(()),
            _ => Err(Error::setting(
                &self.given("pool_size").with(pool_size),
                format_args!("with {}", self.given("max_overflow").with(max_overflow)),
                format_args!("1 to {GREATEST_CAPACITY} connections together"),
            )),
        }
    }

    fn validate_kept(&self, path: &str, count: u32, mode: Mode) -> Result<(), Error> {
        let pool_size = self.pool_size;
        if mode == Mode::Null && count > 0 {
            return self.refused(path, count, "0 in null mode, which keeps no connection and is SQLite's default, or the mode queue (pool_mode=queue)");
        }
        if mode == Mode::Queue && count > pool_size {
            return self.refused(
                path,
                count,
                format_args!("at most {}", self.given("pool_size").with(pool_size)),
            );
        }
        Ok(())
    }

    fn validate_time(&self, path: &str, time: Duration) -> Result<(), Error> {
        if time.is_zero() || time > LONGEST {
            return self.refused(
                path,
                durations::print(time),
                "more than zero and at most 100 years",
            );
        }
        Ok(())
    }

    fn validate_time_or_off(&self, path: &str, time: Option<Duration>) -> Result<(), Error> {
        match time {
            Some(time) if time.is_zero() || time > LONGEST => self.refused(
                path,
                durations::print(time),
                "more than zero and at most 100 years, or off (None)",
            ),
            _ => Ok(()),
        }
    }

    fn validate_recycle(&self, recycle: Duration, jitter: f64) -> Result<(), Error> {
        if recycle.is_zero() || (recycle > LONGEST && recycle != Duration::MAX) {
            return self.refused(
                "recycle",
                durations::print(recycle),
                "more than zero and at most 100 years, or never (Duration::MAX)",
            );
        }
        if !(0.0..=GREATEST_RECYCLE_JITTER).contains(&jitter) {
            return self.refused(
                "recycle_jitter",
                jitter,
                format_args!("a share of recycle from 0.0 to {GREATEST_RECYCLE_JITTER}"),
            );
        }
        Ok(())
    }

    fn validate_pre_ping(&self, pre_ping: PrePing) -> Result<(), Error> {
        match pre_ping {
            PrePing::IdleFor(time) if time > LONGEST => self.refused(
                "pre_ping",
                durations::print(time),
                "a time of at most 100 years, always or never",
            ),
            PrePing::IdleFor(_) | PrePing::Always | PrePing::Never => Ok(()),
        }
    }

    fn validate_retry(&self, retry: &Retry) -> Result<(), Error> {
        let Retry {
            max_attempts,
            initial_delay,
            multiplier,
            max_delay,
            jitter: _,
        } = retry;
        self.validate_from_one("retry.max_attempts", *max_attempts)?;
        if !(1.0..=GREATEST_MULTIPLIER).contains(multiplier) {
            return self.refused(
                "retry.multiplier",
                multiplier,
                format_args!("a number from 1.0 to {GREATEST_MULTIPLIER:.1}"),
            );
        }
        if *max_delay > LONGEST {
            return self.refused(
                "retry.max_delay",
                durations::print(*max_delay),
                "at most 100 years",
            );
        }
        if max_delay < initial_delay {
            return self.refused(
                "retry.max_delay",
                durations::print(*max_delay),
                format_args!(
                    "at least {}",
                    self.given("retry.initial_delay")
                        .with(durations::print(*initial_delay))
                ),
            );
        }
        Ok(())
    }

    fn validate_from_one(&self, path: &str, count: u32) -> Result<(), Error> {
        if count == 0 {
            return self.refused(path, count, "at least 1");
        }
        Ok(())
    }

    fn validate_percentage(&self, path: &str, percentage: f64) -> Result<(), Error> {
        if percentage > 0.0 && percentage <= 100.0 {
            return Ok(());
        }
        self.refused(path, percentage, "more than 0 and at most 100, in percent")
    }

    fn validate_query(&self, query: Option<&str>) -> Result<(), Error> {
        match query {
            // A word that means "off" in a URL is not SQL either.
            Some(query) if Query::parse(query).flatten().is_none() => self.refused(
                "validation_query",
                format_args!("{query:?}"),
                "SQL, such as SELECT 1, or None for the driver's own ping",
            ),
            _ => Ok(()),
        }
    }
}
