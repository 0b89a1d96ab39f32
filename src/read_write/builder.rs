//! Describing where reads and writes go.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::fork::Home;
use crate::error::Error;
use crate::read_write::ReadWrite;
use crate::read_write::checks;
use crate::read_write::endpoint::Endpoint;
use crate::read_write::inner::{Inner, Rules};
use crate::settings::print_duration;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A [`ReadWrite`] to be built.
#[must_use = "a builder does nothing until build()"]
pub struct Builder<P: Endpoint> {
    primary: P,
    replicas: Vec<P>,
    max_lag: Option<Duration>,
    check_interval: Option<Duration>,
    read_your_writes: bool,
    read_from_primary: bool,
    clock: Clock,
    checked_by_hand: bool,
}

impl<P: Endpoint> Builder<P> {
    pub(super) fn new(primary: P) -> Self {
        Builder {
            primary,
            replicas: Vec::new(),
            max_lag: None,
            check_interval: None,
            read_your_writes: false,
            read_from_primary: true,
            clock: Clock::default(),
            checked_by_hand: false,
        }
    }

    /// Adds a pool of connections to a replica. Reads go to the replicas in turns. Without any, they go to the primary.
    pub fn replica(mut self, replica: P) -> Self {
        self.replicas.push(replica);
        self
    }

    /// How far a replica may be behind the primary to be read from. By default reads allow for any lag. With a `max_lag`, a replica
    /// whose lag is not known is passed over too.
    ///
    /// The lag counts from the moment of the read: what has happened since the last check is not known. So `max_lag` must be at
    /// least twice `check_interval`.
    pub fn max_lag(mut self, max_lag: Duration) -> Self {
        self.max_lag = Some(max_lag);
        self
    }

    /// How often the servers are asked whether they answer and how far they have come. Default 1 s, or a quarter of `max_lag` if that
    /// is less; at least 10 ms. Each check is one test and one question, and each takes at most the setting `health_check_timeout`
    /// of its pool. When a read has met a failure, and while reads wait for a replica that has what they must see, the next check
    /// comes sooner: up to ten times a second.
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.check_interval = Some(interval);
        self
    }

    /// Whether each thread sees what it has written: from the end of a [`write`](ReadWrite::write) guard, the reads of the thread
    /// that dropped it go to the primary until a replica has replayed what the primary had then. Default false, since it costs the
    /// primary reads. For other threads there are [marks](ReadWrite::mark).
    pub fn read_your_writes(mut self, read_your_writes: bool) -> Self {
        self.read_your_writes = read_your_writes;
        self
    }

    /// Whether reads go to the primary if no replica is fit. Default true, because a read that burdens the primary is better than
    /// none. With false such a read is an error, for a primary that would break down under all reads. A read that goes to the
    /// primary only in order to see what was written goes there in either case.
    pub fn read_from_primary(mut self, read_from_primary: bool) -> Self {
        self.read_from_primary = read_from_primary;
        self
    }

    /// For tests: a clock that can be moved.
    #[doc(hidden)]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// For tests: nothing is checked but by [`ReadWrite::check`].
    #[doc(hidden)]
    pub fn checked_by_hand(mut self) -> Self {
        self.checked_by_hand = true;
        self
    }

    /// Starts the checks. No connection is waited for: until the first check has ended, lags are unknown.
    ///
    /// # Errors
    /// Settings for a `check_interval` of less than 10 ms, and for a `max_lag` of less than twice that interval; Resources if no
    /// thread can be started; Unsupported in a forked child.
    pub fn build(self) -> Result<ReadWrite<P>, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let interval = self.interval();
        if interval < checks::SHORTEST {
            return Err(match self.check_interval {
                Some(given) => {
                    Error::setting("check_interval", print_duration(given), "10 ms or longer")
                }
                None => self.short_max_lag(checks::SHORTEST * 4),
            });
        }
        if self.max_lag.is_some_and(|most| most / 2 < interval) {
            return Err(self.short_max_lag(interval.saturating_mul(2)));
        }
        let rules = Rules {
            max_lag: self.max_lag,
            interval,
            read_your_writes: self.read_your_writes,
            read_from_primary: self.read_from_primary,
        };
        let inner = Inner::new(
            NEXT.fetch_add(1, Ordering::Relaxed),
            Home::of_a_pool()?,
            self.primary,
            self.replicas,
            rules,
            self.clock,
        );
        let inner = Arc::new(inner);
        if !self.checked_by_hand {
            checks::start(&inner)?;
        }
        Ok(ReadWrite { inner })
    }

    fn interval(&self) -> Duration {
        let quarter = self.max_lag.map_or(Duration::MAX, |most| most / 4);
        self.check_interval.unwrap_or(CHECK_INTERVAL.min(quarter))
    }

    fn short_max_lag(&self, least: Duration) -> Error {
        let given = print_duration(self.max_lag.unwrap_or_default());
        let expected = format!(
            "{} or longer, since the servers are asked at intervals",
            print_duration(least)
        );
        Error::setting("max_lag", given, expected)
    }
}

impl<P: Endpoint> fmt::Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("replicas", &self.replicas.len())
            .field("max_lag", &self.max_lag)
            .field("check_interval", &self.check_interval)
            .field("read_your_writes", &self.read_your_writes)
            .field("read_from_primary", &self.read_from_primary)
            .finish_non_exhaustive()
    }
}
