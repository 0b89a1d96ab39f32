//! What stands for rustls in a build without it.

use std::error::Error as StdError;

use super::Encryption;

/// An error that does not occur.
pub(crate) enum Never {}

pub(crate) fn cause<'a>(_: &'a (dyn StdError + 'static)) -> Option<&'a Never> {
    None
}

pub(crate) fn is_refusal(error: &Never) -> bool {
    match *error {}
}

impl Encryption {
    pub(crate) fn explain(&self, error: &Never, _: &str, _: &str) -> String {
        match *error {}
    }
}
