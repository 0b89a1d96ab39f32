//! Cancelling a statement, where that harms nobody else.
//!
//! The driver hangs up as soon as a cancel request is sent. PostgreSQL does not mind. PgBouncer before 1.19.1 forgets the request,
//! crashes, or ends another client's connection with "successfully sent cancel request" (pgbouncer/pgbouncer#846), and before
//! 1.21 there are other ways to crash it (#928). So it is asked first whether a login leads to PostgreSQL itself: by a
//! setting among the options of a startup packet, which PgBouncer refuses or ignores.

use std::sync::Arc;

use ::postgres::{CancelToken, Config, Error as PgError, SimpleQueryMessage};

use super::opening::Opening;
use crate::base::log::say;
use crate::tls::Encryption;

/// A setting of no meaning: the server keeps any that has a dot in its name.
const OPTION: &str = "-c queuepool.direct=1";
const QUESTION: &str = "SELECT pg_catalog.current_setting('queuepool.direct', true)";

pub(super) struct Canceller {
    opening: Arc<Opening>,
    /// Opens with [`OPTION`].
    asking: Opening,
    target: String,
}

impl Canceller {
    /// It cancels what was opened by `opening`, which was made of the same.
    pub(super) fn of(
        opening: &Arc<Opening>,
        config: &Config,
        encryption: &Encryption,
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
            asking: Opening::new(&config, encryption, target),
            target: target.to_owned(),
        })
    }

    /// Asks the server to end the statement that the token's connection waits for. It may block.
    pub(super) fn cancel(&self, token: &CancelToken) {
        let words = match self.leads_to_postgres() {
            Ok(true) => match self.opening.cancel(token) {
                Ok(()) => "was cancelled".to_owned(),
                Err(error) => format!("could not be cancelled: {}", crate::error::chain(&error)),
            },
            Ok(false) => "is not cancelled: a proxy such as PgBouncer may be in between".to_owned(),
            Err(error) => format!(
                "is not cancelled, as it is not known whether a proxy is in between: {}",
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
