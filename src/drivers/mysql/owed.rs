//! Answers that are owed: what a connection may still be sent that was meant for an earlier statement.
//!
//! The driver does not remember that it gave up on an answer, after its `read_timeout` for example, and takes whatever
//! comes next for the answer to its next statement. So whoever uses such a connection next would be given somebody else's rows.
//! Three things tell: bytes that wait in the socket although nothing was asked; what the driver holds in its buffers
//! ([`Inside`]); and a question that only the right answer satisfies.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use ::mysql::{Conn, Error as MyError, Row, Value};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

use super::MySqlManager;
use super::inside::Inside;

/// Why this connection is closed, of which no other learns anything.
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
        "the answer of an earlier statement, which the driver did not wait for, is still owed on this connection",
    )
}

pub(super) fn has_gone() -> MyError {
    MyError::IoError(io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the server has closed the connection",
    ))
}

/// What a look at the socket shows, without a round trip. On a connection at rest there is nothing to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Quiet,
    /// The end of the stream, or an error.
    Gone,
    /// The server's farewell, with its code: 4031 for idleness on MySQL. (The driver could not read it: it has the number of no
    /// answer.) Then the stream has ended or is about to.
    Farewell(u16),
    /// An answer nobody read. With TLS it may also be a farewell, which only the driver can tell.
    Bytes,
}

impl Socket {
    pub(super) fn of(connection: &Conn) -> Socket {
        // Header, 0xff and code of an error packet.
        let mut start = [0; 7];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        loop {
            match recv(connection.as_raw_fd(), &mut start, flags) {
                Err(Errno::EAGAIN) => return Socket::Quiet,
                Err(Errno::EINTR) => {}
                Ok(0) | Err(_) => return Socket::Gone,
                Ok(read) => {
                    return match (read, start) {
                        (7, [_, _, _, _, 0xff, low, high]) => {
                            Socket::said(u16::from_le_bytes([low, high]))
                        }
                        _ => Socket::Bytes,
                    };
                }
            }
        }
    }

    fn said(code: u16) -> Socket {
        match code {
            1053 | 1927 | 3169 | 4031 => Socket::Farewell(code),
            _ => Socket::Bytes,
        }
    }
}

/// Fails if there is something to read on a connection that should be at rest, or if it is gone. A round trip only
/// where bytes wait.
pub(super) fn listen(connection: &mut Conn) -> Result<(), MyError> {
    match Socket::of(connection) {
        Socket::Quiet => Ok(()),
        Socket::Gone => Err(has_gone()),
        Socket::Farewell(code) => Err(MyError::MySqlError(::mysql::MySqlError {
            state: "HY000".to_owned(),
            message: "The server has ended this session".to_owned(),
            code,
        })),
        // The driver takes what waits for the answer to its ping, whichever it is, unless the stream ends there.
        Socket::Bytes => match connection.ping() {
            Err(error @ (MyError::IoError(_) | MyError::CodecError(_))) => Err(error),
            Ok(()) | Err(_) => Err(another_answer()),
        },
    }
}

/// The same without a round trip, and without telling why.
pub(super) fn is_unread(connection: &Conn) -> bool {
    Socket::of(connection) != Socket::Quiet || !Inside::of(connection).is_at_rest()
}

impl MySqlManager {
    /// Only a driver with a time-out gives up on an answer and leaves nothing to see: the answer comes later.
    pub(super) fn may_give_up(&self) -> bool {
        self.opts.get_read_timeout().is_some() || self.opts.get_write_timeout().is_some()
    }

    /// Whether the driver holds the rest of a statement that it could not send within its write_timeout. It would send all of
    /// it once more before whatever it sends next, even before the farewell when it is dropped; and the server would take
    /// that for the rest, and run what comes out, which a statement with parameters survives. So the socket is shut down.
    pub(super) fn is_unfinished(&self, connection: &Conn) -> bool {
        let is_unfinished =
            self.opts.get_write_timeout().is_some() && !Inside::of(connection).is_at_rest();
        if is_unfinished {
            // It fails where the server has closed it already, which does as well.
            let _ = shutdown(connection.as_raw_fd(), Shutdown::Both);
        }
        is_unfinished
    }

    /// A question for 64 random bits, new each time, where an answer may be owed.
    pub(super) fn proof(&self) -> Option<u64> {
        self.may_give_up().then(|| fastrand::u64(..))
    }
}

/// Whether this is the proof, in a column of a row that came by the text protocol.
pub(super) fn is_proved(row: Option<&Row>, column: usize, proof: u64) -> bool {
    let value = row.and_then(|row| row.as_ref(column));
    matches!(value, Some(Value::Bytes(text)) if *text == proof.to_string().into_bytes())
}
