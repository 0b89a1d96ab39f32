//! The one table of all settings in writing: what each is called, and how it is read, printed and compared.

use super::value::{
    Count, CountOrOff, Form, Number, Overflow, Ping, PoolMode, Query, Reset, Switch, Time,
    TimeOrNever, TimeOrOff,
};
use super::{Retry, Settings};

/// One setting in writing.
pub(super) struct Row {
    /// Its name in a URL; in the environment the same in upper case, after a prefix.
    pub(super) name: &'static str,
    /// Where it is kept in [`Settings`], such as `timeout` or `retry.max_attempts`.
    pub(super) path: &'static str,
    pub(super) accepted: &'static str,
    pub(super) parse: fn(&str, &mut Settings) -> Option<()>,
    pub(super) print: fn(&Settings) -> String,
    pub(super) copy: fn(&Settings, &mut Settings),
    pub(super) same: fn(&Settings, &Settings) -> bool,
}

macro_rules! row {
    ($name:literal, $form:ty, $path:expr, $($place:tt)+) => {
        Row {
            name: $name,
            path: $path,
            accepted: <$form>::ACCEPTED,
            parse: |text, settings| {
                settings.$($place)+ = <$form>::parse(text)?;
                Some(())
            },
            print: |settings| <$form>::print(&settings.$($place)+),
            copy: |from, to| to.$($place)+ = from.$($place)+.clone(),
            same: |one, other| one.$($place)+ == other.$($place)+,
        }
    };
}

macro_rules! rows {
    (
        Settings {
            $($field:ident: $form:ty = $name:literal,)*
        }
        $group:ident: $group_type:ident {
            $($part:ident: $part_form:ty = $part_name:literal,)*
        }
    ) => {
        pub(super) static ROWS: &[Row] = &[
            $(row!($name, $form, stringify!($field), $field),)*
            $(row!($part_name, $part_form, concat!(stringify!($group), ".", stringify!($part)), $group.$part),)*
        ];

        // A field without a row does not compile.
        const _: fn(&Settings) = |settings| {
            let Settings {
                $($field: _,)*
                $group: $group_type { $($part: _,)* },
                provenance: _,
            } = settings;
        };
    };
}

rows! {
    Settings {
        pool_size: Count = "pool_size",
        max_overflow: Overflow = "max_overflow",
        timeout: Time = "pool_timeout",
        max_waiting: CountOrOff = "max_waiting",
        recycle: TimeOrNever = "pool_recycle",
        recycle_jitter: Number = "pool_recycle_jitter",
        pre_ping: Ping = "pool_pre_ping",
        reset_on_return: Reset = "reset_on_return",
        mode: PoolMode = "pool_mode",
        connect_timeout: Time = "connect_timeout",
        command_timeout: TimeOrOff = "command_timeout",
        idle_timeout: TimeOrOff = "idle_timeout",
        keepalive: TimeOrOff = "keepalive",
        warm_up: Count = "warm_up",
        min_pool_size: Count = "min_pool_size",
        max_validation_failures: Count = "max_validation_failures",
        validation_query: Query = "validation_query",
        health_check_interval: Time = "health_check_interval",
        health_check_timeout: Time = "health_check_timeout",
        enable_pool_metrics: Switch = "enable_pool_metrics",
        metrics_collection_interval: Time = "metrics_collection_interval",
        warning_utilization: Number = "warning_utilization",
        critical_utilization: Number = "critical_utilization",
        leak_after: Time = "leak_after",
        holder_warn_after: TimeOrOff = "holder_warn_after",
        echo: Switch = "echo",
        echo_pool: Switch = "echo_pool",
        require_tls: Switch = "require_tls",
    }
    retry: Retry {
        max_attempts: Count = "max_retry_attempts",
        initial_delay: Time = "initial_retry_delay",
        multiplier: Number = "retry_backoff_multiplier",
        max_delay: Time = "max_retry_delay",
        jitter: Switch = "retry_jitter",
    }
}

/// Not a setting of its own: pool_size and max_overflow together.
pub(super) const MAX_POOL_SIZE: &str = "max_pool_size";

/// Another name of pool_pre_ping.
const VALIDATE_ON_CHECKOUT: &str = "validate_on_checkout";

/// The setting that is written under this name.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    let name = if name == VALIDATE_ON_CHECKOUT {
        "pool_pre_ping"
    } else {
        name
    };
    ROWS.iter().find(|row| row.name == name)
}

/// Whether this is a name that [`Overlay::insert`](super::overlay::Overlay::insert) takes.
pub(super) fn is_name(name: &str) -> bool {
    name == MAX_POOL_SIZE || row(name).is_some()
}
