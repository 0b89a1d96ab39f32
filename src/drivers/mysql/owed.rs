//! Answers that are owed: what a connection may still receive that was meant for an earlier statement.
//!
//! The driver does not remember that it gave up on an answer, for example after its `read_timeout`, and takes whatever
//! comes next for the answer to its next statement. So the next user of such a connection would be given somebody else's rows.
//! Three things reveal it: bytes that wait in the socket although nothing was asked; what the driver holds in its buffers
//! ([`inside`]); and a question that only the right answer satisfies.

use std::fmt;
use std::io;

use ::mysql::{Conn, Error as MyError, Row, Value};

use super::MySqlManager;
use super::inside;
use super::socket::{self, Socket};
use crate::error::Error;

/// Why this connection must be closed. It says nothing about other connections.
#[derive(Debug)]
pub(super) struct Unfit(&'static str);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

pub(super) fn unfit(why: &'static str) -> MyError {
    MyError::IoError(io::Error::other(Unfit(why)))
}

pub(super) fn another_answer() -> MyError {
    unfit(
        "the answer to an earlier statement, for which the driver did not wait, is still owed on this connection",
    )
}

pub(super) fn has_gone() -> MyError {
    MyError::IoError(io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the server has closed the connection",
    ))
}

/// Fails if there is something to read on a connection that should be at rest, or if the connection is gone. It costs a round
/// trip only if bytes are waiting.
pub(super) fn listen(connection: &mut Conn) -> Result<(), MyError> {
    match socket::look(connection) {
        Socket::Quiet => Ok(()),
        Socket::Gone => Err(has_gone()),
        Socket::Farewell(code) => Err(MyError::MySqlError(::mysql::MySqlError {
            state: "HY000".to_owned(),
            message: "The server has ended this session".to_owned(),
            code,
        })),
        // The driver takes whatever is waiting for the answer to its ping, unless the stream ends there.
        Socket::Bytes => match connection.ping() {
            Err(error @ (MyError::IoError(_) | MyError::CodecError(_))) => Err(error),
            Ok(()) | Err(_) => Err(another_answer()),
        },
    }
}

/// As [`listen`], but without a round trip and without saying why.
pub(super) fn is_unread(connection: &Conn) -> bool {
    socket::look(connection) != Socket::Quiet || !inside::is_at_rest(connection)
}

impl MySqlManager {
    /// Whether the driver may give up on an answer that comes later, when nothing shows it any more. It does so only if it has a
    /// timeout. Where the socket cannot be seen, an answer may also be there that a user has left unread.
    pub(super) fn may_give_up(&self) -> bool {
        !socket::SEES
            || self.opts.get_read_timeout().is_some()
            || self.opts.get_write_timeout().is_some()
    }

    /// Refuses a write_timeout where the socket cannot be shut down for what [`is_unfinished`](MySqlManager::is_unfinished) says.
    pub(super) fn check_write_timeout(&self) -> Result<(), Error> {
        match self.opts.get_write_timeout() {
            Some(limit) if !socket::SEES => Err(Error::setting(
                "write_timeout",
                format_args!("{limit:?}"),
                "none on this system: a statement that it cuts off could be run in pieces",
            )),
            _ => Ok(()),
        }
    }

    /// Whether the driver holds the rest of a statement that it could not send within its write_timeout. If so, this shuts down the
    /// socket. Otherwise the driver would send the whole statement once more before whatever it sends next, even before its
    /// farewell when it is dropped. The server would take that for the rest of the first attempt, and run the result, which can
    /// be a valid statement if it has parameters.
    pub(super) fn is_unfinished(&self, connection: &Conn) -> bool {
        let is_unfinished =
            self.opts.get_write_timeout().is_some() && !inside::is_at_rest(connection);
        if is_unfinished {
            socket::shut(connection);
        }
        is_unfinished
    }

    /// 64 random bits to ask the server for, new each time. `None` if no answer can be owed.
    pub(super) fn proof(&self) -> Option<u64> {
        self.may_give_up().then(|| fastrand::u64(..))
    }
}

/// Whether this column holds the proof, in a row that came by the text protocol.
pub(super) fn is_proved(row: Option<&Row>, column: usize, proof: u64) -> bool {
    let value = row.and_then(|row| row.as_ref(column));
    matches!(value, Some(Value::Bytes(text)) if *text == proof.to_string().into_bytes())
}
