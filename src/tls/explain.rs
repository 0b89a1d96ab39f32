//! Which side refused what, for an error in which TLS failed.

use std::error::Error as StdError;
use std::io;

use rustls::{CertificateError, Error};

use super::{Encryption, Roots, SslMode};

/// rustls' own error, wherever it lies beneath a driver's.
pub(crate) fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error's source is that of what it holds.
        let held = error.downcast_ref().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

impl Encryption {
    /// `parameter` is the mode's name in this driver's URLs.
    pub(crate) fn explain(&self, error: &Error, parameter: &str) -> String {
        let mode = self.mode;
        let trusted = match &self.roots {
            Some(Roots::File(path)) => path.display().to_string(),
            Some(Roots::System) | None => "the system's root certificates".to_owned(),
        };
        let refusal = match error {
            Error::InvalidCertificate(reason) => format!(
                "this side refused the server's certificate, which {parameter}={mode} has checked against {trusted}{}",
                advice(reason)
            ),
            Error::AlertReceived(_) if self.identity.is_none() => {
                "the server refused the TLS handshake; it may ask for a client certificate"
                    .to_owned()
            }
            Error::AlertReceived(_) => {
                "the server refused the TLS handshake; it may not trust the client certificate"
                    .to_owned()
            }
            _ => "this side gave the TLS handshake up".to_owned(),
        };
        match mode {
            SslMode::Allow | SslMode::Prefer => {
                format!(
                    "{refusal}; {parameter}={mode} would do with a plain login, which the server refused too"
                )
            }
            _ => refusal,
        }
    }
}

fn advice(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion" => {
            "; it must be of X.509 version 3, with the host's name as subjectAltName"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "; names count only as subjectAltName"
        }
        _ => "",
    }
}
