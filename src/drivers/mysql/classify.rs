//! What MySQL's and MariaDB's errors mean for the connection, for the other connections and for trying again.
//!
//! The codes are those in the servers' `mysqld_error.h` and `errmsg-utf8.txt`, except 2006 and 2013, which belong to the C client
//! and are sent by proxies.

use std::error::Error as _;
use std::io;

use ::mysql::{DriverError, Error as MyError};

use super::hosts::wrong_role;
use super::owed::Unfit;
use crate::contract::error_class::{ErrorClass, Extent};
use crate::tls::{TlsCause, Unusable};

/// In the text of MariaDB's errors, whose code for this is a general one.
const NODE_ALONE: &str = "provider status: Not connected to Primary Component";

/// Whether the server has undone or refused a statement in favour of another session's: 1213 (a deadlock; in a Galera cluster also
/// another node's commit), 1205 (a lock was not to be had within innodb_lock_wait_timeout), 3572 (nor at once, with NOWAIT) and
/// MariaDB's 1020 (a row has changed since it was read). Roll the transaction back, since 1205 undoes the statement alone, and run
/// it again from its beginning. [`Error::is_conflict`](crate::Error::is_conflict) says the same of the errors of a
/// [`Database`](crate::Database).
#[must_use]
pub fn is_conflict(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1020 | 1205 | 1213 | 3572))
}

pub(super) fn classify(error: &MyError) -> ErrorClass {
    if is_tls_refusal(error) {
        return ErrorClass::Permanent;
    }
    match error {
        // For now, what was asked for is elsewhere.
        MyError::IoError(_) if wrong_role(error).is_some() => ErrorClass::Transient,
        MyError::IoError(cause) => classify_packet(cause),
        // The type of the codec's error belongs to a crate that is not a dependency of ours. Apart from errors of input and output,
        // it says that a packet is too large, out of order or garbled, and then the rest of the answer is still unread. (A
        // statement that is too large to be sent fails with the same text, although it leaves the connection sound.)
        MyError::CodecError(cause) => match cause.source().and_then(|cause| cause.downcast_ref()) {
            Some(cause) => classify_io(cause),
            None => ErrorClass::Owed,
        },
        // A limit of this account. Those for queries and updates in an hour are of the same code.
        MyError::MySqlError(refusal) if refusal.code == 1226 => {
            match refusal.message.contains("connections") {
                true => ErrorClass::Full,
                false => ErrorClass::Transient,
            }
        }
        MyError::MySqlError(refusal) if is_read_only(refusal.code, &refusal.message) => {
            ErrorClass::Unsuited
        }
        // What a statement is told that was under way when a node of a Galera cluster lost the others; the next is told 1047.
        MyError::MySqlError(refusal) if refusal.message.contains(NODE_ALONE) => {
            ErrorClass::Transient
        }
        MyError::MySqlError(refusal) => classify_code(refusal.code),
        MyError::DriverError(cause) => match cause {
            DriverError::ConnectTimeout
            | DriverError::CouldNotConnect(_)
            | DriverError::SetupError => ErrorClass::Lost,
            DriverError::Timeout
            | DriverError::PacketTooLarge
            | DriverError::PacketOutOfSync
            | DriverError::UnexpectedPacket => ErrorClass::Owed,
            DriverError::UnsupportedProtocol(_)
            | DriverError::Protocol41NotSet
            | DriverError::TlsNotSupported
            | DriverError::CouldNotParseVersion
            | DriverError::UnknownAuthPlugin(_)
            | DriverError::OldMysqlPasswordDisabled
            | DriverError::CleartextPluginDisabled
            | DriverError::InvalidParsecSalt => ErrorClass::Permanent,
            _ => ErrorClass::Statement,
        },
        MyError::UrlError(_) => ErrorClass::Permanent,
        _ => ErrorClass::Statement,
    }
}

/// How far an error of class Lost reaches.
pub(super) fn extent(error: &MyError) -> Extent {
    match error {
        MyError::MySqlError(refusal) => extent_of_code(refusal.code),
        MyError::IoError(cause) => extent_of_io(cause),
        MyError::CodecError(cause) => match cause.source().and_then(|cause| cause.downcast_ref()) {
            Some(cause) => extent_of_io(cause),
            None => Extent::Session,
        },
        _ => Extent::Unclear,
    }
}

