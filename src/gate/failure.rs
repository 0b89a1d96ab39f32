//! Why an attempt to connect brought no connection.

use std::sync::Arc;

use crate::base::panics::{Panic, text};
use crate::contract::error_class::ErrorClass;
use crate::contract::hooks::HookFailure;
use crate::error::{Error, ErrorKind};

/// Why an attempt brought no connection.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the retry policy applies.
    pub(crate) transient: bool,
    /// A connect hook's panic, to be resumed in the caller.
    pub(crate) panic: Option<Panic>,
    /// How many connects had succeeded by then: after another success nobody sleeps.
    pub(crate) successes: u64,
}

impl Failure {
    pub(crate) fn new(error: Error, transient: bool) -> Self {
        Failure {
            error: error.with_transience(transient),
            transient,
            panic: None,
            successes: 0,
        }
    }

    /// The same, for another caller. A panic is resumed in one of them only.
    pub(super) fn repeated(&self) -> Self {
        Failure {
            error: self.error.clone(),
            transient: self.transient,
            panic: None,
            successes: self.successes,
        }
    }

    /// The caller's answer, although the same call may succeed later.
    pub(super) fn final_of(error: Error) -> Self {
        let mut failure = Failure::new(error, true);
        failure.transient = false;
        failure
    }

    /// The server's answer: it accepts no more connections.
    pub(super) fn is_full(&self) -> bool {
        self.error.class() == Some(ErrorClass::Full)
    }

    /// The server's answer: it will not let this pool in.
    pub(super) fn is_refusal(&self) -> bool {
        self.error.class() == Some(ErrorClass::Permanent)
    }

    pub(crate) fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure::new(Error::new(kind, message), false)
    }

    /// Worth another attempt.
    pub(crate) fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure::new(Error::new(kind, message), true)
    }

    pub(crate) fn panicked(said: &str) -> Self {
        let message = format!("the driver panicked while connecting: {said}");
        Failure::permanent(ErrorKind::Connect, message)
    }

    /// The machine has no more of what it takes.
    pub(crate) fn of_resources(message: impl Into<String>) -> Self {
        Failure::new(Error::new(ErrorKind::Resources, message), true)
    }

    /// `mask` takes out of a text what nobody may read.
    pub(crate) fn of_hook(
        hook: &str,
        failure: HookFailure,
        mask: impl FnOnce(String) -> String,
    ) -> Self {
        match failure {
            HookFailure::Refused(source) => {
                let source = source.into_inner();
                let words = mask(text(&*source));
                let message = format!("the {hook} hook refused the connection: {words}");
                let error = Error::new(ErrorKind::Hook, message).with_source(Arc::from(source));
                Failure::new(error, false)
            }
            HookFailure::Panicked(panic) => {
                let words = mask(panic.words().to_owned());
                let message = format!("the {hook} hook panicked: {words}");
                Failure {
                    panic: Some(panic),
                    ..Failure::permanent(ErrorKind::Hook, message)
                }
            }
        }
    }
}
