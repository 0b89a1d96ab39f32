//! Settings as JSON: numbers as numbers, times in seconds, switches as booleans, and a setting that is off as null.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::table::ROWS;
use super::{Mode, PrePing, ResetOnReturn, Retry, Settings};

/// As JSON, the time within which a connection needs no test stands beside `pre_ping`.
const PRE_PING_WINDOW: &str = "pre_ping_window";

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
        map.serialize_entry(PRE_PING_WINDOW, &pre_ping_window)?;
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

/// A value of any setting.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Value {
    Off(()),
    Switch(bool),
    Number(f64),
    Text(String),
}

impl Value {
    /// As it is written in a URL.
    fn into_text(self, path: &str) -> String {
        match self {
            Value::Off(()) if path == "mode" => "auto".to_owned(),
            Value::Off(()) => "off".to_owned(),
            Value::Switch(on) => on.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text,
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    /// Reads what [`Serialize`] writes, from any format that tells texts from numbers, such as JSON, TOML and YAML. What is missing
    /// has its default, and what is there counts as set in code. A text means what it means in a URL: `"timeout": "30s"`. A name
    /// that is no setting, and a value that is not one of its setting, are errors; whether the values go together is found when the
    /// pool is built, or by [`validate`](Settings::validate).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut settings = Settings::default();
        let mut window = None;
        while let Some(path) = map.next_key::<String>()? {
            if path == PRE_PING_WINDOW {
                window = map.next_value::<Option<f64>>()?;
                continue;
            }
            let Some(row) = ROWS.iter().find(|row| row.path == path) else {
                return Err(A::Error::custom(format_args!("unknown setting {path:?}")));
            };
            let text = map.next_value::<Value>()?.into_text(row.path);
            if (row.parse)(&text, &mut settings).is_none() {
                let expected = row.expected;
                return Err(A::Error::custom(format_args!(
                    "invalid {path}: expected {expected}"
                )));
            }
            settings.mark_as_given(row);
        }
        if let Some(window) = window.filter(|_| settings.pre_ping != PrePing::Never) {
            let window = Duration::try_from_secs_f64(window).map_err(A::Error::custom)?;
            settings = settings.pre_ping(match window.is_zero() {
                true => PrePing::Always,
                false => PrePing::IdleFor(window),
            });
        }
        Ok(settings)
    }
}
