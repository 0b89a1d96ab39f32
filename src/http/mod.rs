//! Health checks, status, metrics and a page for people, over HTTP: as a function from path to response for programs that already
//! have a server, and as a small server for those that have none.
//!
//! ```
//! use queuepool::{Database, Registry};
//!
//! let database = Database::open("sqlite::memory:")?;
//! let registry = Registry::new().add("orders", &database)?;
//! let server = queuepool::http::serve("127.0.0.1:0", registry)?;
//! println!("look at http://{}/", server.local_addr());
//! server.stop();
//! # Ok::<(), queuepool::Error>(())
//! ```
//!
//! # The paths
//! | path | answer | status |
//! |---|---|---|
//! | `/` | a page that shows every pool live | 200 |
//! | `/health`, `/health/`, `/health/live` | that the service runs: `status`, which is always `ok`, and `timestamp` | 200 |
//! | `/health/database` | `status` (`reachable`, `unreachable` or `skipped, exhausted`), `reachable`, `checked_at`, `age_seconds`, `took_seconds`, `error` | 200, or 503 if the database cannot be reached |
//! | `/health/pool` | `pool_type`, `active_connections`, `available_connections`, `utilization`, `configuration` | 200, or 503 if the health is critical |
//! | `/health/db_pool` | `timestamp`, `pool_status`, `recommendations`, `leak_detected`, `configuration` | 200, or 503 if the health is critical |
//! | `/health/detailed` | `status`, `timestamp`, `service`, `database`, `pool`, `current_state`, `health_metrics` | 200, or 503 if the database cannot be reached or the health is critical |
//! | `/metrics` | [`prometheus::text`](crate::prometheus::text()) | 200 |
//! | `/status` | `timestamp`, `version`, and in `pools` the [`Status`](crate::Status) of each pool | 200 |
//! | `/history?pool=NAME&after=N` | `pool`, `monitor` (whether it runs), `interval_seconds`, and in `samples` the [`Pool::history`](crate::Pool::history) | 200 |
//!
//! `/health/database` makes the same check as [`Pool::health_check`](crate::Pool::health_check): it never queues for a connection,
//! and while the pool is exhausted it reports what is last known. A closed pool counts as unreachable. Times are in RFC 3339
//! format and in UTC; what is not known is null.
//!
//! `available_connections` is total_capacity minus the connections that are checked out: as many as could be handed out now,
//! whether they are open already or not. `utilization` is rounded to one decimal. `timeout` and `recycle` are in whole seconds,
//! rounded up, and a `recycle` of `never` is null.
//!
//! # Which pool
//! `?pool=NAME` chooses a pool on the four `/health/…` paths that are about pools. The name is percent-encoded, and a `+` is a
//! space, as in a form. Without the parameter, a registry of one pool answers for that pool. Any other registry answers
//! `{"pools": {name: …}}` with the same body for each pool, and with 503 if any of them would. Replicas of a
//! [`ReadWrite`](crate::ReadWrite) do not count there, because reads pass one over that is down.
//!
//! # What is refused
//! An unknown path gives 404 and lists the paths. An unknown pool gives 404 and names the pools. A query that is malformed, or
//! that has parameters which the path does not know, gives 400. Only `/` and `/health/live` ignore any query, so that they never
//! fail. A refusal says why, in JSON, as `error`; only a request that is not HTTP (400) and a header that is too large (431) are
//! answered without a body. A path that exists and is not served here gives 404 and says so.
//!
//! # In a server of your own
//! [`respond`] gives the same answers:
//!
//! ```
//! use std::io::{BufRead, BufReader, Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! use queuepool::{Database, Registry};
//!
//! fn answer(stream: TcpStream, registry: &Registry) -> std::io::Result<()> {
//!     let mut request = String::new();
//!     BufReader::new(&stream).read_line(&mut request)?;
//!     let target = request.split(' ').nth(1).unwrap_or("/");
//!     let response = queuepool::http::respond(registry, target);
//!     write!(&stream, "HTTP/1.0 {} -\r\n", response.status)?;
//!     write!(&stream, "Content-Type: {}\r\n", response.content_type)?;
//!     for (name, value) in response.headers {
//!         write!(&stream, "{name}: {value}\r\n")?;
//!     }
//!     write!(&stream, "\r\n{}", response.body)
//! }
//!
//! let registry = Registry::new().add("orders", Database::open("sqlite::memory:")?)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut probe = TcpStream::connect(listener.local_addr()?)?;
//! probe.write_all(b"GET /health/database HTTP/1.0\r\n\r\n")?;
//! answer(listener.accept()?.0, &registry)?;
//! let mut heard = String::new();
//! probe.read_to_string(&mut heard)?;
//! assert!(heard.starts_with("HTTP/1.0 200"), "{heard}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who may look
//! The status names threads and source lines and quotes errors, though never a password. So [`serve`] serves all of it only on an
//! address that this machine alone can reach, such as 127.0.0.1. On any other, probes and metrics are served, in brief: with
//! numbers, states and the pools' names, and without those texts. [`serve_with`] takes [`Options`] that say otherwise:
//!
//! | | not said | what else can be said |
//! |---|---|---|
//! | [`paths`](Options#structfield.paths) | all on a loopback address, else `Metrics` | `Probes`: `/health…`. `Metrics`: also `/metrics`. `All`: everything, in full |
//! | [`bearer`](Options#structfield.bearer) | no token | `Authorization: Bearer TOKEN` is needed for all but the probes, which are answered in brief without it |
//! | [`hosts`](Options#structfield.hosts) | IP addresses; on a loopback address also `localhost` | the other names under which clients ask |
//!
//! The Host of every request is checked, because otherwise a web site that makes its own name point to this server (DNS rebinding)
//! could make a browser read what is served. Without a Host header, or with two, a request is refused with 400, with the name of
//! another server with 421; so is a target such as `http://other/status`. HTTP/1.0 is no exception: a probe that speaks it has to
//! send a Host header. `X-Forwarded-Host` is not looked at; a proxy either sends the server's address on, or a name in `hosts`.
//!
//! Without the token a request gets 401 for anything that is no probe, and so does a wrong token anywhere. A browser sends no such
//! header of its own accord: to look at the page of a server with a token, put a proxy in front of it that adds the header.
//!
//! There is no TLS and no login besides.
//!
//! # What it takes up
//! The server runs on one thread. Large answers (of metrics, of all pools, of a history) are made on a second one, and equal ones
//! that are under way are made once, for all who ask; so are checks of databases, on up to 8 more. A probe waits for none of these:
//! with 1,000 pools and 40 clients that ask for 7.4 MB of metrics without a pause, the longest of 663 probes of `/health/live` took
//! 22 ms on a machine of two cores. If no thread can be had, `/health/database` and `/health/detailed` are answered with 503, and
//! everything else as always. The bounds are in [`limits`].

