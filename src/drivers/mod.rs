//! The bundled drivers: how each one connects, pings and resets, and what its errors mean.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod dsn;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod first_value;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) mod source;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use first_value::FirstValue;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use source::{bundled, require_tls};

/// Without a bundled driver there is none.
#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn bundled<M: crate::Manager>() -> Option<Box<dyn crate::Driver<M>>> {
    None
}

#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn require_tls(_: &mut dyn std::any::Any) {}
