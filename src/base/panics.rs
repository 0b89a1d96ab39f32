//! What is done with other people's panics.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

/// Runs somebody else's code; where it panics, what it said.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let said = words(&*panic).to_owned();
        let_go(panic);
        said
    })
}

/// Drops what somebody else wrote, whose drop may panic.
pub(crate) fn let_go(what: impl Sized) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(what))) {
        // Its own drop may be no better.
        mem::forget(panic);
    }
}

/// What somebody else's error says, which may panic instead.
pub(crate) fn text(error: &(impl fmt::Display + ?Sized)) -> String {
    catch(|| error.to_string()).unwrap_or_else(|said| format!("an error that panics: {said}"))
}
