//! The presets: sizes for kinds of load, each with its reason.

use std::time::Duration;

use super::provenance::Provenance;
use super::{PrePing, ResetOnReturn, Retry, Role, Settings};

impl Default for Settings {
    /// The [`medium`](Settings::medium) preset.
    fn default() -> Self {
        Settings::medium()
    }
}

impl Settings {
    /// 5 + 10, for under 100 users: low traffic, under 10 requests at once.
    ///
    /// A kept connection costs the server memory whether it is used or not; 5 are enough for this load, and 10 more are
    /// available for a burst. 15 connections per instance: six instances fit into PostgreSQL's 100, nine into MySQL's 151.
    #[must_use]
    pub fn small() -> Self {
        sized(5, 10).into_preset()
    }

    /// 10 + 20, the default, for 100 to 1,000 users.
    ///
    /// Ten busy connections keep a server with four cores and one disk busy (cores x 2 + spindles, rounded up); an overflow of
    /// twice that size serves a burst. 30 connections per instance: three instances fit into PostgreSQL's 100, four into
    /// MySQL's 151, each with headroom.
    #[must_use]
    pub fn medium() -> Self {
        sized(10, 20).into_preset()
    }

    /// 20 + 30, for more than 1,000 users.
    ///
    /// The load is steadier, so more connections are kept and fewer are opened and closed. 50 connections per instance: one
    /// instance fits into PostgreSQL's 100 with headroom (two come to exactly 100, of which 3 are reserved), two into MySQL's
    /// 151.
    #[must_use]
    pub fn large() -> Self {
        sized(20, 30).into_preset()
    }

    /// 20 + 40, for 10 to 50 requests at once.
    ///
    /// All of them are served without waiting, and the usual 20 without connecting. 60 connections per instance: one
    /// instance fits into PostgreSQL's 100, two into MySQL's 151.
    #[must_use]
    pub fn medium_traffic() -> Self {
        sized(20, 40).into_preset()
    }

    /// 50 + 100 with a timeout of 60 s, for more than 50 requests at once.
    ///
    /// At this load a queue forms now and then, and a longer wait is better than an error. **Needs a raised server
    /// limit**: 150 connections are more than PostgreSQL's default of 100, and leave 1 of MySQL's 151. Set
    /// `max_connections` to at least 150 for each instance, plus some for administrators.
    #[must_use]
    pub fn high_traffic() -> Self {
        Settings {
            timeout: Duration::from_secs(60),
            ..sized(50, 100)
        }
        .into_preset()
    }

    /// 20 + 40 with a recycle of 30 min, for a developer's machine.
    ///
    /// Debuggers and tests hold connections for a long time, so there are many of them; local servers and tunnels come and go,
    /// so connections are replaced sooner. Up to 60 connections: PostgreSQL's 100 and MySQL's 151 have room for
    /// one such pool.
    #[must_use]
    pub fn development() -> Self {
        Settings {
            recycle: Duration::from_secs(30 * 60),
            ..sized(20, 40)
        }
        .into_preset()
    }

    /// 5 + 10 with a recycle of 30 min and TLS required, for one of several instances behind a load balancer.
    ///
    /// The instances share the server's limit, so each is small; load balancers and failovers move servers, so
    /// connections are replaced sooner; and the network is not trusted, unless the URL says otherwise (any `sslmode`, or
    /// `require_tls=false`). 15 connections per instance: six instances fit into PostgreSQL's 100, nine into MySQL's 151.
    #[must_use]
    pub fn production() -> Self {
        Settings {
            recycle: Duration::from_secs(30 * 60),
            require_tls: true,
            ..sized(5, 10)
        }
        .into_preset()
    }

    /// The [`production`](Settings::production) preset under the name that people who deploy containers look for: 5 + 10 for
    /// each replica, for the same reasons, and with the same need of 15 connections per replica.
    #[must_use]
    pub fn container() -> Self {
        Settings::production()
    }

    /// 100 + 0 with at least 10 kept open, a command_timeout of 60 s and the monitor on, for services
    /// and batch jobs with 1,000 and more operations a second.
    ///
    /// At this rate, connecting under load costs more than waiting for the next connection, so there is no overflow. A
    /// statement that runs for a minute is a fault and must not hold a connection. Queue mode only. **Needs a raised
    /// limit on PostgreSQL**: 100 connections per instance, while 3 of its default of 100 are reserved. One instance fits
    /// into MySQL's 151.
    #[must_use]
    pub fn high_throughput() -> Self {
        Settings {
            min_pool_size: 10,
            command_timeout: Some(Duration::from_secs(60)),
            enable_pool_metrics: true,
            ..sized(100, 0)
        }
        .into_preset()
    }
}

fn sized(pool_size: u32, max_overflow: u32) -> Settings {
    Settings {
        pool_size,
        max_overflow,
        timeout: Duration::from_secs(30),
        max_waiting: None,
        outage_timeout: None,
        recycle: Duration::from_secs(60 * 60),
        recycle_jitter: 0.1,
        pre_ping: PrePing::default(),
        reset_on_return: ResetOnReturn::default(),
        mode: None,
        role: Role::Any,
        instances: 1,
        connect_timeout: Duration::from_secs(10),
        command_timeout: None,
        idle_timeout: None,
        keepalive: None,
        warm_up: 0,
        min_pool_size: 0,
        retry: Retry::default(),
        max_validation_failures: 3,
        validation_query: None,
        health_check_interval: Duration::from_secs(10),
        health_check_timeout: Duration::from_secs(5),
        enable_pool_metrics: false,
        metrics_collection_interval: Duration::from_secs(5),
        warning_utilization: 70.0,
        critical_utilization: 90.0,
        leak_after: Duration::from_secs(10),
        holder_warn_after: None,
        echo: false,
        echo_pool: false,
        require_tls: false,
        provenance: Provenance::default(),
    }
}
