//! A chainable setter for every field. It also marks the field as set in code.

use std::time::Duration;

use super::{Mode, PrePing, ResetOnReturn, Retry, Role, Settings};

macro_rules! setters {
    ($($field:ident: $type:ty,)*) => {
        impl Settings {
            $(
                #[doc = concat!(
                    "Sets [`", stringify!($field), "`](Settings#structfield.", stringify!($field), ") in code."
                )]
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field.into();
                    self.mark_as_code(stringify!($field));
                    self
                }
            )*
        }
    };
}

setters! {
    pool_size: u32,
    max_overflow: u32,
    timeout: Duration,
    max_waiting: impl Into<Option<u32>>,
    outage_timeout: impl Into<Option<Duration>>,
    recycle: Duration,
    recycle_jitter: f64,
    pre_ping: impl Into<PrePing>,
    reset_on_return: ResetOnReturn,
    mode: impl Into<Option<Mode>>,
    role: Role,
    instances: u32,
    connect_timeout: Duration,
    command_timeout: impl Into<Option<Duration>>,
    idle_timeout: impl Into<Option<Duration>>,
    keepalive: impl Into<Option<Duration>>,
    warm_up: u32,
    min_pool_size: u32,
    retry: Retry,
    max_validation_failures: u32,
    health_check_interval: Duration,
    health_check_timeout: Duration,
    enable_pool_metrics: bool,
    metrics_collection_interval: Duration,
    warning_utilization: f64,
    critical_utilization: f64,
    leak_after: Duration,
    holder_warn_after: impl Into<Option<Duration>>,
    echo: bool,
    echo_pool: bool,
    require_tls: bool,
}

impl Settings {
    /// Sets [`validation_query`](Settings#structfield.validation_query) in code. To go back to the driver's own ping,
    /// assign `None` to the field.
    #[must_use]
    pub fn validation_query(mut self, validation_query: impl Into<String>) -> Self {
        self.validation_query = Some(validation_query.into());
        self.mark_as_code("validation_query");
        self
    }

    /// The former name of [`min_pool_size`](Settings::min_pool_size). It counts open connections, whether in use or idle, while
    /// r2d2's `min_idle` and HikariCP's `minimumIdle` count idle ones only, and open another as soon as one is in use.
    #[deprecated(
        since = "0.1.0",
        note = "renamed to `min_pool_size`: it counts open connections, while r2d2's `min_idle` counts idle ones"
    )]
    #[must_use]
    pub fn min_idle(self, connections: u32) -> Self {
        self.min_pool_size(connections)
    }
}
