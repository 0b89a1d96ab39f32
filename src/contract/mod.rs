//! What others implement or are told: managers, drivers, hooks, connections as hooks see them.

pub(crate) mod connection_info;
pub(crate) mod driver;
pub(crate) mod hooks;
