//! How the values of a status are written as JSON, and read back.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

use crate::contract::server_limit::ServerLimit;
use crate::observe::status::{Holder, Status};

/// The server's connection limit, and how many pools of the same capacity fit within it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
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

    fn limit(&self) -> ServerLimit {
        ServerLimit::new(self.max_connections, self.reserved)
            .with_limit_for_user_or_database(self.for_user_or_database)
    }
}

/// A holder as it is written. Its line is a text, since a location cannot be made from one.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Written {
    thread: Arc<str>,
    location: String,
    #[serde(with = "duration")]
    held_for: Duration,
    connection_id: u64,
}

impl From<Holder> for Written {
    fn from(holder: Holder) -> Self {
        Written {
            location: holder.line(),
            thread: holder.thread,
            held_for: holder.held_for,
            connection_id: holder.connection_id,
        }
    }
}

impl From<Written> for Holder {
    fn from(written: Written) -> Self {
        Holder {
            thread: written.thread,
            location: Location::caller(),
            line: Some(written.location.into()),
            held_for: written.held_for,
            connection_id: written.connection_id,
        }
    }
}

impl serde::Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What is derived for it.
        Status::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Status {
    /// Reads what the same version of this crate has written.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is derived for it.
        let mut status = Status::deserialize(deserializer)?;
        let limit = status.server_limit_as_json.as_ref();
        status.server_limit = limit.map(SharedLimit::limit);
        Ok(status)
    }
}

/// The kinds of pool that there are.
pub(crate) fn pool_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static str, D::Error> {
    let written = String::deserialize(deserializer)?;
    let known = ["QueuePool", "NullPool"];
    let found = known.into_iter().find(|known| *known == written);
    found.ok_or_else(|| D::Error::custom("invalid pool_type: expected QueuePool or NullPool"))
}

/// A duration, in seconds.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}

/// A duration, in seconds, or null.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[allow(clippy::ref_option)] // serde's signature
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        let duration = seconds.map(Duration::try_from_secs_f64);
        duration.transpose().map_err(D::Error::custom)
    }
}

/// A moment, as RFC 3339 in UTC, with milliseconds.
pub(crate) mod moment {
    use std::time::SystemTime;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let written = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&written).map_err(D::Error::custom)
    }
}

/// A moment, or null.
pub(crate) mod time {
    use std::time::SystemTime;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[allow(clippy::ref_option)] // serde's signature
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::moment::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let written = Option::<String>::deserialize(deserializer)?;
        let time = written.map(|written| humantime::parse_rfc3339(&written));
        time.transpose().map_err(D::Error::custom)
    }
}
