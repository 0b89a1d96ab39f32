//! Faults of real servers, networks and files, and what callers see of them. README.md has the table of results.

#[path = "../support/proxy.rs"]
mod proxy;
#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/servers.rs"]
mod servers;

mod backend;
mod ledger;
mod load;
mod network;
mod proxy_itself;
mod server;
mod sqlite;
mod subject;
mod table;
mod trial;
