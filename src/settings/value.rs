//! How each kind of value is written: in the environment, in a URL, and where settings are displayed.

use std::time::Duration;

use super::{Mode, PrePing, ResetOnReturn, Role, durations};

/// How one kind of value is written. `parse` reads what `print` writes as the same value.
pub(super) trait Form {
    type Value;

    /// What follows "expected" in the error for a text that does not parse. It does not promise a value that building the pool
    /// would refuse, although `parse` itself leaves ranges to [`Settings::validate`](super::Settings::validate).
    const EXPECTED: &'static str;

    fn parse(text: &str) -> Option<Self::Value>;

    fn print(value: &Self::Value) -> String;
}

fn word(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

fn means_off(text: &str) -> bool {
    matches!(word(text).as_str(), "off" | "none" | "never")
}

/// Forms that are read and printed as another one is, and for which something else is expected.
macro_rules! forms_like {
    ($($(#[$doc:meta])* $name:ident: $form:ident = $expected:expr,)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Form for $name {
            type Value = <$form as Form>::Value;
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self::Value> {
                $form::parse(text)
            }

            fn print(value: &Self::Value) -> String {
                $form::print(value)
            }
        }
    )*};
}

forms_like! {
    PoolSize: Count = "a whole number, 1 or more (0 only in the mode null)",
    CountFromOne: Count = "a whole number, 1 or more",
    /// With a word for SQLAlchemy's users, who write -1.
    Overflow: Count = "a whole number, 0 or more (there is no unlimited overflow, SQLAlchemy's -1: give a number, such as 20)",
    Share: Number = "a number from 0 to 0.1, such as 0.05",
    Multiplier: Number = "a number from 1 to 100, such as 1.5 or 2",
    Percentage: Number = "a number above 0 and up to 100, in percent",
    Time: Delay = "a duration above zero: seconds, such as 30 or 0.5, or with units, such as 30s, 500ms or 1h 30min",
}

pub(super) struct Count;

impl Form for Count {
    type Value = u32;
    const EXPECTED: &'static str = "a whole number, 0 or more";

    fn parse(text: &str) -> Option<u32> {
        text.trim().parse().ok()
    }

    fn print(value: &u32) -> String {
        value.to_string()
    }
}

pub(super) struct CountOrOff;

impl Form for CountOrOff {
    type Value = Option<u32>;
    const EXPECTED: &'static str = "a whole number, 0 or more, or off";

    fn parse(text: &str) -> Option<Option<u32>> {
        if means_off(text) {
            return Some(None);
        }
        Count::parse(text).map(Some)
    }

    fn print(value: &Option<u32>) -> String {
        value.map_or_else(|| "off".to_owned(), |count| count.to_string())
    }
}

pub(super) struct Number;

impl Form for Number {
    type Value = f64;
    const EXPECTED: &'static str = "a number, such as 0.1 or 2";

    fn parse(text: &str) -> Option<f64> {
        text.trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }

    fn print(value: &f64) -> String {
        value.to_string()
    }
}

pub(super) struct Switch;

impl Form for Switch {
    type Value = bool;
    const EXPECTED: &'static str = "true, false, 1, 0, yes, no, on or off";

    fn parse(text: &str) -> Option<bool> {
        match word(text).as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn print(value: &bool) -> String {
        value.to_string()
    }
}

/// A duration that may be zero.
pub(super) struct Delay;

impl Form for Delay {
    type Value = Duration;
    const EXPECTED: &'static str =
        "a duration: seconds, such as 0 or 0.5, or with units, such as 500ms or 30s";

    fn parse(text: &str) -> Option<Duration> {
        durations::parse(text)
    }

    fn print(value: &Duration) -> String {
        durations::print(*value)
    }
}

/// Never is [`Duration::MAX`], which SQLAlchemy writes -1.
pub(super) struct TimeOrNever;

impl Form for TimeOrNever {
    type Value = Duration;
    const EXPECTED: &'static str = "a duration above zero: seconds, such as 1800, or with units, such as 30min or 1h; or never";

    fn parse(text: &str) -> Option<Duration> {
        if means_off(text) || word(text) == "-1" {
            return Some(Duration::MAX);
        }
        durations::parse(text)
    }

    fn print(value: &Duration) -> String {
        if *value == Duration::MAX {
            return "never".to_owned();
        }
        durations::print(*value)
    }
}

pub(super) struct TimeOrOff;

impl Form for TimeOrOff {
    type Value = Option<Duration>;
    const EXPECTED: &'static str =
        "a duration above zero: seconds, such as 60, or with units, such as 30s or 5min; or off";

    fn parse(text: &str) -> Option<Option<Duration>> {
        if means_off(text) {
            return Some(None);
        }
        durations::parse(text).map(Some)
    }

    fn print(value: &Option<Duration>) -> String {
        value.map_or_else(|| "off".to_owned(), durations::print)
    }
}

pub(super) struct Ping;

impl Form for Ping {
    type Value = PrePing;
    const EXPECTED: &'static str = "true (test unless proved alive within the last 500 ms), false or never, always, or another \
        such time, such as 2s";

    /// `0` and `1` are switches here, not seconds; for those write `0s` and `1s`.
    fn parse(text: &str) -> Option<PrePing> {
        match word(text).as_str() {
            "always" => Some(PrePing::Always),
            "never" | "none" => Some(PrePing::Never),
            _ => match Switch::parse(text) {
                Some(on) => Some(PrePing::from(on)),
                None => durations::parse(text).map(PrePing::IdleFor),
            },
        }
    }

    fn print(value: &PrePing) -> String {
        match value {
            PrePing::Never => "never".to_owned(),
            PrePing::Always => "always".to_owned(),
            PrePing::IdleFor(time) => durations::print(*time),
        }
    }
}

pub(super) struct Reset;

impl Form for Reset {
    type Value = ResetOnReturn;
    const EXPECTED: &'static str = "never, rollback or full (SQLAlchemy's commit is not supported)";

    /// Also takes SQLAlchemy's `True`, `False` and `None`.
    fn parse(text: &str) -> Option<ResetOnReturn> {
        match word(text).as_str() {
            "never" | "none" | "false" | "off" => Some(ResetOnReturn::Never),
            "rollback" | "true" => Some(ResetOnReturn::Rollback),
            "full" => Some(ResetOnReturn::Full),
            _ => None,
        }
    }

    fn print(value: &ResetOnReturn) -> String {
        match value {
            ResetOnReturn::Never => "never",
            ResetOnReturn::Rollback => "rollback",
            ResetOnReturn::Full => "full",
        }
        .to_owned()
    }
}

pub(super) struct PoolMode;

impl Form for PoolMode {
    type Value = Option<Mode>;
    const EXPECTED: &'static str = "queue, null or auto (the driver's own choice)";

    fn parse(text: &str) -> Option<Option<Mode>> {
        match word(text).as_str() {
            "queue" => Some(Some(Mode::Queue)),
            "null" => Some(Some(Mode::Null)),
            "auto" => Some(None),
            _ => None,
        }
    }

    fn print(value: &Option<Mode>) -> String {
        match value {
            Some(Mode::Queue) => "queue",
            Some(Mode::Null) => "null",
            None => "auto",
        }
        .to_owned()
    }
}

pub(super) struct PoolRole;

impl Form for PoolRole {
    type Value = Role;
    const EXPECTED: &'static str = "any, primary or replica";

    fn parse(text: &str) -> Option<Role> {
        match word(text).as_str() {
            "any" => Some(Role::Any),
            "primary" => Some(Role::Primary),
            "replica" => Some(Role::Replica),
            _ => None,
        }
    }

    fn print(value: &Role) -> String {
        value.as_str().to_owned()
    }
}

pub(super) struct Query;

impl Form for Query {
    type Value = Option<String>;
    const EXPECTED: &'static str =
        "SQL that the database answers quickly, such as SELECT 1, or off for the driver's own ping";

    fn parse(text: &str) -> Option<Option<String>> {
        if text.trim().is_empty() {
            None
        } else if means_off(text) {
            Some(None)
        } else {
            Some(Some(text.to_owned()))
        }
    }

    fn print(value: &Option<String>) -> String {
        value.clone().unwrap_or_else(|| "off".to_owned())
    }
}
