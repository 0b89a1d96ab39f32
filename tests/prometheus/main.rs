//! Prometheus metrics: their numbers, their form, and the dashboard and alerts that are built on them.

mod collector;
mod exposition;
mod form;
mod monitoring;
mod numbers;
mod on_a_server;
mod prometheus_server;
mod promtool;
#[cfg(feature = "postgres")]
mod real_server;
mod scraped;
mod subject;
