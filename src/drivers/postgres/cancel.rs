//! Cancelling a statement, but only if that harms nobody else.
//!
//! The driver hangs up as soon as it has sent a cancel request. PostgreSQL does not mind. But PgBouncer before 1.19.1 forgets the
//! request, crashes, or ends another client's connection with "successfully sent cancel request" (pgbouncer/pgbouncer#846), and
//! before 1.21 there are other ways to crash it (#928). So we first find out whether a login leads to PostgreSQL itself: the
//! startup packet sets an option which PgBouncer refuses or ignores.

use std::net::SocketAddr;
use std::sync::Arc;

use ::postgres::{CancelToken, Error as PgError, SimpleQueryMessage};

use super::classify::classify;
use super::hosts::Login;
use crate::base::log::say;
use crate::contract::error_class::ErrorClass;
use crate::drivers::hosts::Hosts;

/// A setting without a meaning. PostgreSQL keeps any setting that has a dot in its name.
const OPTION: &str = "-c queuepool.direct=1";
const QUESTION: &str = "SELECT pg_catalog.current_setting('queuepool.direct', true)";

/// Cancels on connections that `login` has opened at `hosts`.
pub(super) struct Canceller {
    pub(super) login: Arc<Login>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) target: String,
}

impl Canceller {
    /// Asks the server to end the statement that the connection of the token is waiting for. It may block.
    pub(super) fn cancel(&self, token: &CancelToken) {
        let words = match self.leads_to_postgres() {
            Ok(true) => match self.login.opening.cancel(token) {
                Ok(()) => "was cancelled".to_owned(),
                Err(error) => format!("could not be cancelled: {}", crate::error::chain(&error)),
            },
            Ok(false) => {
                "is not cancelled: there may be a proxy such as PgBouncer in between".to_owned()
            }
            Err(error) => format!(
                "is not cancelled, because it is not known whether there is a proxy in between: {}",
                crate::error::chain(&error)
            ),
        };
        say!(
            Debug,
            &self.target,
            "a statement that outlasted its connection's reset {words}"
        );
    }

    /// The token leads to the host and address of its connection, but does not tell them. So all that have ever given a connection
    /// are asked, and one that is a proxy speaks for all. One that cannot be reached has no connections left.
    fn leads_to_postgres(&self) -> Result<bool, PgError> {
        let mut unreachable = None;
        let mut is_sure = false;
        for (host, address) in self.hosts.good() {
            match self.is_postgres(host, address) {
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

    fn is_postgres(&self, host: usize, address: Option<SocketAddr>) -> Result<bool, PgError> {
        let mut config = self.login.config_at(host, address);
        let options = match config.get_options() {
            Some(options) => format!("{options} {OPTION}"),
            None => OPTION.to_owned(),
        };
        config.options(&options);
        let mut client = self.login.opening.open(&config)?;
        let answer = client.simple_query(QUESTION)?;
        Ok(answer.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("1"),
            _ => false,
        }))
    }
}
