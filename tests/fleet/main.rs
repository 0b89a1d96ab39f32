//! Fleets: servers that fail over behind a proxy, servers that are full, and lists of hosts. README.md has the table of
//! results. `twelve` is a program of its own, which is run by name.
//!
//! Each trial runs with queuepool and with bare r2d2, on the same servers and with the same code. It is asserted for queuepool
//! and only told of r2d2.

mod agent;
mod load;
mod outcome;
mod pair;
mod session;
mod subject;
mod table;

mod switch;

mod calm;
mod fence;
mod frozen_host;
mod full_role;
mod galera;
mod planned;
mod server_down;
mod swift;
mod ten_killed;
