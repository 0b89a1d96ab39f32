//! The SQLite driver on real files and in memory.

#[path = "../support/sqlite.rs"]
mod support;

mod driver;
mod files;
mod memory;
mod permissions;
mod pragmas;
mod url;
mod wal;
