//! Prometheus metrics: their numbers, their form, and the dashboard and alerts that rest on them.

#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;

mod collector;
mod exposition;
mod form;
mod numbers;
mod promtool;
mod scraped;
mod subject;
