//! The answers on the health paths, for one pool and for several.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use humantime::format_rfc3339_millis;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::database::Database;
use crate::base::runtime::on_async_runtime_thread;
use crate::error::Error;
use crate::http::Response;
use crate::http::detail::Detail;
use crate::http::limits::CHECKED_AT_ONCE;
use crate::observe::checked::HealthCheck;
use crate::observe::health::Health;
use crate::observe::status::Status;
use crate::registry::{Member, Registry};
use crate::settings::{PrePing, Settings};

#[derive(Serialize)]
struct Configuration {
    pool_size: u32,
    max_overflow: u32,
    timeout: u64,
    recycle: Option<u64>,
    pre_ping: bool,
}

impl Configuration {
    fn of(settings: &Settings) -> Self {
        Configuration {
            pool_size: settings.pool_size,
            max_overflow: settings.max_overflow,
            timeout: whole_seconds(settings.timeout),
            recycle: (settings.recycle != Duration::MAX).then(|| whole_seconds(settings.recycle)),
            pre_ping: settings.pre_ping != PrePing::Never,
        }
    }
}

/// Rounded up, so that a timeout of 0.3 s does not become 0.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn one_decimal(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[derive(Serialize)]
struct Pool {
    pool_type: &'static str,
    active_connections: u64,
    available_connections: u64,
    utilization: f64,
    configuration: Configuration,
}

impl Pool {
    fn of(status: &Status) -> Self {
        Pool {
            pool_type: status.pool_type,
            active_connections: status.active_connections,
            available_connections: status.total_capacity.saturating_sub(status.checked_out),
            utilization: one_decimal(status.utilization),
            configuration: Configuration::of(&status.configuration),
        }
    }
}

#[derive(Serialize)]
struct DbPool {
    timestamp: String,
    pool_status: PoolStatus,
    recommendations: Vec<String>,
    leak_detected: bool,
    configuration: Configuration,
}

#[derive(Serialize)]
struct PoolStatus {
    size: u64,
    checked_out: u64,
    checked_in: u64,
    overflow: u64,
    max_overflow: u64,
    utilization: f64,
    health: Health,
    total_capacity: u64,
}

impl DbPool {
    fn of(status: Status) -> Self {
        DbPool {
            timestamp: format_rfc3339_millis(status.at).to_string(),
            pool_status: PoolStatus {
                size: status.size,
                checked_out: status.checked_out,
                checked_in: status.checked_in,
                overflow: status.overflow,
                max_overflow: status.max_overflow,
                utilization: one_decimal(status.utilization),
                health: status.health,
                total_capacity: status.total_capacity,
            },
            configuration: Configuration::of(&status.configuration),
            recommendations: status.recommendations,
            leak_detected: status.leak_detected,
        }
    }
}

#[derive(Serialize)]
struct Detailed {
    status: &'static str,
    timestamp: String,
    service: Value,
    database: Database,
    pool: Pool,
    current_state: Value,
    health_metrics: Map<String, Value>,
}

/// The fields of a status that describe the present moment; the others describe what has happened so far.
const CURRENT_STATE: [&str; 21] = [
    "closed",
    "size",
    "checked_in",
    "checked_out",
    "overflow",
    "total",
    "max_overflow",
    "total_capacity",
    "utilization",
    "capacity_utilization",
    "health",
    "leak_detected",
    "full_for",
    "replica_lag",
    "passed_over",
    "opening_connections",
    "in_connect_hook",
    "abandoned",
    "hung_connects",
    "holders",
    "recommendations",
];

/// The fields that stand elsewhere in the answer, or that repeat the request.
const ELSEWHERE: [&str; 4] = ["name", "at", "pool_type", "configuration"];

impl Detailed {
    fn of(status: &Status, database: Database, detail: Detail) -> Result<Self, serde_json::Error> {
        let mut all: Map<String, Value> = serde_json::from_value(serde_json::to_value(status)?)?;
        detail.apply_to_holders(&mut all);
        let mut current = Map::new();
        for name in CURRENT_STATE {
            current.extend(all.remove_entry(name));
        }
        for name in ELSEWHERE {
            all.remove(name);
        }
        let well = database.reachable && status.health != Health::Critical;
        Ok(Detailed {
            status: if well { "ok" } else { "unavailable" },
            timestamp: format_rfc3339_millis(status.at).to_string(),
            service: json!({"status": "ok"}),
            database,
            pool: Pool::of(status),
            current_state: Value::Object(current),
            health_metrics: all,
        })
    }
}

