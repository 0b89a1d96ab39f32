//! What the gate must know of the settings and of the driver.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::gate::barging;
use crate::settings::{Mode, PrePing, Retry, Role, Settings};

/// What the gate must know of the settings and of the driver.
pub(crate) struct Rules {
    pub(crate) mode: Mode,
    /// pool_size + max_overflow.
    pub(crate) capacity: u64,
    pub(crate) pool_size: usize,
    pub(crate) min_pool_size: usize,
    /// How an error of connecting begins.
    pub(crate) connecting: String,
    /// How long a connect may take: the setting, times the number of hosts that it walks along.
    pub(crate) connect_timeout: Duration,
    pub(crate) leak_after: Duration,
    pub(crate) retry: Retry,
    pub(crate) role: Role,
    /// A connect is local, and runs on the thread of the caller who asked for it.
    pub(crate) connects_here: bool,
    pub(crate) outage_timeout: Option<Duration>,
    pub(crate) instances: u32,
    /// Raised while the server counts as full, for those who ask without the lock.
    pub(crate) server_full: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    /// Connections that come back may be [parked](crate::gate::bay): nothing is to be done with one before the next checkout.
    pub(crate) parks: bool,
    pub(crate) bays: usize,
    /// For how long the oldest waiter may be passed over ([`barging`]).
    pub(crate) yield_for: Duration,
    /// A waiter that was told to look and found nothing looks again by itself.
    pub(crate) looks_again: bool,
}

impl Rules {
    pub(crate) fn of(
        settings: &Settings,
        mode: Mode,
        connects_here: bool,
        has_checkout_hook: bool,
        clock: Clock,
    ) -> Self {
        Rules {
            parks: mode == Mode::Queue
                && !has_checkout_hook
                && settings.pre_ping != PrePing::Always,
            bays: bays(),
            mode,
            capacity: u64::from(settings.pool_size) + u64::from(settings.max_overflow),
            pool_size: settings.pool_size as usize,
            min_pool_size: settings.min_pool_size as usize,
            connecting: "connecting".to_owned(),
            connect_timeout: settings.connect_timeout,
            leak_after: settings.leak_after,
            retry: settings.retry.clone(),
            role: settings.role,
            connects_here,
            outage_timeout: settings.outage_timeout,
            instances: settings.instances,
            server_full: Arc::default(),
            clock,
            yield_for: barging::yield_for(),
            // In the models time stands still.
            looks_again: cfg!(not(queuepool_loom)),
        }
    }
}

/// How many bays a pool has: two for each processor, so that two threads seldom have the same one, and no more than a mask of 32
/// bits can tell apart.
fn bays() -> usize {
    #[cfg(queuepool_loom)]
    return 2;
    #[cfg(not(queuepool_loom))]
    {
        static COUNT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        *COUNT.get_or_init(|| {
            let processors = std::thread::available_parallelism().map_or(4, usize::from);
            (2 * processors).next_power_of_two().min(32)
        })
    }
}
