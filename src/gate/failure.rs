//! Why an attempt to connect brought no connection.

use std::any::Any;
use std::sync::Arc;

use crate::base::panics::{text, words};
use crate::contract::hooks::HookFailure;
use crate::error::{Error, ErrorKind};

/// Why an attempt brought no connection.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the retry policy applies.
    pub(crate) transient: bool,
    /// A connect hook's panic, to be resumed in the caller.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    /// How many connects had succeeded by then: after another success nobody sleeps.
    pub(crate) successes: u64,
}

impl Failure {
    pub(crate) fn new(error: Error, transient: bool) -> Self {
        Failure {
            error,
            transient,
            panic: None,
            successes: 0,
        }
    }

    pub(crate) fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure::new(Error::new(kind, message), false)
    }

    pub(crate) fn panicked(said: &str) -> Self {
        let message = format!("the driver panicked while connecting: {said}");
        Failure::permanent(ErrorKind::Connect, message)
    }

    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Failure::new(Error::new(ErrorKind::Connect, message), true)
    }

    pub(crate) fn of_hook(hook: &str, failure: HookFailure) -> Self {
        match failure {
            HookFailure::Refused(source) => {
                let words = text(&*source);
                let message = format!("the {hook} hook refused the connection: {words}");
                let error = Error::new(ErrorKind::Hook, message).with_source(Arc::from(source));
                Failure::new(error, false)
            }
            HookFailure::Panicked(panic) => {
                let message = format!("the {hook} hook panicked: {}", words(&*panic));
                Failure {
                    panic: Some(panic),
                    ..Failure::permanent(ErrorKind::Hook, message)
                }
            }
        }
    }
}
