//! Works out what is asked for from a path with its query.

use std::collections::BTreeMap;
use std::time::SystemTime;

use humantime::format_rfc3339_millis;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use crate::http::detail::Detail;
use crate::http::{Paths, Response, health};
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::registry::Registry;

/// The paths, each with the least choice of paths that includes it.
const PATHS: [(&str, Paths); 10] = [
    ("/", Paths::All),
    ("/health", Paths::Probes),
    ("/health/live", Paths::Probes),
    ("/health/database", Paths::Probes),
    ("/health/pool", Paths::Probes),
    ("/health/db_pool", Paths::Probes),
    ("/health/detailed", Paths::Probes),
    ("/metrics", Paths::Metrics),
    ("/status", Paths::All),
    ("/history", Paths::All),
];

/// Whether this is a path, existing or not, of [`Paths::Probes`].
pub(super) fn is_probe(path: &str) -> bool {
    path == "/health" || path.starts_with("/health/")
}

/// What is asked for. Any pool that it names is in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Page,
    Live,
    Database(Option<String>),
    Pool(Option<String>),
    DbPool(Option<String>),
    Detailed(Option<String>),
    Metrics,
    Status,
    History { pool: String, after: u64 },
}

impl Request {
    /// Reads a request's target, of which these paths are served.
    ///
    /// # Errors
    /// The response that says what is wrong with the target.
    pub(super) fn read(registry: &Registry, target: &str, paths: Paths) -> Result<Self, Response> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if PATHS
            .iter()
            .any(|(known, needed)| *known == path && *needed > paths)
        {
            let error = format!(
                "{path} is not served here: beyond this machine, http::Options::paths has to say so"
            );
            return Err(not_there(error, paths));
        }
        let parameters = |known: &[&str]| Parameters::read(query, known);
        let pool = || parameters(&["pool"])?.pool(registry);
        match path {
            "/" => Ok(Request::Page),
            "/health" | "/health/" | "/health/live" => Ok(Request::Live),
            "/health/database" => pool().map(Request::Database),
            "/health/pool" => pool().map(Request::Pool),
            "/health/db_pool" => pool().map(Request::DbPool),
            "/health/detailed" => pool().map(Request::Detailed),
            "/metrics" => parameters(&[]).map(|_| Request::Metrics),
            "/status" => parameters(&[]).map(|_| Request::Status),
            "/history" => {
                let parameters = parameters(&["pool", "after"])?;
                Ok(Request::History {
                    after: parameters.after()?,
                    pool: parameters.the_pool(registry)?,
                })
            }
            _ => Err(not_there(format!("there is nothing at {path}"), paths)),
        }
    }

    pub(super) fn effort(&self) -> Effort {
        match self {
            Request::Page | Request::Live | Request::Pool(Some(_)) | Request::DbPool(Some(_)) => {
                Effort::Little
            }
            Request::Pool(None)
            | Request::DbPool(None)
            | Request::Metrics
            | Request::Status
            | Request::History { .. } => Effort::Much,
            Request::Database(_) | Request::Detailed(_) => Effort::Waits,
        }
    }

    pub(super) fn answer(self, registry: &Registry, detail: Detail) -> Response {
        match self {
            Request::Page => Response::page(),
            Request::Live => {
                Response::json(200, &json!({"status": "ok", "timestamp": timestamp()}))
            }
            Request::Database(pool) => health::database(registry, pool.as_deref(), detail),
            Request::Pool(pool) => health::pool(registry, pool.as_deref()),
            Request::DbPool(pool) => health::db_pool(registry, pool.as_deref(), detail),
            Request::Detailed(pool) => health::detailed(registry, pool.as_deref(), detail),
            Request::Metrics => Response::metrics(registry),
            Request::Status => Response::json(
                200,
                &All {
                    timestamp: timestamp(),
                    version: env!("CARGO_PKG_VERSION"),
                    pools: registry.status(),
                },
            ),
            Request::History { pool, after } => history(registry, &pool, after),
        }
    }
}

