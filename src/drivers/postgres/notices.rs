//! Where the server's notices go.

use std::sync::{Arc, Weak};

use ::postgres::Config;
use ::postgres::error::DbError;

use super::login::masked_for;
use crate::base::log::say;
use crate::drivers::credentials::Source;

pub(super) type Notices = Arc<dyn Fn(DbError) + Send + Sync>;

/// The driver's own target and level, so that a filter that was set for them holds.
const TARGET: &str = "postgres::config";

/// As the driver logs them by itself, but without the password, which a server may repeat.
pub(super) fn logged(config: &Config, source: Option<&Arc<Source>>) -> Notices {
    let config = config.clone();
    // A connection that was taken out of its pool has no need to keep the source.
    let source = source.map(Arc::downgrade);
    Arc::new(move |notice| {
        let source = source.as_ref().and_then(Weak::upgrade);
        let words = masked_for(&config, notice.message().to_owned(), source.as_ref());
        say!(Info, TARGET, "{}: {words}", notice.severity());
    })
}
