//! For an error of TLS: which side refused what.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::{Encryption, SslMode, Verification};

/// rustls' own error, wherever it is among the sources of a driver's error.
pub(crate) fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error skips the error that it holds: its source is the source of that.
        let held = error.downcast_ref().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// Whether one of the two sides refused the other or its certificate. False for what goes wrong once a connection is
/// established.
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

/// Whether the alert is about the client's certificate, or the lack of one.
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

/// What some other alerts mean, in words.
fn said_by(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::ProtocolVersion => Some("it does not speak TLS 1.2 or 1.3"),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => Some(
            "the two sides have no cipher suite or signature algorithm in common; the kind of key in its certificate may be \
             unknown here",
        ),
        _ => None,
    }
}

impl Encryption {
    /// `parameter` is the name of the mode in this driver's URLs, and `authorities` says who is trusted.
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
            _ => "this side gave up the TLS handshake".to_owned(),
        };
        match mode {
            SslMode::Allow | SslMode::Prefer => {
                format!(
                    "{refusal}; with {parameter}={mode} a plain login would do, but the server refused that too"
                )
            }
            _ => refusal,
        }
    }

    fn why_it_was_looked_at(&self, parameter: &str, authorities: &str) -> String {
        match self.verification() {
            Verification::Nothing if self.channel_binding => {
                "to which channel_binding binds the login".to_owned()
            }
            Verification::Nothing => "whose key the server did not prove to hold".to_owned(),
            Verification::Chain | Verification::ChainAndName => format!(
                "which {parameter}={} checks against {authorities}",
                self.mode
            ),
        }
    }
}

fn advice(reason: &CertificateError) -> &'static str {
    let CertificateError::Other(other) = reason else {
        return match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "; only names in its subjectAltName count"
            }
            _ => "",
        };
    };
    match other.to_string().as_str() {
        "UnsupportedCertVersion" => {
            "; it must be of X.509 version 3, with the host name in its subjectAltName"
        }
        "CaUsedAsEndEntity" => {
            "; it is marked as an authority's (CA:TRUE), which a server's must not be"
        }
        _ => "",
    }
}
