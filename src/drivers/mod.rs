//! The bundled drivers: how each one connects, pings and resets, and what its errors mean.

#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) mod credentials;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod dsn;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod first_value;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod hosts;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) mod scheme;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod unknown;

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use first_value::FirstValue;

/// The SQL that begins and commits a transaction of an [`AnyConnection`](crate::AnyConnection).
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) struct Words {
    pub(crate) begin: &'static str,
    pub(crate) commit: &'static str,
}
