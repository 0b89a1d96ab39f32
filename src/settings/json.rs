//! Settings as JSON: numbers as numbers, times in seconds, switches as booleans, and a setting that is off as null.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Mode, PrePing, ResetOnReturn, Retry, Settings};

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl Serialize for Settings {
    /// A map with the names of the fields as keys; the fields of `retry` are written as `retry.max_attempts`. A recycle of never
    /// is null. `pre_ping` is a boolean, and `pre_ping_window` is the time for which a connection that was proved alive counts
    /// as tested.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Settings {
            pool_size,
            max_overflow,
            timeout,
            max_waiting,
            outage_timeout,
            recycle,
            recycle_jitter,
            pre_ping,
            reset_on_return,
            mode,
            role,
            instances,
            connect_timeout,
            command_timeout,
            idle_timeout,
            keepalive,
            warm_up,
            min_pool_size,
            retry:
                Retry {
                    max_attempts,
                    initial_delay,
                    multiplier,
                    max_delay,
                    jitter,
                },
            max_validation_failures,
            validation_query,
            health_check_interval,
            health_check_timeout,
            enable_pool_metrics,
            metrics_collection_interval,
            warning_utilization,
            critical_utilization,
            leak_after,
            holder_warn_after,
            echo,
            echo_pool,
            require_tls,
            provenance: _,
        } = self;
        let recycle = (*recycle != Duration::MAX).then_some(seconds(*recycle));
        let pre_ping_window = match pre_ping {
            PrePing::Never => None,
            PrePing::Always => Some(0.0),
            PrePing::IdleFor(window) => Some(seconds(*window)),
        };
        let reset_on_return = match reset_on_return {
            ResetOnReturn::Never => "never",
            ResetOnReturn::Rollback => "rollback",
            ResetOnReturn::Full => "full",
        };
        let mode = mode.map(|mode| match mode {
            Mode::Queue => "queue",
            Mode::Null => "null",
        });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pool_size", pool_size)?;
        map.serialize_entry("max_overflow", max_overflow)?;
        map.serialize_entry("timeout", &seconds(*timeout))?;
        map.serialize_entry("recycle", &recycle)?;
        map.serialize_entry("pre_ping", &(*pre_ping != PrePing::Never))?;
        map.serialize_entry("pre_ping_window", &pre_ping_window)?;
        map.serialize_entry("max_waiting", max_waiting)?;
        map.serialize_entry("outage_timeout", &outage_timeout.map(seconds))?;
        map.serialize_entry("role", role.as_str())?;
        map.serialize_entry("instances", instances)?;
        map.serialize_entry("recycle_jitter", recycle_jitter)?;
        map.serialize_entry("reset_on_return", reset_on_return)?;
        map.serialize_entry("mode", &mode)?;
        map.serialize_entry("connect_timeout", &seconds(*connect_timeout))?;
        map.serialize_entry("command_timeout", &command_timeout.map(seconds))?;
        map.serialize_entry("idle_timeout", &idle_timeout.map(seconds))?;
        map.serialize_entry("keepalive", &keepalive.map(seconds))?;
        map.serialize_entry("warm_up", warm_up)?;
        map.serialize_entry("min_pool_size", min_pool_size)?;
        map.serialize_entry("retry.max_attempts", max_attempts)?;
        map.serialize_entry("retry.initial_delay", &seconds(*initial_delay))?;
        map.serialize_entry("retry.multiplier", multiplier)?;
        map.serialize_entry("retry.max_delay", &seconds(*max_delay))?;
        map.serialize_entry("retry.jitter", jitter)?;
        map.serialize_entry("max_validation_failures", max_validation_failures)?;
        map.serialize_entry("validation_query", validation_query)?;
        map.serialize_entry("health_check_interval", &seconds(*health_check_interval))?;
        map.serialize_entry("health_check_timeout", &seconds(*health_check_timeout))?;
        map.serialize_entry("enable_pool_metrics", enable_pool_metrics)?;
        map.serialize_entry(
            "metrics_collection_interval",
            &seconds(*metrics_collection_interval),
        )?;
        map.serialize_entry("warning_utilization", warning_utilization)?;
        map.serialize_entry("critical_utilization", critical_utilization)?;
        map.serialize_entry("leak_after", &seconds(*leak_after))?;
        map.serialize_entry("holder_warn_after", &holder_warn_after.map(seconds))?;
        map.serialize_entry("echo", echo)?;
        map.serialize_entry("echo_pool", echo_pool)?;
        map.serialize_entry("require_tls", require_tls)?;
        map.end()
    }
}
