// The README's links lead to files of this repository. Of two definitions of a link the first one counts: `links.md` leads to the
// guide's pages, which are there with all features. The picture is not in the package: the documentation shows its words instead.
#![cfg_attr(
    all(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "tls", feature = "http"),
    doc = include_str!("guide/links.md")
)]
// Its snippets use all three drivers and the feature http; without one of them it is only read.
#![cfg_attr(
    any(
        not(doctest),
        all(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "http")
    ),
    doc = include_str!("../README.md")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod base;
mod checkout;
mod contract;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod database;
mod drivers;
mod error;
mod gate;
#[cfg(all(
    any(doc, doctest),
    feature = "postgres",
    feature = "mysql",
    feature = "sqlite",
    feature = "tls",
    feature = "http"
))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod lifecycle;
#[cfg(queuepool_loom)]
#[doc(hidden)]
pub mod model;
#[cfg(feature = "mysql")]
pub mod mysql;
mod observe;
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "prometheus")]
pub mod prometheus;
pub mod read_write;
mod registry;
/// Rows and values of whichever database: what [`AnyConnection::query`] returns and what it is given.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub mod rows {
    pub use crate::contract::row::{Column, Row};
    pub use crate::contract::value::{FromValue, Value};
}
#[cfg(feature = "sqlite")]
pub mod sqlite;
// Without a bundled driver nobody asks for what a URL says.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, unused_imports)
)]
mod settings;
// Each driver needs its part of it, and a build without TLS the modes alone.
#[cfg(any(feature = "postgres", feature = "mysql"))]
#[cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "tls")),
    allow(dead_code, unused_imports)
)]
mod tls;
mod upkeep;

/// What a driver of your own implements, and what it answers with. The bundled drivers need none of it.
///
/// [`Driver`] is the trait, with a default for each of its methods, and its documentation tells which of them runs where.
pub mod driver {
    pub use crate::contract::call::{Call, Reset};
    pub use crate::contract::driver::{Driver, Manager};
    pub use crate::contract::error_class::{ErrorClass, Extent};
    pub use crate::contract::replication::Replication;
    pub use crate::contract::server_limit::ServerLimit;
    pub use crate::pool::source::Source;
}

/// What hooks are told and what they answer. They are added with [`Builder::on_connect`](crate::Builder::on_connect) and its like.
pub mod hooks {
    pub use crate::contract::connection_info::{CloseReason, ConnectionInfo};
    pub use crate::contract::error_class::ErrorClass;
    pub use crate::contract::hooks::HookError;
}

/// What a pool tells of itself: its [`Status`] at one instant, what happened [`Since`] another,
/// and the monitor's [`Sample`]s of the last hour.
pub mod status {
    pub use crate::base::histogram::Histogram;
    pub use crate::contract::server_limit::ServerLimit;
    pub use crate::observe::checked::HealthCheck;
    pub use crate::observe::health::Health;
    pub use crate::observe::history::{Recent, Sample};
    pub use crate::observe::since::Since;
    pub use crate::observe::status::{Holder, Status};
}

// Where the documentation hides a name, one of the modules above shows it.
#[doc(hidden)]
pub use base::clock::Clock;
#[doc(hidden)]
pub use base::histogram::Histogram;
pub use checkout::connection::Connection;
#[doc(hidden)]
pub use contract::call::{Call, Reset};
pub use contract::cancellation::CancellationToken;
pub use contract::connection_info::{CloseReason, ConnectionInfo};
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub use contract::credentials::Credentials;
pub use contract::driver::{Driver, Manager};
pub use contract::error_class::ErrorClass;
#[doc(hidden)]
pub use contract::error_class::Extent;
pub use contract::extensions::Extensions;
#[doc(hidden)]
pub use contract::hooks::HookError;
#[doc(hidden)]
pub use contract::replication::Replication;
#[doc(hidden)]
pub use contract::server_limit::ServerLimit;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub use database::Database;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub use database::any_connection::AnyConnection;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub use database::builder::DatabaseBuilder;
pub use error::{Error, ErrorKind};
#[doc(hidden)]
pub use observe::checked::HealthCheck;
#[doc(hidden)]
pub use observe::health::Health;
#[doc(hidden)]
pub use observe::history::{Recent, Sample};
#[doc(hidden)]
pub use observe::since::Since;
#[doc(hidden)]
pub use observe::status::Holder;
pub use observe::status::Status;
pub use pool::Pool;
pub use pool::builder::Builder;
#[doc(hidden)]
pub use pool::source::Source;
/// The crate that this one stands on, in the version it is built with, for managers of your own.
pub use r2d2;
pub use read_write::ReadWrite;
pub use registry::{Member, Registry};
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
#[doc(hidden)]
pub use rows::{Row, Value};
pub use settings::{Mode, PrePing, ResetOnReturn, Retry, Role, Settings};
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub use tls::{SslMode, Tls};
