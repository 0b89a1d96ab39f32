#![forbid(unsafe_code)]

mod builder;
mod clock;
mod closing;
mod connection;
mod counters;
mod driver;
mod error;
mod helpers;
mod hooks;
mod judgement;
mod opener;
mod places;
mod pool;
mod queue;
mod readiness;
mod retry;
mod settings;
mod shutdown;
mod status;
mod upkeep;

pub use builder::Builder;
#[doc(hidden)]
pub use clock::Clock;
pub use connection::Connection;
pub use driver::{Call, Driver, ErrorClass, Manager};
pub use error::{Error, ErrorKind};
pub use hooks::{CloseReason, ConnectionInfo, HookError};
pub use judgement::Health;
pub use pool::Pool;
pub use settings::{Mode, PrePing, ResetOnReturn, Retry, Settings};
pub use status::{Holder, Status};
