//! Numbers with the words that follow them.

use std::fmt::{self, Display};

/// `1 caller waits`, and of any other number `2 callers wait`.
pub(crate) fn counted<N>(number: N, one: &'static str, more: &'static str) -> Counted<N> {
    Counted { number, one, more }
}

pub(crate) struct Counted<N> {
    number: N,
    one: &'static str,
    more: &'static str,
}

impl<N: Display + PartialEq + From<u8>> Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.number == N::from(1) {
            true => self.one,
            false => self.more,
        };
        write!(f, "{} {words}", self.number)
    }
}