mod address;
mod admission;
mod answers;
mod connections;
mod database;
mod detail;
mod health;
mod host;
pub mod limits;
mod options;
mod page;
mod request;
mod server;
#[cfg(test)]
mod tests;
mod watch;

pub use options::{Options, Paths};
pub use server::{Server, serve, serve_with};

use serde::Serialize;
use serde_json::{Value, json};

use crate::registry::Registry;
use detail::Detail;
use request::Request;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// 200, 400, 404, 500 or 503; the server also sends 401, 405 and 421.
    pub status: u16,
    /// The value of the Content-Type header.
    pub content_type: &'static str,
    /// The other headers to send, except Content-Length.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: String,
}

/// Answers a GET request. `target` is the path with its query, as it stands in the request line. Every path is answered, and in
/// full: who may ask for what is left to your server.
///
/// This asks no database server and returns at once, except for `/health/database` and `/health/detailed`, which block for up to
/// the setting health_check_timeout. If these are about several pools, the pools are checked in parallel,
/// [`CHECKED_AT_ONCE`](limits::CHECKED_AT_ONCE) at a time. On a thread of an async runtime these two paths are refused with status
/// 500: call `respond` in `spawn_blocking` there.
#[must_use]
pub fn respond(registry: &Registry, target: &str) -> Response {
    match Request::read(registry, target, Paths::All) {
        Ok(request) => request.answer(registry, Detail::Full),
        Err(refusal) => refusal,
    }
}

const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");
const NO_SNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");
const HEADERS: &[(&str, &str)] = &[NO_STORE, NO_SNIFF];
const HEADERS_OF_THE_PAGE: &[(&str, &str)] = &[
    NO_STORE,
    NO_SNIFF,
    ("Content-Security-Policy", page::CONTENT_SECURITY_POLICY),
];
const HEADERS_WITHOUT_A_TOKEN: &[(&str, &str)] =
    &[NO_STORE, NO_SNIFF, ("WWW-Authenticate", "Bearer")];
const HEADERS_OF_A_REFUSED_METHOD: &[(&str, &str)] = &[NO_STORE, NO_SNIFF, ("Allow", "GET, HEAD")];

impl Response {
    fn json(status: u16, body: &impl Serialize) -> Self {
        let (status, body) = match serde_json::to_string(body) {
            Ok(body) => (status, body),
            Err(error) => (500, json!({"error": error.to_string()}).to_string()),
        };
        Response {
            status,
            content_type: "application/json",
            headers: HEADERS,
            body,
        }
    }

    fn page() -> Self {
        Response {
            status: 200,
            content_type: "text/html; charset=utf-8",
            headers: HEADERS_OF_THE_PAGE,
            body: page::PAGE.to_owned(),
        }
    }

    fn metrics(registry: &Registry) -> Self {
        Response {
            status: 200,
            content_type: crate::prometheus::CONTENT_TYPE,
            headers: HEADERS,
            body: crate::prometheus::text(registry),
        }
    }

    /// `{"error": …}`, with whatever helps the client added under a name of its own.
    fn refusal(status: u16, error: impl Into<String>, help: Option<(&str, Value)>) -> Self {
        let mut body = json!({"error": error.into()});
        if let Some((name, value)) = help {
            body[name] = value;
        }
        Response::json(status, &body)
    }

    fn refused_method() -> Self {
        Response {
            headers: HEADERS_OF_A_REFUSED_METHOD,
            ..Response::refusal(405, "only GET and HEAD are answered", None)
        }
    }

    fn unauthorized(error: &str) -> Self {
        Response {
            headers: HEADERS_WITHOUT_A_TOKEN,
            ..Response::refusal(401, error, None)
        }
    }

    fn without_thread(error: &std::io::Error) -> Self {
        let error = format!("no thread could be started to ask the database: {error}");
        Response::refusal(503, error, None)
    }

    fn failed() -> Self {
        Response::refusal(500, "the answer could not be made", None)
    }
}
