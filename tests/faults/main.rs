//! Faults of real servers, networks and files, and what callers notice of them. README.md has the table of results.

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