/// Whether the server will refuse this statement on every connection: for its syntax, for what it names, or for a privilege that
/// its user lacks. The refusals of a read-only server (1290, 1792, 1836) are not among them, since people use a validation_query
/// to find such servers.
pub(super) fn refuses_query(error: &MyError) -> bool {
    let MyError::MySqlError(refusal) = error else {
        return false;
    };
    matches!(
        refusal.code,
        // Syntax: errors of all kinds; an empty query; a clause or function used wrongly; a feature not supported here.
        1064 | 1149 | 1065 | 1055 | 1056 | 1111 | 1140 | 1222 | 1235 | 1241 | 1248
        // Names: unknown table, column, database (or none chosen), routine, function, system variable (or one of another scope),
        // character set, collation, sequence or type; a view of something that is gone; an ambiguous name; a wrong number of
        // arguments.
        | 1146 | 1051 | 1109 | 1054 | 1049 | 1046 | 1305 | 1128 | 1193 | 1228 | 1229 | 1238 | 1115 | 1273 | 4091 | 4161 | 1356
        | 1449 | 1052 | 1318 | 1582 | 1583 | 1584 | 1630
        // Privileges: on a database, table, column or routine; a privilege in general.
        | 1044 | 1142 | 1143 | 1370 | 1227
    )
}

/// Whether a login was refused for its user or password, so that others may be let in: access denied, or a password that has
/// expired.
pub(super) fn refuses_login(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1045 | 1698 | 1862))
}

fn is_tls_refusal(error: &MyError) -> bool {
    let is_unusable = |cause: &io::Error| cause.get_ref().is_some_and(|held| held.is::<Unusable>());
    match error {
        #[cfg(feature = "tls")]
        MyError::TlsError(_) => true,
        MyError::IoError(cause) if is_unusable(cause) => true,
        other => tls_cause(other).is_some_and(crate::tls::is_refusal),
    }
}

/// The TLS error beneath a driver's error. The driver's errors have no `source()`, so each variant is opened here.
pub(super) fn tls_cause(error: &MyError) -> Option<&TlsCause> {
    match error {
        MyError::CodecError(cause) => crate::tls::cause(cause),
        MyError::IoError(cause) => crate::tls::cause(cause),
        #[cfg(feature = "tls")]
        MyError::TlsError(cause) => crate::tls::cause(cause),
        _ => None,
    }
}

/// An input or output error that does not come from the codec is usually not about the socket: the driver reports one for a
/// packet that it cannot read as what it waits for, for example because it is the answer to an earlier statement.
fn classify_packet(error: &io::Error) -> ErrorClass {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => ErrorClass::Owed,
        _ if error.get_ref().is_some_and(|held| held.is::<Unfit>()) => ErrorClass::Owed,
        _ => classify_io(error),
    }
}

fn classify_io(error: &io::Error) -> ErrorClass {
    match error.kind() {
        // The kernel gave up on the peer, which did not acknowledge keepalives or data.
        io::ErrorKind::TimedOut if is_the_kernels(error) => ErrorClass::Lost,
        // A read_timeout or write_timeout in the Opts ran out. The server may be slow, and is not necessarily gone.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ErrorClass::Owed,
        _ => ErrorClass::Lost,
    }
}

/// Of an error that says "timed out": whether it is the kernel's, ETIMEDOUT, and it has given up on the connection. On Unix a timeout
/// of the Opts comes as EAGAIN instead; on Windows both have the same code.
fn is_the_kernels(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error().is_some()
}

fn extent_of_io(error: &io::Error) -> Extent {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Extent::Server,
        // Either something in between has forgotten this connection, or the server's host has gone.
        _ => Extent::Unclear,
    }
}

/// Whether the server refuses a write because it is read-only. 1290 names the option that it was started with, and there are
/// others. 1792 is about the user's own transaction.
fn is_read_only(code: u16, message: &str) -> bool {
    match code {
        1836 => true,
        1290 => message.contains("read-only") || message.contains("read_only"),
        _ => false,
    }
}

fn classify_code(code: u16) -> ErrorClass {
    match code {
        // Too many connections, of all users or of this one.
        1040 | 1203 => ErrorClass::Full,
        // Out of memory; no thread available; offline mode. A node of a Galera cluster that is not ready for anything says 1047.
        1041 | 1047 | 1135 | 3032 => ErrorClass::Transient,
        // Shutting down, network errors, killed, idle for too long.
        1053 | 1077..=1080 | 1152..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031 => {
            ErrorClass::Lost
        }
        // Unknown database, wrong password, failed handshake, host blocked or not allowed, unsupported authentication method,
        // password expired or account locked.
        1044 | 1045 | 1049 | 1043 | 1129 | 1130 | 1251 | 1698 | 1820 | 1862 | 3118 | 3159
        | 4151 => ErrorClass::Permanent,
        // These include what the server does to a statement and not to its session: 1205 and 1213 (lock wait timeout, deadlock),
        // 1317 (cancelled), 1969 and 3024 (max_statement_time, max_execution_time).
        _ => ErrorClass::Statement,
    }
}

fn extent_of_code(code: u16) -> Extent {
    match code {
        // The server, or the proxy that speaks for it, is shutting down or has gone.
        1053 | 1077..=1079 | 2006 | 2013 => Extent::Server,
        // Killed, idle for too long, or an error in what this session sent.
        1927 | 3169 | 4031 | 1152..=1161 | 1184 => Extent::Session,
        // 1080, for one, ends a session by force, which also happens when the server shuts down.
        _ => Extent::Unclear,
    }
}
