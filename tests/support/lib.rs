//! What the tests share: a driver and a clock under the test's control, real servers, a network that fails, and processes
//! of their own.

#![allow(
    clippy::new_without_default,
    reason = "what a test helper creates is described where it is created"
)]

mod alone;
#[cfg(feature = "tls")]
pub mod certificates;
pub mod fork;
#[cfg(doctest)]
mod guide;
#[cfg(feature = "postgres")]
pub mod half_read;
pub mod http_client;
pub mod logged;
pub mod programs;
pub mod proxy;
pub mod rounds;
pub mod scripted;
pub mod servers;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(target_os = "linux")]
mod without_threads;

pub use alone::alone;
#[cfg(target_os = "linux")]
pub use without_threads::without_threads;
