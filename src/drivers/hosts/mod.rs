//! Several hosts: which of them a connection is opened to, and what is remembered of them.
//!
//! The drivers have walks of their own, but a host that accepts and then says nothing keeps them for ever. So the pool gives its
//! driver one address at a time, on a thread that is left behind if no answer comes:
//!
//! - The host that gave the last connection comes first, then the others in the order given, or all in random order if that was
//!   asked for. A host or an address that was silent comes last for [`MUTE_FOR`](memory::MUTE_FOR).
//! - A host has `connect_timeout`, from the lookup of its name to the end of the login's own SQL; the addresses of one name share
//!   it. A caller who has less time left than all of them together shares what he has among those that are left.
//! - One that is passed over goes on by itself until its own `connect_timeout`, and whoever answers first is taken. So a caller
//!   in a hurry never keeps a slow server from being connected to.
//! - A refused login ends the walk, because the next server would refuse it too, and accounts get locked by such attempts. Anything
//!   else (refused, reset, full, starting up, the wrong role, silence) leads to the next.
//!
//! A host with one address, which is what most pools have, is opened on the thread that asks for it, and is bounded by the pool
//! alone.

mod choice;
mod list;
mod memory;
mod parameters;
mod told;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use choice::{Host, Hosts, Judged, Opens};
pub(crate) use list::{HostAndPort, ports_are_wrong};
#[cfg(feature = "mysql")]
pub(crate) use parameters::in_random_order;
pub(crate) use parameters::{Session, Wanted, WrongRole, user_timeout, wanted};
pub(crate) use told::take as take_what_each_said;
