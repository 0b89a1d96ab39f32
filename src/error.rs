//! The one error type: what kind of failure, in words with the evidence, and the driver's own error beneath.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What went wrong, in a form to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The deadline passed while waiting at capacity, while draining in [`close`](crate::Pool::close), or in
    /// [`warm_up`](crate::Pool::warm_up).
    Timeout,
    /// A connection could not be opened, or not before the deadline; from an `AnyConnection`: it was lost in use.
    /// [`source`](StdError::source) is the driver's own error where it gave one.
    Connect,
    /// Connections failed their test `max_validation_failures` times in a row within one checkout, or until its deadline.
    Validation,
    /// This machine has no more of what the call needs: no thread could be started. The database was not asked.
    Resources,
    /// The pool is closed.
    Closed,
    /// As many callers wait as the setting [`max_waiting`](crate::Settings#structfield.max_waiting) admits.
    Overloaded,
    /// A setting, a URL or an environment variable is out of range or malformed.
    Settings,
    /// A hook refused or failed.
    Hook,
    /// The database refused a statement that ran on a healthy connection.
    Statement,
    /// The call cannot work here: from inside a hook of the same pool, on an async runtime's thread, in a forked child, or
    /// with this driver.
    Unsupported,
}

/// The error of every fallible call of this crate.
///
/// Match on [`kind`](Error::kind); print it for the whole story; reach the driver's own error through
/// [`source`](StdError::source) and `downcast_ref`. It never contains a password.
#[derive(Clone)]
pub struct Error(Box<Shared>);

#[derive(Clone)]
struct Shared {
    kind: ErrorKind,
    message: String,
    transient: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
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
                | ErrorKind::Settings
                | ErrorKind::Hook
                | ErrorKind::Statement
                | ErrorKind::Unsupported => false,
            },
            source: None,
        }))
    }

    /// An [`ErrorKind::Settings`] that names the setting, the value it had, and what would be accepted.
    pub(crate) fn setting(
        name: &str,
        value: impl fmt::Display,
        accepted: impl fmt::Display,
    ) -> Self {
        Error::new(
            ErrorKind::Settings,
            format!("{name} = {value} is not accepted: {accepted}"),
        )
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

    pub(crate) fn shared_source(&self) -> Option<Arc<dyn StdError + Send + Sync>> {
        self.0.source.clone()
    }

    /// Whether the same call may succeed later without anybody changing anything: timeouts, overload, a lack of
    /// [resources](ErrorKind::Resources), failed validation, and a connect that failed for a reason that passes (the server is
    /// starting, unreachable or full). False for a wrong password, an unknown database, a setting out of range, a closed pool, a hook
    /// that refused, and whatever a statement failed with. The pool itself has retried a failed connect by the setting `retry`
    /// already.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
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
            debug.field("source", &source.to_string());
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

/// An error with what lies beneath it, each text once. libpq ends its own with a line feed, and ours goes on.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string().trim_end().to_owned();
    let mut source = error.source();
    while let Some(beneath) = source {
        let words = beneath.to_string();
        let words = words.trim_end();
        if !text.contains(words) {
            text = format!("{text}: {words}");
        }
        source = beneath.source();
    }
    text
}
