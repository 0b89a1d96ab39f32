//! Takes the place of rustls in a build without TLS.

use std::error::Error as StdError;

use super::Encryption;

/// The error of rustls, which cannot occur here.
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
