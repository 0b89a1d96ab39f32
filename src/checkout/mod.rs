//! The two ways of a connection: out to its user, and back.

mod at_once;
mod cancel;
pub(crate) mod connection;
mod evidence;
mod get;
mod give;
mod probe;
mod ready;
mod replication;
pub(crate) mod turn;
