//! What is done with other people's panics.

use std::any::Any;
use std::error::Error;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::chain;

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

/// Something that somebody else wrote: should its drop panic, that ends here.
pub(crate) struct Foreign<T>(Option<T>);

/// A panic of somebody else's code, caught.
pub(crate) type Panic = Foreign<Box<dyn Any + Send>>;

impl<T> Foreign<T> {
    pub(crate) fn new(what: T) -> Self {
        Foreign(Some(what))
    }

    pub(crate) fn get(&self) -> &T {
        self.0.as_ref().expect("bug: it was taken out")
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("bug: it was taken out")
    }
}

impl<T> Drop for Foreign<T> {
    fn drop(&mut self) {
        if let Some(what) = self.0.take() {
            let_go(what);
        }
    }
}

impl Panic {
    /// What it said.
    pub(crate) fn words(&self) -> &str {
        words(&**self.get())
    }

    /// Goes on with it on this thread.
    pub(crate) fn resume(self) -> ! {
        resume_unwind(self.into_inner())
    }
}

/// Runs somebody else's code, and keeps its panic.
pub(crate) fn keep_panic<T>(run: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(Foreign::new)
}

/// Runs somebody else's code; where it panics, what it said.
#[inline]
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    keep_panic(run).map_err(|panic| panic.words().to_owned())
}

/// Drops what somebody else wrote, whose drop may panic.
pub(crate) fn let_go(what: impl Sized) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(what))) {
        // Its own drop may be no better.
        mem::forget(panic);
    }
}

/// What somebody else's error says, and those beneath it, which may panic instead.
pub(crate) fn text(error: &(dyn Error + 'static)) -> String {
    catch(|| chain(error)).unwrap_or_else(|said| format!("an error that panics: {said}"))
}
