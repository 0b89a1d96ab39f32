//! A password shows in nothing that this crate says: no Debug or Display, no log at trace, no status, metric, HTTP answer,
//! error or panic, in no spelling and not in pieces either. `texts` is the list of what is searched, `canary` shows that the
//! search of each finds what is there.

#[path = "../support/certificates.rs"]
mod certificates;
#[allow(dead_code)]
#[path = "../support/http_client.rs"]
mod http_client;
#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/servers.rs"]
mod servers;

mod canary;
mod capture;
mod configurations;
mod environment;
mod errors;
mod in_use;
mod marker;
mod panics;
mod programs;
mod subject;
mod texts;
mod tls;
mod tls_in_use;
mod urls;
