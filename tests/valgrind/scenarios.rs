//! The scenarios without the crate they belong to, which needs more dependencies than they do.

extern crate self as support;

#[allow(dead_code)]
#[path = "../support/scripted.rs"]
pub mod scripted;

#[path = "../core/scenarios/mod.rs"]
mod scenarios;
