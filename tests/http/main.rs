//! Health, status, metrics and the page over HTTP.

mod abuse;
mod hosts;
mod lifecycle;
mod one_pool;
mod options;
mod page;
mod refusals;
mod requests;
mod several_pools;

use queuepool::http::{Response, respond};
use queuepool::{Manager, Pool, Registry, Retry, Settings};
use serde_json::Value;

use support::scripted::secs;

/// 2 + 2 connections: with all four out the pool is critical, with three it is not.
fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(2)
        .timeout(secs(20))
        .retry(Retry::default().max_attempts(1))
}

fn registry_of<M: Manager>(pool: &Pool<M>) -> Registry {
    Registry::new().add("orders", pool).unwrap()
}

fn json(response: &Response) -> Value {
    assert_eq!(response.content_type, "application/json");
    serde_json::from_str(&response.body).unwrap()
}

/// The status code and the JSON body.
fn ask(registry: &Registry, target: &str) -> (u16, Value) {
    let response = respond(registry, target);
    (response.status, json(&response))
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