/// What it takes to make an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// It is about one pool at most.
    Little,
    /// It is about every pool, or about an hour.
    Much,
    /// It may have to wait for a database.
    Waits,
}

fn not_there(error: String, paths: Paths) -> Response {
    let served = PATHS.iter().filter(|(_, needed)| *needed <= paths);
    let served: Vec<&str> = served.map(|(path, _)| *path).collect();
    Response::refusal(404, error, Some(("paths", json!(served))))
}

#[derive(Serialize)]
struct All {
    timestamp: String,
    version: &'static str,
    pools: BTreeMap<String, Status>,
}

#[derive(Serialize)]
struct Samples<'a> {
    pool: &'a str,
    monitor: bool,
    interval_seconds: f64,
    samples: Vec<Sample>,
}

fn history(registry: &Registry, pool: &str, after: u64) -> Response {
    let Some(member) = registry.get(pool) else {
        return no_such_pool(registry, pool);
    };
    let settings = member.status().configuration;
    Response::json(
        200,
        &Samples {
            pool,
            monitor: settings.enable_pool_metrics,
            interval_seconds: settings.metrics_collection_interval.as_secs_f64(),
            samples: member.history(after),
        },
    )
}

fn timestamp() -> String {
    format_rfc3339_millis(SystemTime::now()).to_string()
}

fn no_such_pool(registry: &Registry, name: &str) -> Response {
    Response::refusal(
        404,
        format!("there is no pool {name:?}"),
        Some(("pools", json!(registry.names()))),
    )
}

/// The parameters of a query, decoded.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str, known: &[&str]) -> Result<Self, Response> {
        let malformed = |what: String| Response::refusal(400, what, None);
        let mut parameters: Vec<(String, String)> = Vec::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let Some((name, value)) = piece.split_once('=') else {
                return Err(malformed(format!("{piece:?} in the query has no value")));
            };
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(malformed(format!(
                    "{piece:?} in the query is not percent-encoded UTF-8"
                )));
            };
            if !known.contains(&name.as_str()) {
                let accepted = match known {
                    [] => "none".to_owned(),
                    known => known.join(" and "),
                };
                return Err(malformed(format!(
                    "the parameter {name:?} is not known here: {accepted} can be given"
                )));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(malformed(format!("{name} is given twice")));
            }
            parameters.push((name, value));
        }
        Ok(Parameters(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    fn pool(&self, registry: &Registry) -> Result<Option<String>, Response> {
        match self.get("pool") {
            Some(name) if registry.get(name).is_none() => Err(no_such_pool(registry, name)),
            name => Ok(name.map(str::to_owned)),
        }
    }

    /// The pool that is named, or the only one in the registry.
    fn the_pool(&self, registry: &Registry) -> Result<String, Response> {
        if let Some(name) = self.pool(registry)? {
            return Ok(name);
        }
        let mut names = registry.names();
        match (names.pop(), names.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                let status = if last.is_some() { 400 } else { 404 };
                names.extend(last);
                Err(Response::refusal(
                    status,
                    "?pool=NAME is needed here unless there is one pool",
                    Some(("pools", json!(names))),
                ))
            }
        }
    }

    fn after(&self) -> Result<u64, Response> {
        let Some(after) = self.get("after") else {
            return Ok(0);
        };
        after.parse().map_err(|_| {
            let error = format!("after is the number of a sample, and {after:?} is none");
            Response::refusal(400, error, None)
        })
    }
}

/// `None` if a `%` is not followed by two hexadecimal digits, or if the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    // percent_decode_str leaves a malformed `%` as it is, so each of them is looked at here.
    let mut rest = text.split('%');
    let _before_the_first = rest.next();
    let digits = |after: &str| {
        after
            .as_bytes()
            .get(..2)
            .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if !rest.all(digits) {
        return None;
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
