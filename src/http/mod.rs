//! Health, status, metrics and a page to look at, over HTTP: as a function from path to response for programs that have a
//! server already, and as a small server for those that have none.
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
//! # What there is
//! | path | answer | status |
//! |---|---|---|
//! | `/` | a page that shows every pool live | 200 |
//! | `/health`, `/health/`, `/health/live` | the service runs: `status`, always `ok`, and `timestamp` | 200 |
//! | `/health/database` | `status` (`reachable`, `unreachable` or `skipped, exhausted`), `reachable`, `checked_at`, `age_seconds`, `took_seconds`, `error` | 503 exactly when the database cannot be reached |
//! | `/health/pool` | `pool_type`, `active_connections`, `available_connections`, `utilization`, `configuration` | 503 exactly when critical |
//! | `/health/db_pool` | `timestamp`, `pool_status`, `recommendations`, `leak_detected`, `configuration` | 503 exactly when critical |
//! | `/health/detailed` | `status`, `timestamp`, `service`, `database`, `pool`, `current_state`, `health_metrics` | 503 when either |
//! | `/metrics` | [`prometheus::text`](crate::prometheus::text()) | 200 |
//! | `/status` | `timestamp`, `version`, and in `pools` each [`Status`](crate::Status) | 200 |
//! | `/history?pool=NAME&after=N` | `pool`, `monitor` (whether it runs), `interval_seconds`, and `samples`: [`Pool::history`](crate::Pool::history) | 200 |
//!
//! `/health/database` asks the database as [`Pool::health_check`](crate::Pool::health_check) does: it never queues for a
//! connection, and while the pool is exhausted it tells what is last known. A closed pool cannot be reached. Times are RFC
//! 3339 in UTC; what is not known is null. `available_connections` is total_capacity less those checked out: what could be
//! handed out at once, opened already or not. `utilization` is rounded to one decimal; `timeout` and `recycle` are whole
//! seconds, rounded up, and a `recycle` of `never` is null.
//!
//! # Which pool
//! `?pool=NAME` chooses one on the four `/health/…` paths that speak of a pool. The name is percent-encoded, and a `+` is a
//! space, as in a form. Without it a registry of one pool answers for that one; any other answers `{"pools": {name: …}}` with
//! the same for each, and 503 when any of them would.
//!
//! # What is refused
//! An unknown path is 404 and lists the paths, an unknown pool is 404 and names the pools, a query that is malformed or has
//! parameters that the path does not know is 400. Only `/` and `/health/live` ignore any query: they never fail. What is
//! refused says why in JSON, as `error`; only what is no HTTP (400) and a header that is too large (431) have no body.
//!
//! # In a server of your own
//! [`respond`] makes the same answers:
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
//! There is no login, and the status names threads, source lines and error texts, though no password. [`serve`] listens on
//! this machine alone unless told otherwise; put what guards your other internal pages before it too. The header Host is not
//! looked at, so that it works behind any proxy: a web site that makes its own name point to this machine (DNS rebinding) can
//! have a browser here read what is served here.

mod address;
mod answers;
mod connections;
mod health;
pub mod limits;
mod page;
mod request;
mod server;
mod watch;

pub use server::{Server, serve};

use serde::Serialize;
use serde_json::{Value, json};

use crate::registry::Registry;
use request::Request;

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// 200, 400, 404, 500 or 503; from the server also 405.
    pub status: u16,
    /// The header Content-Type.
    pub content_type: &'static str,
    /// The other headers that belong to it, Content-Length aside.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: String,
}

/// Answers what was asked for with GET: `target` is the path with its query, as the request line has it.
///
/// Asks no server and returns at once, but for `/health/database` and `/health/detailed`: these block for up to the setting
/// health_check_timeout. Pools are asked side by side, [`CHECKED_AT_ONCE`](limits::CHECKED_AT_ONCE) at a time. On an async
/// runtime's own thread these two are refused, with status 500: call it in `spawn_blocking`.
#[must_use]
pub fn respond(registry: &Registry, target: &str) -> Response {
    match Request::read(registry, target) {
        Ok(request) => request.answer(registry),
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

    /// `{"error": …}`, with what helps under a name of its own.
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

    fn failed() -> Self {
        Response::refusal(500, "the answer could not be made", None)
    }
}
