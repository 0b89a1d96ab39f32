//! Which side refused what, for an error in which TLS failed.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::{Encryption, SslMode, Verification};

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

/// Whether one of the two sides did not like the other, or its certificate; not so for what goes wrong on a connection that
/// stands.
pub(crate) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::AlertReceived(alert) => client_is_blamed(*alert) || said_by(*alert).is_some(),
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::UnsupportedNameType
        | Error::PeerIncompatible(_) => true,
        _ => false,
    }
}

/// For what an alert says of the client's certificate, or of the lack of one.
fn client_is_blamed(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::AccessDenied
    )
}

/// For what other alerts say, in words.
fn said_by(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::ProtocolVersion => Some("it does not speak TLS 1.2 or 1.3"),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => Some(
            "the two sides have no cipher or signature in common; a key of its certificate's kind may be unknown here",
        ),
        _ => None,
    }
}

impl Encryption {
    /// `parameter` is the mode's name in this driver's URLs, `authorities` whom it trusts.
    pub(crate) fn explain(&self, error: &Error, parameter: &str, authorities: &str) -> String {
        let mode = self.mode;
        let refusal = match error {
            Error::InvalidCertificate(reason) => format!(
                "this side refused the server's certificate, {}{}",
                self.why_it_was_looked_at(parameter, authorities),
                advice(reason)
            ),
            Error::AlertReceived(alert) if client_is_blamed(*alert) => match &self.identity {
                None => "the server refused the TLS handshake; it may ask for a client certificate"
                    .into(),
                Some(_) => {
                    "the server refused the TLS handshake; it may not trust the client certificate"
                        .into()
                }
            },
            Error::AlertReceived(alert) => format!(
                "the server refused the TLS handshake{}",
                said_by(*alert)
                    .map(|words| format!("; {words}"))
                    .unwrap_or_default()
            ),
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

    fn why_it_was_looked_at(&self, parameter: &str, authorities: &str) -> String {
        match self.verification() {
            Verification::Nothing if self.channel_binding => {
                "to which channel_binding ties the login".to_owned()
            }
            Verification::Nothing => "whose key the server did not prove to have".to_owned(),
            Verification::Chain | Verification::ChainAndName => format!(
                "which {parameter}={} has checked against {authorities}",
                self.mode
            ),
        }
    }
}

fn advice(reason: &CertificateError) -> &'static str {
    let CertificateError::Other(other) = reason else {
        return match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "; names count only as subjectAltName"
            }
            _ => "",
        };
    };
    match other.to_string().as_str() {
        "UnsupportedCertVersion" => {
            "; it must be of X.509 version 3, with the host's name as subjectAltName"
        }
        "CaUsedAsEndEntity" => {
            "; it is marked as an authority's (CA:TRUE), and as a server's it must not be"
        }
        _ => "",
    }
}
