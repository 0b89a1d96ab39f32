//! What MySQL's and MariaDB's errors mean for the connection and for trying again.

use std::error::Error as _;
use std::io;

use ::mysql::{DriverError, Error as MyError};

use crate::driver::ErrorClass;
use crate::tls::{TlsCause, Unusable};

pub(super) fn classify(error: &MyError) -> ErrorClass {
    if is_tls_refusal(error) {
        return ErrorClass::Permanent;
    }
    match error {
        MyError::IoError(cause) => classify_io(cause),
        // The codec's error type belongs to a crate that is not ours to name.
        MyError::CodecError(cause) => match cause.source().and_then(|cause| cause.downcast_ref()) {
            Some(cause) => classify_io(cause),
            None if format!("{cause:?}") == "PacketTooLarge" => ErrorClass::Statement,
            None => ErrorClass::Lost,
        },
        MyError::MySqlError(refusal) => classify_code(refusal.code),
        MyError::DriverError(cause) => match cause {
            DriverError::ConnectTimeout
            | DriverError::CouldNotConnect(_)
            | DriverError::PacketOutOfSync
            | DriverError::UnexpectedPacket
            | DriverError::SetupError => ErrorClass::Lost,
            DriverError::Timeout => ErrorClass::Transient,
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

fn is_tls_refusal(error: &MyError) -> bool {
    let is_unusable = |cause: &io::Error| cause.get_ref().is_some_and(|held| held.is::<Unusable>());
    match error {
        #[cfg(feature = "tls")]
        MyError::TlsError(_) => true,
        MyError::IoError(cause) if is_unusable(cause) => true,
        other => tls_cause(other).is_some_and(crate::tls::is_refusal),
    }
}

/// The driver tells the source of none of its errors.
pub(super) fn tls_cause(error: &MyError) -> Option<&TlsCause> {
    match error {
        MyError::CodecError(cause) => crate::tls::cause(cause),
        MyError::IoError(cause) => crate::tls::cause(cause),
        #[cfg(feature = "tls")]
        MyError::TlsError(cause) => crate::tls::cause(cause),
        _ => None,
    }
}

fn classify_io(error: &io::Error) -> ErrorClass {
    match error.kind() {
        // From a read_timeout in the Opts: slow is not gone.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ErrorClass::Transient,
        _ => ErrorClass::Lost,
    }
}

/// Numbers of `mysqld_error.h`; 2006 and 2013 are the C client's, which proxies send.
fn classify_code(code: u16) -> ErrorClass {
    match code {
        // Too many connections, of all users or of this one; an hourly limit; no thread; offline mode.
        1040 | 1203 | 1226 | 1041 | 1135 | 3032 => ErrorClass::Transient,
        // Shutting down, network trouble, killed, idle for too long.
        1053 | 1077..=1080 | 1152..=1161 | 1927 | 2006 | 2013 | 4031 => ErrorClass::Lost,
        // Database, password, handshake, host blocked or not allowed, authentication method, expired or locked.
        1044 | 1045 | 1049 | 1043 | 1129 | 1130 | 1251 | 1698 | 1820 | 1862 | 3118 | 3159
        | 4151 => ErrorClass::Permanent,
        _ => ErrorClass::Statement,
    }
}
