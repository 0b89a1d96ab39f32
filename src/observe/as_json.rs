//! How the values of a status are written as JSON.

use std::panic::Location;
use std::time::{Duration, SystemTime};

use serde::Serializer;

use crate::contract::server_limit::ServerLimit;

/// The server's connection limit, and how many pools of the same capacity fit within it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct SharedLimit {
    max_connections: u64,
    reserved: u64,
    for_user_or_database: Option<u64>,
    instances: u64,
    remaining: u64,
}

impl SharedLimit {
    pub(crate) fn new(limit: ServerLimit, capacity: u64) -> Self {
        SharedLimit {
            max_connections: limit.max_connections,
            reserved: limit.reserved,
            for_user_or_database: limit.for_user_or_database,
            instances: limit.instances_of(capacity),
            remaining: limit.remaining_of(capacity),
        }
    }
}

pub(crate) fn duration<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[allow(clippy::ref_option)] // serde's signature
pub(crate) fn seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}

/// As RFC 3339 in UTC, with milliseconds.
#[allow(clippy::ref_option)] // serde's signature
pub(crate) fn time<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => time_of(*time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn moment<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    time_of(*time, serializer)
}

fn time_of<S: Serializer>(time: SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(time))
}

pub(crate) fn location<S: Serializer>(
    location: &&'static Location<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}:{}", location.file(), location.line()))
}
