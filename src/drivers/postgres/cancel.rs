//! Cancelling a statement, but only if that harms nobody else.
//!
//! The driver hangs up as soon as it has sent a cancel request. PostgreSQL does not mind. But PgBouncer before 1.19.1 forgets the
//! request, crashes, or ends another client's connection with "successfully sent cancel request" (pgbouncer/pgbouncer#846), and
//! before 1.21 there are other ways to crash it (#928). So we first find out whether a login leads to PostgreSQL itself: the
//! startup packet sets an option which PgBouncer refuses or ignores.

use std::sync::Arc;

use ::postgres::{CancelToken, Config, Error as PgError, SimpleQueryMessage};

use super::opening::Opening;
use crate::base::log::say;
use crate::tls::Encryption;

/// A setting without a meaning. PostgreSQL keeps any setting that has a dot in its name.
const OPTION: &str = "-c queuepool.direct=1";
const QUESTION: &str = "SELECT pg_catalog.current_setting('queuepool.direct', true)";

pub(super) struct Canceller {
    opening: Arc<Opening>,
    /// Opens connections with [`OPTION`].
    asking: Opening,
    target: String,
}

impl Canceller {
    /// Cancels on connections that `opening` has opened, which was made from the same `config`, `encryption` and `watches_plain`.
    pub(super) fn of(
        opening: &Arc<Opening>,
        config: &Config,
        encryption: &Encryption,
        watches_plain: bool,
        target: &str,
    ) -> Arc<Self> {
        let mut config = config.clone();
        let options = match config.get_options() {
            Some(options) => format!("{options} {OPTION}"),
            None => OPTION.to_owned(),
        };
        config.options(&options);
        Arc::new(Canceller {
            opening: opening.clone(),
            asking: Opening::new(&config, encryption, watches_plain, target),
            target: target.to_owned(),
        })
    }

    /// Asks the server to end the statement that the connection of the token is waiting for. It may block.
    pub(super) fn cancel(&self, token: &CancelToken) {
        let words = match self.leads_to_postgres() {
            Ok(true) => match self.opening.cancel(token) {
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

    fn leads_to_postgres(&self) -> Result<bool, PgError> {
        let answer = self.asking.open()?.simple_query(QUESTION)?;
        Ok(answer.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("1"),
            _ => false,
        }))
    }
}
