//! The parameters of a URL that are about TLS.

use super::{Identity, NamedFile, Roots, SslMode, Tls};
use crate::error::Error;

/// The names that a URL's dialect has for one thing; the first is the one that errors use.
pub(crate) struct Names {
    pub(crate) mode: &'static [&'static str],
    pub(crate) modes: &'static str,
    pub(crate) roots: &'static [&'static str],
    pub(crate) certificate: &'static [&'static str],
    pub(crate) key: &'static [&'static str],
}

impl Names {
    pub(crate) fn have(&self, key: &str) -> bool {
        [self.mode, self.roots, self.certificate, self.key]
            .iter()
            .any(|names| names.contains(&key))
    }
}

impl Tls {
    /// From the parameters that `names` have, decoded.
    ///
    /// # Errors
    /// Settings for a mode that is none, one thing said twice in different words, and half of a certificate with its key.
    pub(crate) fn from_parameters(
        parameters: &[(String, String)],
        names: &Names,
    ) -> Result<Self, Error> {
        let mode = match one(parameters, names.mode)? {
            None => None,
            Some((key, word)) => match SslMode::from_word(word) {
                Some(mode) => Some(mode),
                None => {
                    return Err(Error::setting(
                        key,
                        word,
                        format_args!("one of {}", names.modes),
                    ));
                }
            },
        };
        let roots = match one(parameters, names.roots)? {
            None => None,
            Some((key, "system")) => Some(Roots::System {
                name: key.to_owned(),
            }),
            Some((key, file)) => Some(Roots::File(named(key, file)?)),
        };
        let certificate = one(parameters, names.certificate)?;
        let key = one(parameters, names.key)?;
        let identity = match (certificate, key) {
            (Some((name, certificate)), Some((key_name, key))) => Some(Identity {
                certificate: named(name, certificate)?,
                key: named(key_name, key)?,
            }),
            (Some((name, file)), None) => {
                let wanted = names.key[0];
                return Err(Error::setting(
                    name,
                    file,
                    format_args!("it needs {wanted} beside it"),
                ));
            }
            (None, Some((name, file))) => {
                let wanted = names.certificate[0];
                return Err(Error::setting(
                    name,
                    file,
                    format_args!("it needs {wanted} beside it"),
                ));
            }
            (None, None) => None,
        };
        Ok(Tls {
            mode,
            roots,
            identity,
        })
    }
}

/// The parameter of one of these names; the same said twice is once.
fn one<'a>(
    parameters: &'a [(String, String)],
    names: &[&str],
) -> Result<Option<(&'a str, &'a str)>, Error> {
    let mut found = parameters
        .iter()
        .filter(|(key, _)| names.contains(&key.as_str()));
    let Some((key, value)) = found.next() else {
        return Ok(None);
    };
    match found.find(|(_, other)| other != value) {
        Some((other_key, other)) => Err(Error::setting(
            other_key,
            other,
            format_args!("{key} = {value} stands beside it; leave one of them"),
        )),
        None => Ok(Some((key, value))),
    }
}

fn named(key: &str, file: &str) -> Result<NamedFile, Error> {
    match file.is_empty() {
        true => Err(Error::setting(key, "(nothing)", "the path of a PEM file")),
        false => Ok(NamedFile::new(key, file)),
    }
}
