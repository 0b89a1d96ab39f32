//! Encrypted connections: every mode with every kind of server, on real servers with certificates made here.

mod cancels;
mod files;
mod guarding;
mod handshakes;
mod logged;
mod mariadb;
mod names;
mod parameters;
mod pgbouncer;
mod pool;
mod postgres;
mod pretender;
mod required;
mod resets;
mod secure_transport;
mod stolen;
mod system;
mod table;
mod values;
