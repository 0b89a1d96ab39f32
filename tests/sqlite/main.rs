//! The SQLite driver on real files and in memory.

mod carried;
mod driver;
mod files;
mod memory;
mod null;
mod permissions;
mod pool;
mod pragmas;
mod url;
mod validation;
mod wal;
