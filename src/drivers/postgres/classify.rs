//! What PostgreSQL's errors mean for the connection, for the others and for trying again.
//!
//! Answers are queued by request: one that nobody reads to its end, after a time-out at the client or by a reader that was dropped,
//! is thrown away before the next request is answered, and nobody is given another's. So such a connection is sound. Two things
//! are Owed at the client: an answer that the driver does not understand ([`NOT_UNDERSTOOD`]), and one too many, which each
//! return asks for ([`super::proof`]).

use std::io;

use ::postgres::Error as PgError;
use ::postgres::error::{DbError, Severity};

use super::proof::is_another_answer;
use crate::contract::error_class::{ErrorClass, Extent};

/// tokio-postgres' words when an answer is not of the kind that it asked for. After `COPY … FROM STDIN` as a plain statement, for
/// example, the server waits for data that nobody will send, and takes whatever comes next for it.
const NOT_UNDERSTOOD: [&str; 2] = [
    "unexpected message from server",
    "error parsing response from server",
];

/// tokio-postgres' words for all that goes wrong with TLS before the login.
pub(super) const TLS_FAILED: &str = "error performing TLS handshake";
/// PgBouncer's whole message with `client_tls_sslmode = require`.
pub(super) const BOUNCER_WANTS_TLS: &str = "SSL required";

pub(super) fn classify(error: &PgError) -> ErrorClass {
    if let Some(refusal) = error.as_db_error() {
        return match refusal.code().code() {
            "08P01" if is_bouncers_refusal(refusal.message()) => ErrorClass::Permanent,
            state => classify_state(state, ends_the_session(refusal)),
        };
    }
    if error.is_closed() {
        return ErrorClass::Lost;
    }
    if is_another_answer(error) {
        return ErrorClass::Owed;
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
        "error communicating with the server" => ErrorClass::Lost,
        words if NOT_UNDERSTOOD.contains(&words) => ErrorClass::Owed,
        "invalid configuration"
        | "invalid connection string"
        | "authentication error"
        | TLS_FAILED => ErrorClass::Permanent,
        _ => ErrorClass::Statement,
    }
}

/// How far an error of class Lost reaches.
pub(super) fn extent(error: &PgError) -> Extent {
    let Some(refusal) = error.as_db_error() else {
        // The end of the stream, a reset, no route any more.
        return Extent::Server;
    };
    if is(refusal, Severity::Panic, "PANIC") {
        return Extent::Server;
    }
    match refusal.code().code() {
        "08P01" if is_bouncers_limit(refusal.message()) => Extent::Session,
        state => extent_of_state(state),
    }
}

fn extent_of_state(state: &str) -> Extent {
    match state {
        // A limit of this session's own: idle in a transaction, the whole transaction, idle.
        "25P03" | "25P04" | "57P05" => Extent::Session,
        // On a standby: it stood in the way of what the primary has sent.
        _ if state.starts_with("40") => Extent::Session,
        // A crash ends all sessions.
        "57P02" => Extent::Server,
        // The database was dropped, and all of a pool's connections lead to the same one.
        "57P04" => Extent::Server,
        // 57P01 above all, which an administrator's pg_terminate_backend and an orderly shutdown say alike.
        _ => Extent::Unclear,
    }
}

/// Whether a validation_query was refused for what it says, or for who asks it.
pub(super) fn refuses_query(error: &PgError) -> bool {
    error.as_db_error().is_some_and(|refusal| {
        !ends_the_session(refusal) && is_about_the_statement(refusal.code().code())
    })
}

/// A syntax error, an unknown object or a missing permission (42); an unknown schema, database, prepared statement or cursor;
/// something that this server does not do. What a statement finds in its data is not among them: people divide by zero to
/// have a connection closed.
fn is_about_the_statement(state: &str) -> bool {
    state.starts_with("42") || matches!(state, "3F000" | "3D000" | "26000" | "34000" | "0A000")
}

fn ends_the_session(refusal: &DbError) -> bool {
    is(refusal, Severity::Fatal, "FATAL") || is(refusal, Severity::Panic, "PANIC")
}

fn is(refusal: &DbError, severity: Severity, word: &str) -> bool {
    match refusal.parsed_severity() {
        Some(parsed) => parsed == severity,
        // PgBouncer does not send the untranslated field.
        None => refusal.severity() == word,
    }
}

/// PgBouncer ends the connection of one client, by a limit that is set for it.
fn is_bouncers_limit(message: &str) -> bool {
    [
        "query_wait_timeout",
        "query timeout",
        "client_idle_timeout",
        "idle transaction timeout",
    ]
    .iter()
    .any(|text| message.contains(text))
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
        // authentication_timeout: the login took too long, this time.
        "57014" if ends_the_session => ErrorClass::Transient,
        // A standby ends a session that stands in the way of what the primary has sent.
        _ if ends_the_session && state.starts_with("40") => ErrorClass::Lost,
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

#[cfg(test)]
mod tests {
    use super::{classify_state, extent_of_state, is_about_the_statement, is_bouncers_limit};
    use crate::contract::error_class::{ErrorClass, Extent};

    #[test]
    fn what_a_server_refuses_in_a_sessions_life_says_nothing_of_the_connection() {
        // Time-outs, cancels, locks, deadlocks, serialization, a full disk, a read-only server.
        for state in [
            "57014", "55P03", "40001", "40P01", "53100", "25006", "22012", "42P01", "XX000",
        ] {
            assert_eq!(
                classify_state(state, false),
                ErrorClass::Statement,
                "{state}"
            );
        }
    }

    #[test]
    fn a_session_that_was_ended_is_lost_and_says_how_far_that_reaches() {
        for (state, extent) in [
            ("25P03", Extent::Session),
            ("25P04", Extent::Session),
            ("57P05", Extent::Session),
            ("40001", Extent::Session),
            ("57P02", Extent::Server),
            ("57P04", Extent::Server),
            ("57P01", Extent::Unclear),
            ("08006", Extent::Unclear),
            ("XX000", Extent::Unclear),
        ] {
            assert_eq!(classify_state(state, true), ErrorClass::Lost, "{state}");
            assert_eq!(extent_of_state(state), extent, "{state}");
        }
    }

    #[test]
    fn a_login_that_took_too_long_is_worth_another_attempt() {
        assert_eq!(classify_state("57014", true), ErrorClass::Transient);
    }

    #[test]
    fn a_query_is_refused_for_what_it_says_and_not_for_what_it_finds() {
        for state in [
            "42601", "42P01", "42501", "42883", "3F000", "3D000", "26000", "34000", "0A000",
        ] {
            assert!(is_about_the_statement(state), "{state}");
        }
        for state in [
            "22012", "25006", "25P02", "57014", "53100", "XX000", "P0001",
        ] {
            assert!(!is_about_the_statement(state), "{state}");
        }
    }

    #[test]
    fn pgbouncers_limits_are_known_by_their_words() {
        assert!(is_bouncers_limit("query_wait_timeout"));
        assert!(!is_bouncers_limit("server conn crashed?"));
    }
}
