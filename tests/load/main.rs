//! The load suite: single connection, sequential (50), light (10 threads), heavy (50 threads), overflow, exhaustion timeout,
//! recycling (100 sessions), health monitoring, leak detection, recommendations, and pool against no pool. Each on real
//! PostgreSQL and MariaDB and on SQLite in queue mode, and judged by the data and the status. Times are for `benches/load.rs`.

mod backend;
mod judgement;
mod limits;
mod monitoring;
mod sequence;
mod threads;
