//! The presets: sizes that were found right for a kind of load, each with its reason.

use std::time::Duration;

use super::provenance::Provenance;
use super::{PrePing, ResetOnReturn, Retry, Settings};

impl Default for Settings {
    /// The [`medium`](Settings::medium) preset.
    fn default() -> Self {
        Settings::medium()
    }
}

impl Settings {
    /// 5 + 10, for under 100 users: low traffic, under 10 requests at once.
    ///
    /// A kept connection costs the server memory whether it is used or not; 5 answer this load, and 10 more stand by
    /// for a burst. 15 connections an instance: six instances fit PostgreSQL's 100, nine fit MySQL's 151.
    #[must_use]
    pub fn small() -> Self {
        sized(5, 10).into_preset()
    }

    /// 10 + 20, the default, for 100 to 1,000 users.
    ///
    /// Ten busy connections keep a server of four cores and a disk at work (cores x 2 + spindles); the overflow of
    /// twice the size serves a burst. 30 connections an instance: three instances fit PostgreSQL's 100, four fit
    /// MySQL's 151, each with headroom.
    #[must_use]
    pub fn medium() -> Self {
        sized(10, 20).into_preset()
    }

    /// 20 + 30, for more than 1,000 users.
    ///
    /// A steadier load: more is kept, less is opened and closed again. 50 connections an instance: one instance fits
    /// PostgreSQL's 100 with headroom (two come to exactly 100, of which 3 are reserved), two fit MySQL's 151.
    #[must_use]
    pub fn large() -> Self {
        sized(20, 30).into_preset()
    }

    /// 20 + 40, for 10 to 50 requests at once.
    ///
    /// All of them are served without waiting, the usual 20 without connecting. 60 connections an instance: one
    /// instance fits PostgreSQL's 100, two fit MySQL's 151.
    #[must_use]
    pub fn medium_traffic() -> Self {
        sized(20, 40).into_preset()
    }

    /// 50 + 100 with a timeout of 60 s, for more than 50 requests at once.
    ///
    /// At this load a queue forms now and then, and a longer wait is better than an error. **Needs a raised server
    /// limit**: 150 connections are above PostgreSQL's default of 100, and leave 1 of MySQL's 151. Set
    /// `max_connections` to at least 150 for each instance, and some for administrators.
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
    /// Debuggers and tests hold connections for long, so there are many; local servers and tunnels come and go, so they
    /// are replaced sooner. Up to 60 connections: fits PostgreSQL's 100 and MySQL's 151 once.
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
    /// connections are replaced sooner; the network is not trusted, unless the URL says otherwise (any `sslmode`, or
    /// `require_tls=false`).
    /// 15 connections an instance: six instances fit PostgreSQL's 100, nine fit MySQL's 151.
    #[must_use]
    pub fn production() -> Self {
        Settings {
            recycle: Duration::from_secs(30 * 60),
            require_tls: true,
            ..sized(5, 10)
        }
        .into_preset()
    }

    /// The [`production`](Settings::production) preset under the name by which people who deploy containers look for
    /// it: 5 + 10 for each replica, for the same reasons and with the same need, 15 of the server's limit a replica.
    #[must_use]
    pub fn container() -> Self {
        Settings::production()
    }

    /// 100 + 0 with 10 kept in any case, a command_timeout of 60 s and the monitor on, for services
    /// and batch jobs with 1,000 and more operations a second.
    ///
    /// At this rate connecting under load costs more than waiting for the next connection, so there is no overflow; a
    /// statement that runs for a minute is a fault and must not hold a connection. Queue mode only. **Needs a raised
    /// limit on PostgreSQL**: 100 connections an instance, and its default of 100 has 3 reserved. One instance fits
    /// MySQL's 151.
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
        recycle: Duration::from_secs(60 * 60),
        recycle_jitter: 0.1,
        pre_ping: PrePing::default(),
        reset_on_return: ResetOnReturn::default(),
        mode: None,
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
