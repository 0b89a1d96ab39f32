//! The one error type: the kind of failure, a text with the evidence, and the driver's own error as its source.

use std::error::Error as StdError;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(crate) mod class;

use crate::error::class::ErrorClass;

/// Where a setting was written, in errors.
pub(crate) const URL: &str = "the database URL";

/// Stands in an error for a value which may be a password, or a part of one.
pub(crate) const NOT_SHOWN: &str = "(not shown: it may contain a password)";

/// Stands in the text of an error where a server or a proxy had sent back the pool's own password.
pub(crate) const MASKED: &str = "***";

/// What kind of failure an error is, to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The deadline passed while the caller waited at capacity, while [`close`](crate::Pool::close) waited for connections to come
    /// back, or in [`warm_up`](crate::Pool::warm_up).
    Timeout,
    /// A connection could not be opened, or not before the deadline; from an `AnyConnection`, also that the connection was lost
    /// in use. [`source`](StdError::source) is the driver's own error, if it gave one.
    Connect,
    /// Connections failed their test `max_validation_failures` times in a row within one checkout, or until its deadline.
    Validation,
    /// This machine has no more of what the call needs: no thread could be started. The database was not asked.
    Resources,
    /// The pool is closed.
    Closed,
    /// As many callers are waiting already as the setting [`max_waiting`](crate::Settings#structfield.max_waiting) admits.
    Overloaded,
    /// The wait was ended by its [`CancellationToken`](crate::CancellationToken).
    Cancelled,
    /// A setting, a URL or an environment variable is malformed or out of range. The text says what was given, where (in which
    /// variable or in the URL; nothing for what was set in code), and what is expected.
    Settings,
    /// A hook refused the connection or failed.
    Hook,
    /// The database refused a statement that ran on a healthy connection.
    Statement,
    /// The call cannot work here: inside a hook of the same pool, on a thread of an async runtime, in a forked child process, or
    /// with this driver.
    Unsupported,
}

/// The error of every fallible call of this crate.
///
/// Match on [`kind`](Error::kind), print the error for the whole story, and reach the driver's own error through
/// [`source`](StdError::source) and `downcast_ref`. The text never contains a password: one that the server, or a proxy, sends back in
/// what it says is masked as `***`, if it has four characters or more and is not the user's or the database's name. The driver's own
/// error beneath is as the server sent it, so do not log it by itself.
///
/// Print it with `{}`: one line has all that an operator needs, the driver's words included. Whoever prints the chain of sources, as
/// anyhow does with `{:#}` and in `main`'s result, gets the driver's words twice, because the source is there to be downcast and is in
/// the text already.
#[derive(Clone)]
pub struct Error(Box<Shared>);

#[derive(Clone)]
struct Shared {
    kind: ErrorKind,
    message: String,
    transient: bool,
    class: Option<ErrorClass>,
    conflict: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Drop for Shared {
    /// The source is somebody else's, and its drop may panic. That ends here, wherever an error of ours is dropped: under way to a
    /// caller, in a counter, or with the pool.
    fn drop(&mut self) {
        let Some(source) = self.source.take() else {
            return;
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(source))) {
            // The drop of its payload may be no better.
            mem::forget(panic);
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Shared {
            kind,
            message: message.into(),
            transient: match kind {
                ErrorKind::Timeout
                | ErrorKind::Connect
                | ErrorKind::Validation
                | ErrorKind::Resources
                | ErrorKind::Overloaded => true,
                ErrorKind::Closed
                | ErrorKind::Cancelled
                | ErrorKind::Settings
                | ErrorKind::Hook
                | ErrorKind::Statement
                | ErrorKind::Unsupported => false,
            },
            class: None,
            conflict: false,
            source: None,
        }))
    }

    /// An [`ErrorKind::Settings`] for what was set in code: `invalid pool_size 0: expected at least 1`. A value that is text
    /// comes in quotes (`{value:?}`), so that a blank one can be seen.
    pub(crate) fn setting(
        name: &str,
        value: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Error::new(
            ErrorKind::Settings,
            format!("invalid {name} {value}: expected {expected}"),
        )
    }

    /// As [`setting`](Error::setting), for what was written somewhere: `place` is an environment variable, [`URL`] or another
    /// text that the user can go and mend.
    pub(crate) fn setting_in(
        place: &str,
        name: &str,
        value: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Error::setting(name, format_args!("{value} in {place}"), expected)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn with_source(mut self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    pub(crate) fn with_transience(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn with_conflict(mut self, conflict: bool) -> Self {
        self.0.conflict = conflict;
        self
    }

    pub(crate) fn with_class(mut self, class: Option<ErrorClass>) -> Self {
        self.0.class = class;
        self
    }

    /// The same error with another text.
    pub(crate) fn reworded(&self, message: String) -> Self {
        let mut error = self.clone();
        error.0.message = message;
        error
    }

    /// What the driver says of a connect that failed: [`Full`](ErrorClass::Full) tells a server that accepts no more connections
    /// from one that cannot be reached. `None` where the error is not a driver's.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        self.0.class
    }

    pub(crate) fn shared_source(&self) -> Option<Arc<dyn StdError + Send + Sync>> {
        self.0.source.clone()
    }

    /// Whether the same call may succeed later without anybody changing anything: timeouts, overload, a lack of
    /// [resources](ErrorKind::Resources), failed validation, a connection that was lost in use, and a connect that failed for a
    /// reason that passes (the server is starting, unreachable or full). False for a wrong password, an unknown database, a setting
    /// out of range, a closed pool, a hook that refused, and whatever a statement failed with. The pool itself has retried a failed
    /// connect by the setting `retry` already. A statement on a connection that was lost may have been executed, and a COMMIT may
    /// have taken place.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether the database has undone or refused a statement of an `AnyConnection` in favour of another session's: a deadlock, a
    /// failure to serialize, a lock that was waited for in vain, and on SQLite "database is locked". The same transaction, run again
    /// from its beginning, may succeed. [`is_transient`](Error::is_transient) is false for it, since the same statement alone would
    /// not do.
    ///
    /// These are PostgreSQL's 40001, 40P01 and 55P03, MySQL's and MariaDB's 1020, 1205, 1213 and 3572, and SQLite's BUSY, LOCKED and
    /// PROTOCOL. For the errors of the drivers themselves there are `postgres::is_conflict`, `mysql::is_conflict` and
    /// `sqlite::is_conflict`.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.0.conflict
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.0.kind)
            .field("message", &self.0.message);
        if let Some(source) = &self.0.source {
            // What was masked above stands in the driver's own text.
            match self.0.message.contains(MASKED) {
                true => debug.field("source", &format_args!("{NOT_SHOWN}")),
                false => debug.field("source", &source.to_string()),
            };
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// The text of an error followed by those of its sources, each text once. libpq ends its texts with a line feed, which is
/// removed because ours go on after it.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string().trim_end().to_owned();
    let mut source = error.source();
    while let Some(beneath) = source {
        let words = beneath.to_string();
        let words = words.trim_end();
        if words.contains(&text) {
            text = words.to_owned(); // SQLite's "database is locked", and beneath it "Error code 5: database is locked"
        } else if !text.contains(words) {
            text = format!("{text}: {words}");
        }
        source = beneath.source();
    }
    text
}
