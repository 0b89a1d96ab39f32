//! What PostgreSQL's errors mean for the connection, for the other connections and for trying again.
//!
//! The driver queues answers by request. If nobody reads an answer to its end, after a timeout at the client or because the
//! reader was dropped, the driver discards the rest before it answers the next request, and nobody is given another's answer. So
//! such a connection is sound. Two things are of class Owed: an answer that the driver does not understand ([`NOT_UNDERSTOOD`]),
//! and an answer too many, for which each return checks ([`super::proof`]).

use std::io;

use ::postgres::Error as PgError;
use ::postgres::error::{DbError, Severity};

use super::hosts::wrong_role;
use super::proof::is_another_answer;
use crate::contract::error_class::{ErrorClass, Extent};

/// tokio-postgres' texts for an answer that is not of the kind that it asked for. After a `COPY … FROM STDIN` as a plain
/// statement, for example, the server waits for data that nobody will send, and takes whatever comes next for that data.
const NOT_UNDERSTOOD: [&str; 2] = [
    "unexpected message from server",
    "error parsing response from server",
];

/// tokio-postgres' text for everything that goes wrong with TLS before the login.
pub(super) const TLS_FAILED: &str = "error performing TLS handshake";
/// PgBouncer's whole message with `client_tls_sslmode = require`.
pub(super) const BOUNCER_WANTS_TLS: &str = "SSL required";

/// PgBouncer's words where it has as many clients as its max_client_conn.
const BOUNCER_IS_FULL: &str = "no more connections allowed";

/// Whether the server has undone or refused a statement in favour of another session's: 40001 (it could not be serialized), 40P01
/// (a deadlock) and 55P03 (a lock was not to be had within lock_timeout, or at once with NOWAIT). Roll the transaction back and run
/// it again from its beginning. [`Error::is_conflict`](crate::Error::is_conflict) says the same of the errors of a
/// [`Database`](crate::Database).
#[must_use]
pub fn is_conflict(error: &PgError) -> bool {
    let codes = ["40001", "40P01", "55P03"];
    error
        .code()
        .is_some_and(|code| codes.contains(&code.code()))
}

pub(super) fn classify(error: &PgError) -> ErrorClass {
    if let Some(refusal) = error.as_db_error() {
        return match refusal.code().code() {
            "08P01" if is_bouncers_refusal(refusal.message()) => ErrorClass::Permanent,
            "08P01" if refusal.message().contains(BOUNCER_IS_FULL) => ErrorClass::Full,
            // A statement was given too few parameters. The text is translated, the name of the function is not.
            "08P01" if refusal.routine() == Some("exec_bind_message") => ErrorClass::Statement,
            state => classify_state(state, ends_the_session(refusal)),
        };
    }
    if error.is_closed() {
        return ErrorClass::Lost;
    }
    if is_another_answer(error) {
        return ErrorClass::Owed;
    }
    // For now, what was asked for is elsewhere.
    if wrong_role(error).is_some() {
        return ErrorClass::Transient;
    }
    // The text is the only thing that distinguishes the driver's kinds of errors.
    match error.to_string().as_str() {
        "timeout waiting for server" => ErrorClass::Transient,
        "error connecting to server" => match io_cause(error) {
            // The name cannot be looked up.
            Some(cause) if cause.raw_os_error().is_none() => ErrorClass::Transient,
            Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied => ErrorClass::Permanent,
            _ => ErrorClass::Lost,
        },
        // This can also come after the handshake: with TLS 1.3 the client has finished before the server has checked the client's
        // certificate.
        _ if crate::tls::cause(error).is_some_and(crate::tls::is_refusal) => ErrorClass::Permanent,
        // The connection ended during the handshake. "server does not support TLS" and an invalid host name do not belong here.
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
        // The end of the stream, a reset by the peer, or no route any more.
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
        // A limit of this one session: idle in a transaction, the length of a transaction, idle.
        "25P03" | "25P04" | "57P05" => Extent::Session,
        // On a standby: the session was in the way of what the primary had sent.
        _ if state.starts_with("40") => Extent::Session,
        // A crash ends all sessions.
        "57P02" => Extent::Server,
        // The database was dropped, and all of a pool's connections lead to the same one.
        "57P04" => Extent::Server,
        // Mostly 57P01, which the server sends both for an administrator's pg_terminate_backend and for an orderly shutdown.
        _ => Extent::Unclear,
    }
}

