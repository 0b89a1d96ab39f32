//! The load suite: single connection, sequential (50), light (10 threads), heavy (50 threads), overflow, exhaustion
//! timeout, recycling (100 sessions), health monitoring, leak detection, recommendations, and a pool compared with no pool.
//! Each case runs on real PostgreSQL and MariaDB and on SQLite in queue mode, and is judged by the data and the status.
//! Times are left to the section `load` of the bench suite.

mod backend;
mod judgement;
mod limits;
mod monitoring;
mod sequence;
mod threads;
