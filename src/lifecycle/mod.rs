//! What one connection lives through: it is opened, validated, reset and closed, and the driver is called within limits.

mod call;
mod close;
pub(crate) mod name;
mod open;
mod reset;
mod role;
mod server_limit;
pub(crate) mod shared;
pub(crate) mod validate;
pub(crate) mod verdict;
pub(crate) mod work;