type Members = Vec<(String, Member)>;

fn members(registry: &Registry, chosen: Option<&str>) -> Members {
    let names = chosen.map_or_else(|| registry.names(), |name| vec![name.to_owned()]);
    let found = names
        .into_iter()
        .filter_map(|name| Some((name.clone(), registry.get(&name)?)));
    found.collect()
}

/// One pool's answer, and whether the pool is well: if it is not, the status is 503.
struct Answer<T> {
    pool: String,
    well: bool,
    body: T,
}

fn together<T: Serialize>(answers: &[Answer<T>]) -> Response {
    let well = answers.iter().all(|answer| answer.well);
    let status = if well { 200 } else { 503 };
    if let [only] = answers {
        return Response::json(status, &only.body);
    }
    let pools: BTreeMap<&str, &T> = answers
        .iter()
        .map(|answer| (answer.pool.as_str(), &answer.body))
        .collect();
    Response::json(status, &BTreeMap::from([("pools", pools)]))
}

/// An answer for all pools is not about replicas, since reads pass one over that is not fit.
fn is_dispensable(member: &Member, chosen: Option<&str>) -> bool {
    chosen.is_none() && member.is_replica()
}

fn of_status<T: Serialize>(
    registry: &Registry,
    chosen: Option<&str>,
    detail: Detail,
    body: fn(Status) -> T,
) -> Response {
    let answers: Vec<_> = members(registry, chosen)
        .into_iter()
        .map(|(pool, member)| {
            let status = detail.apply_to(member.status());
            Answer {
                pool,
                well: status.is_healthy() || is_dispensable(&member, chosen),
                body: body(status),
            }
        })
        .collect();
    together(&answers)
}

pub(super) fn pool(registry: &Registry, chosen: Option<&str>) -> Response {
    // Numbers and words of our own alone.
    of_status(registry, chosen, Detail::Full, |status| Pool::of(&status))
}

pub(super) fn db_pool(registry: &Registry, chosen: Option<&str>, detail: Detail) -> Response {
    of_status(registry, chosen, detail, DbPool::of)
}

pub(super) fn database(registry: &Registry, chosen: Option<&str>, detail: Detail) -> Response {
    of_check(registry, chosen, detail, |_, database, _| {
        Ok((database.reachable, database))
    })
}

pub(super) fn detailed(registry: &Registry, chosen: Option<&str>, detail: Detail) -> Response {
    of_check(registry, chosen, detail, |member, database, detail| {
        let status = detail.apply_to(member.status());
        let detailed = Detailed::of(&status, database, detail)?;
        Ok((detailed.status == "ok", detailed))
    })
}

/// Whether the pool and its database are well, and the body.
type Made<T> = Result<(bool, T), serde_json::Error>;

fn of_check<T: Serialize>(
    registry: &Registry,
    chosen: Option<&str>,
    detail: Detail,
    body: fn(&Member, Database, Detail) -> Made<T>,
) -> Response {
    if on_async_runtime_thread() {
        let error = "this asks the database, which blocks, and this is a thread of an async runtime: call respond in \
                     spawn_blocking";
        return Response::refusal(500, error, None);
    }
    let members = members(registry, chosen);
    let mut answers = Vec::with_capacity(members.len());
    for ((pool, member), check) in members.iter().zip(check_all(&members)) {
        let database = match Database::of(check) {
            Ok(database) => detail.apply_to_database(database),
            Err(error) => return Response::refusal(500, detail.of_text(error.to_string()), None),
        };
        let (well, body) = match body(member, database, detail) {
            Ok(made) => made,
            Err(error) => return Response::refusal(500, error.to_string(), None),
        };
        answers.push(Answer {
            pool: pool.clone(),
            well: well || is_dispensable(member, chosen),
            body,
        });
    }
    together(&answers)
}

/// The result of each pool's check, in the order of the pools. This thread does its share of the checks.
fn check_all(members: &Members) -> Vec<Result<HealthCheck, Error>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some((place, (_, member))) = take(&next, members) {
            let check = member.health_check();
            done.lock().insert(place, check);
        }
    };
    thread::scope(|scope| {
        for _ in 1..members.len().min(CHECKED_AT_ONCE) {
            let thread = thread::Builder::new().name("queuepool-check".to_owned());
            // If no more threads can be started, those that exist do all the work.
            if thread.spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    done.into_inner().into_values().collect()
}

fn take<'a>(next: &AtomicUsize, members: &'a Members) -> Option<(usize, &'a (String, Member))> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, members.get(place)?))
}
