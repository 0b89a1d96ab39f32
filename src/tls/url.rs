//! The parameters of a URL that concern TLS.

use std::fmt;

use super::{Identity, NamedFile, Roots, SslMode, Tls};
use crate::error::{Error, URL};

/// The names that one driver's URLs have for each parameter. Errors use the first of them.
pub(crate) struct Names {
    pub(crate) mode: &'static [&'static str],
    /// The words for the modes, for errors.
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
    /// From those parameters that are in `names`. They are percent-decoded.
    ///
    /// # Errors
    /// Settings for an unknown mode, for a parameter given twice with different values, and for a certificate without its key or
    /// a key without its certificate.
    pub(crate) fn from_parameters(
        parameters: &[(String, String)],
        names: &Names,
    ) -> Result<Self, Error> {
        let mode = match one(parameters, names.mode)? {
            None => None,
            Some((key, word)) => match SslMode::from_word(word) {
                Some(mode) => Some(mode),
                None => {
                    return Err(in_url(key, word, format_args!("one of {}", names.modes)));
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
                return Err(in_url(
                    name,
                    file,
                    format_args!("{} beside it, the key of this certificate", names.key[0]),
                ));
            }
            (None, Some((name, file))) => {
                return Err(in_url(
                    name,
                    file,
                    format_args!(
                        "{} beside it, the certificate of this key",
                        names.certificate[0]
                    ),
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

/// The parameter that has one of these names. Given twice with the same value, it counts once.
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
        Some((other_key, other)) => Err(in_url(
            other_key,
            other,
            format_args!("the same value as {key} {value:?}, or only one of the two"),
        )),
        None => Ok(Some((key, value))),
    }
}

fn named(key: &str, file: &str) -> Result<NamedFile, Error> {
    match file.is_empty() {
        true => Err(in_url(key, file, "the path of a PEM file")),
        false => Ok(NamedFile {
            place: Some(URL),
            ..NamedFile::new(key, file)
        }),
    }
}

fn in_url(key: &str, value: &str, expected: impl fmt::Display) -> Error {
    Error::setting_in(URL, key, format_args!("{value:?}"), expected)
}
