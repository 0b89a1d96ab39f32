//! Prometheus metrics: their numbers, their form, and the dashboard and alerts that rest on them.

#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;
#[cfg(feature = "postgres")]
#[path = "../support/servers.rs"]
mod servers;

mod collector;
mod exposition;
mod form;
mod monitoring;
mod numbers;
mod promtool;
#[cfg(feature = "postgres")]
mod real_server;
mod scraped;
mod subject;
