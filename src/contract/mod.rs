//! What users implement and what they are told: managers, drivers, hooks, and connections as hooks see them.

pub(crate) mod call;
pub(crate) mod cancellation;
pub(crate) mod connection_info;
pub(crate) mod counts;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod credentials;
pub(crate) mod driver;
pub(crate) use crate::error::class as error_class;
pub(crate) mod extensions;
pub(crate) mod facts;
pub(crate) mod hooks;
pub(crate) mod replication;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub(crate) mod row;
pub(crate) mod server_limit;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub(crate) mod value;
