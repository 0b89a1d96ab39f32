//! What is added to the text of a failed connect.

use std::sync::atomic::Ordering;

use ::mysql::{DriverError, Error as MyError};

use super::MySqlManager;
use super::classify;
use super::parameters::NAMES;
use crate::drivers::credentials::ASKED_AGAIN;
use crate::drivers::hosts::take_what_each_said;
use crate::tls::SslMode;

impl MySqlManager {
    /// Where the driver's own options hold, the driver adds Mozilla's authorities to those that are named.
    fn authorities(&self) -> String {
        let named = self.encryption.authorities();
        match self.ssl_opts_are_the_drivers {
            false => named,
            true if self.encryption.names_authorities() => {
                format!("{named} and Mozilla's root certificates")
            }
            true => "Mozilla's root certificates".to_owned(),
        }
    }

    pub(super) fn explain(&self, error: &MyError) -> Option<String> {
        let own = match self.credentials.is_some() && classify::refuses_login(error) {
            true => Some(ASKED_AGAIN.to_owned()),
            false => self.explain_encryption(error),
        };
        let all: Vec<String> = own.into_iter().chain(take_what_each_said()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn explain_encryption(&self, error: &MyError) -> Option<String> {
        if let Some(cause) = classify::tls_cause(error) {
            return Some(
                self.encryption
                    .explain(cause, NAMES.mode[0], &self.authorities()),
            );
        }
        let mode = self.encryption.mode;
        match error {
            MyError::DriverError(DriverError::TlsNotSupported) => {
                Some(self.encryption.unoffered(&NAMES))
            }
            // The server gives this one error, whatever it was that it missed.
            MyError::MySqlError(refusal)
                if refusal.code == 1045 && self.opts.get_socket().is_none() =>
            {
                match (mode, &self.encryption.identity) {
                    (SslMode::Disable, _) if self.tls.mode.is_some() => Some(format!(
                        "if the password is right, the server may refuse this user a login without TLS (ssl-mode={mode})"
                    )),
                    (SslMode::Allow | SslMode::Prefer, _) if self.had_to_be_plain.load(Ordering::Relaxed) => Some(
                        "if the password is right, the server may require TLS of this user, which it must then offer".to_owned(),
                    ),
                    // It is most likely the password, and nothing is said of certificates.
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
