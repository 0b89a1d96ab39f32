//! What PostgreSQL's errors mean for the connection and for trying again.

use std::io;

use ::postgres::Error as PgError;
use ::postgres::error::Severity;

use crate::driver::ErrorClass;

/// tokio-postgres' words for all that goes wrong with TLS before the login.
pub(super) const TLS_FAILED: &str = "error performing TLS handshake";
/// PgBouncer's whole message with `client_tls_sslmode = require`.
pub(super) const BOUNCER_WANTS_TLS: &str = "SSL required";

pub(super) fn classify(error: &PgError) -> ErrorClass {
    if let Some(refusal) = error.as_db_error() {
        let ends_the_session = match refusal.parsed_severity() {
            Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
            // PgBouncer does not send the untranslated field.
            None => matches!(refusal.severity(), "FATAL" | "PANIC"),
        };
        return match refusal.code().code() {
            "08P01" if is_bouncers_refusal(refusal.message()) => ErrorClass::Permanent,
            state => classify_state(state, ends_the_session),
        };
    }
    if error.is_closed() {
        return ErrorClass::Lost;
    }
    // The driver does not tell its kinds of errors apart in any other way.
    match error.to_string().as_str() {
        "timeout waiting for server" => ErrorClass::Transient,
        "error connecting to server" => match io_cause(error) {
            // From target_session_attrs: the primary is elsewhere, for now.
            Some(cause) if cause.raw_os_error().is_none() => ErrorClass::Transient,
            Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied => ErrorClass::Permanent,
            _ => ErrorClass::Lost,
        },
        // Also after the handshake: TLS 1.3 ends for the client before the server has looked at the client's certificate.
        _ if crate::tls::cause(error).is_some_and(crate::tls::is_refusal) => ErrorClass::Permanent,
        // The connection ended during the handshake; "server does not support TLS" is no such thing, nor is a host's
        // name that cannot be one.
        TLS_FAILED
            if io_cause(error).is_some_and(|cause| cause.kind() != io::ErrorKind::InvalidInput) =>
        {
            ErrorClass::Lost
        }
        "error communicating with the server"
        | "error parsing response from server"
        | "unexpected message from server" => ErrorClass::Lost,
        "invalid configuration"
        | "invalid connection string"
        | "authentication error"
        | TLS_FAILED => ErrorClass::Permanent,
        _ => ErrorClass::Statement,
    }
}

/// PgBouncer sends "protocol violation" for nearly all that it has to say, a wrong password included.
fn is_bouncers_refusal(message: &str) -> bool {
    [
        "authentication failed",
        "no such ",
        "unsupported startup parameter",
        BOUNCER_WANTS_TLS,
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn classify_state(state: &str, ends_the_session: bool) -> ErrorClass {
    match state {
        // Killed by an administrator, by a crash, by an idle limit or with its database.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => ErrorClass::Lost,
        "57P03" => ErrorClass::Transient,
        _ if state.starts_with("08") => ErrorClass::Lost,
        _ if !ends_the_session => ErrorClass::Statement,
        // Too many connections, out of memory. As a mere error it is a statement's (a full disk).
        _ if state.starts_with("53") => ErrorClass::Transient,
        _ if state.starts_with("58") || state.starts_with("XX") => ErrorClass::Lost,
        // Password, database, permission, options: what a login can be refused for.
        _ => ErrorClass::Permanent,
    }
}

fn io_cause(error: &PgError) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref())
}