/// Whether a validation_query was refused for what it says, or for who runs it.
pub(super) fn refuses_query(error: &PgError) -> bool {
    error.as_db_error().is_some_and(|refusal| {
        !ends_the_session(refusal) && is_about_the_statement(refusal.code().code())
    })
}

/// Whether a login was refused for its user or password, so that others may be let in. PgBouncer has no code of its own for that.
pub(super) fn refuses_login(error: &PgError) -> bool {
    error.as_db_error().is_some_and(|refusal| {
        ["28P01", "28000"].contains(&refusal.code().code())
            || ends_the_session(refusal) && refusal.message().contains("authentication failed")
    })
}

/// Whether the server has refused a statement, and nothing else is wrong.
pub(super) fn is_of_statement(error: &PgError) -> bool {
    error
        .as_db_error()
        .is_some_and(|refusal| !ends_the_session(refusal))
        && classify(error) == ErrorClass::Statement
}

/// A syntax error, an unknown object or a missing permission (42); an unknown schema, database, prepared statement or cursor;
/// a feature that this server does not support. What a statement finds in its data is not among them, since people divide by
/// zero in a validation_query to have a connection closed.
fn is_about_the_statement(state: &str) -> bool {
    state.starts_with("42") || matches!(state, "3F000" | "3D000" | "26000" | "34000" | "0A000")
}

fn ends_the_session(refusal: &DbError) -> bool {
    is(refusal, Severity::Fatal, "FATAL") || is(refusal, Severity::Panic, "PANIC")
}

fn is(refusal: &DbError, severity: Severity, word: &str) -> bool {
    match refusal.parsed_severity() {
        Some(parsed) => parsed == severity,
        // PgBouncer does not send the field that is never translated.
        None => refusal.severity() == word,
    }
}

/// Whether PgBouncer ended the connection of one client because of a limit for clients.
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

/// Whether PgBouncer refused a login. It sends "protocol violation" for nearly everything, including a wrong password.
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
        // Ended by an administrator, by a crash, by an idle limit, or together with its database.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => ErrorClass::Lost,
        "57P03" => ErrorClass::Transient,
        // authentication_timeout: this time the login took too long.
        "57014" if ends_the_session => ErrorClass::Transient,
        // A standby ends a session that is in the way of what the primary has sent.
        _ if ends_the_session && state.starts_with("40") => ErrorClass::Lost,
        _ if state.starts_with("08") => ErrorClass::Lost,
        // The server may be read-only, or the user's own transaction.
        "25006" if !ends_the_session => ErrorClass::Unsuited,
        _ if !ends_the_session => ErrorClass::Statement,
        // Too many connections: of all users, or of this role or database.
        "53300" => ErrorClass::Full,
        // Out of memory. If it does not end the session, it is about a statement (a full disk).
        _ if state.starts_with("53") => ErrorClass::Transient,
        _ if state.starts_with("58") || state.starts_with("XX") => ErrorClass::Lost,
        // The reasons for which a login can be refused: password, database, permission, options.
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
        // Timeouts, cancels, locks, deadlocks, serialization failures, a full disk.
        for state in [
            "57014", "55P03", "40001", "40P01", "53100", "22012", "42P01", "XX000",
        ] {
            assert_eq!(
                classify_state(state, false),
                ErrorClass::Statement,
                "{state}"
            );
        }
    }

    #[test]
    fn a_write_that_was_refused_as_one_may_say_something_of_the_server() {
        assert_eq!(classify_state("25006", false), ErrorClass::Unsuited);
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
