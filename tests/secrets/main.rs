//! A password shows in nothing that this crate says: no Debug or Display, no log at trace, no status, metric, HTTP answer,
//! error or panic, in no spelling, and no part of it either. `texts` is the list of what is searched; `canary` shows that
//! each search finds what is there.

mod canary;
mod capture;
mod configurations;
mod credentials;
mod environment;
mod errors;
mod in_use;
mod marker;
mod panics;
mod programs;
mod sent_back;
mod subject;
mod texts;
mod tls;
mod tls_in_use;
mod urls;
