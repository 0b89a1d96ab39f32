//! The SQLite driver on real files and in memory.

#[path = "../support/sqlite.rs"]
mod support;

#[path = "../support/rounds.rs"]
mod rounds;

mod carried;
mod driver;
mod files;
mod memory;
mod permissions;
mod pool;
mod pragmas;
mod url;
mod validation;
mod wal;
