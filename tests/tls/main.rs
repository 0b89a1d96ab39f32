//! Encrypted connections: every mode against every kind of server, on real servers with certificates made here.

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/servers.rs"]
mod servers;

mod mariadb;
mod postgres;
mod table;
