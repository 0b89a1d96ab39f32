//! Cancelling a statement, but only if that harms nobody else.
//!
//! The driver hangs up as soon as it has sent a cancel request. PostgreSQL does not mind. But PgBouncer before 1.19.1 forgets the
//! request, crashes, or ends another client's connection with "successfully sent cancel request" (pgbouncer/pgbouncer#846), and
//! before 1.21 there are other ways to crash it (#928). So we first find out whether a login leads to PostgreSQL itself: the
//! startup packet sets an option which PgBouncer refuses or ignores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::postgres::{CancelToken, Error as PgError, SimpleQueryMessage};

use super::classify::{classify, refuses_login};
use super::hosts::Login;
use crate::base::log::say;
use crate::contract::credentials::Credentials;
use crate::contract::error_class::ErrorClass;
use crate::drivers::credentials::{Source, log_in};
use crate::drivers::hosts::Hosts;
use crate::error::chain;

/// A setting without a meaning. PostgreSQL keeps any setting that has a dot in its name.
const OPTION: &str = "-c queuepool.direct=1";
const QUESTION: &str = "SELECT pg_catalog.current_setting('queuepool.direct', true)";

/// Cancels on connections that `login` has opened at `hosts`.
pub(super) struct Canceller {
    pub(super) login: Arc<Login>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) credentials: Option<Arc<Source>>,
    /// How long one host, and one answer of the closure, may take.
    pub(super) each: Duration,
    pub(super) target: String,
}

impl Canceller {
    /// Asks the server to end the statement that the connection of the token is waiting for. It may block.
    pub(super) fn cancel(&self, token: &CancelToken) {
        let words = match self.leads_to_postgres() {
            Ok(true) => match self.login.opening.cancel(token) {
                Ok(()) => "was cancelled".to_owned(),
                Err(error) => format!("could not be cancelled: {}", self.words(&error)),
            },
            Ok(false) => {
                "is not cancelled: there may be a proxy such as PgBouncer in between".to_owned()
            }
            Err(words) => format!(
                "is not cancelled, because it is not known whether there is a proxy in between: {words}"
            ),
        };
        say!(
            Debug,
            &self.target,
            "a statement that outlasted its connection's reset {words}"
        );
    }

    fn words(&self, error: &PgError) -> String {
        self.login.masked(chain(error), self.credentials.as_ref())
    }

    /// The question is asked in a login of its own; a cancel request needs no credentials.
    fn leads_to_postgres(&self) -> Result<bool, String> {
        let good = self.hosts.good();
        let count = u32::try_from(good.len().max(1)).unwrap_or(u32::MAX);
        let ask = |who: Option<&Credentials>, _left| match who {
            Some(who) => lead_to_postgres(&self.login.with(who), &good),
            None => lead_to_postgres(&self.login, &good),
        };
        let (source, limit) = (self.credentials.as_ref(), self.each.saturating_mul(count));
        log_in(source, self.each, limit, ask, refuses_login)
            .map_err(|unavailable| unavailable.to_string())?
            .map_err(|error| self.words(&error))
    }
}

/// The token leads to the host and address of its connection, but does not tell them. So all that have ever given a connection
/// are asked, and one that is a proxy speaks for all. One that cannot be reached has no connections left.
fn lead_to_postgres(login: &Login, good: &[(usize, Option<SocketAddr>)]) -> Result<bool, PgError> {
    let mut unreachable = None;
    let mut is_sure = false;
    for (host, address) in good {
        match is_postgres(login, *host, *address) {
            Ok(true) => is_sure = true,
            Ok(false) => return Ok(false),
            Err(error) if classify(&error) == ErrorClass::Lost => unreachable = Some(error),
            Err(error) => return Err(error),
        }
    }
    match unreachable {
        Some(error) if !is_sure => Err(error),
        _ => Ok(is_sure),
    }
}

fn is_postgres(login: &Login, host: usize, address: Option<SocketAddr>) -> Result<bool, PgError> {
    let mut config = login.config_at(host, address);
    let options = match config.get_options() {
        Some(options) => format!("{options} {OPTION}"),
        None => OPTION.to_owned(),
    };
    config.options(&options);
    let mut client = login.opening.open(&config)?;
    let answer = client.simple_query(QUESTION)?;
    Ok(answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("1"),
        _ => false,
    }))
}
