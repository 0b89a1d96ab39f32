//! Everything that this crate logs goes through here: a logger is users' code, and a panic in it ends here.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::base::panics::let_go;

/// Logs a line: `say!(Warn, &self.target, "{count} of {all}")`.
macro_rules! say {
    ($level:ident, $target:expr, $($words:tt)+) => {
        $crate::base::log::write(::log::Level::$level, $target, format_args!($($words)+))
    };
}
pub(crate) use say;

/// Formats the words, which may be other people's code too, only if somebody listens.
pub(crate) fn write(level: log::Level, target: &str, words: fmt::Arguments<'_>) {
    if level > log::max_level() {
        return;
    }
    let written = catch_unwind(AssertUnwindSafe(
        || log::log!(target: target, level, "{words}"),
    ));
    if let Err(panic) = written {
        let_go(panic);
    }
}
