//! What can be learnt from a connection's socket, and done to it, without the driver. That is so on Linux; on other systems nothing is
//! seen, and nothing can be cut off, so that the pool asks the server more questions and leaves calls that may block to its helper
//! threads. `--cfg queuepool_portable` makes Linux one of them, for the tests.

use ::mysql::Conn;

#[cfg(all(target_os = "linux", not(queuepool_portable)))]
pub(super) use linux::{SEES, abort_handle, look, shut};
#[cfg(not(all(target_os = "linux", not(queuepool_portable))))]
pub(super) use portable::{SEES, abort_handle, look, shut};

/// What the socket shows without a round trip. On a connection at rest there is nothing to read.
#[cfg_attr(
    not(all(target_os = "linux", not(queuepool_portable))),
    allow(dead_code)
)]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// Or nothing can be seen.
    Quiet,
    /// The end of the stream, or an error.
    Gone,
    /// The server's farewell with its code, for example 4031 for idleness on MySQL. The stream has then ended or is about to.
    /// (The driver could not read the packet, since it does not have the sequence number of an answer.)
    Farewell(u16),
    /// An answer that nobody read. With TLS it may also be a farewell, which only the driver can find out.
    Bytes,
}

pub(super) type Abort = Box<dyn FnOnce() + Send>;

/// What no two connections of a pool have in common that are open at the same time. The driver's connection has no room for a note.
#[cfg(unix)]
pub(super) type Key = std::os::fd::RawFd;
#[cfg(not(unix))]
pub(super) type Key = u32;

/// The socket's number: a connection keeps its socket for as long as it lives.
#[cfg(unix)]
pub(super) fn key(connection: &Conn) -> Key {
    std::os::fd::AsRawFd::as_raw_fd(connection)
}

/// The server's number of the session. Two servers may give the same one, so with several hosts, which differ in what `init` or
/// the connect hooks leave, a session may be reset to the state of another.
#[cfg(not(unix))]
pub(super) fn key(connection: &Conn) -> Key {
    connection.connection_id()
}

#[cfg(all(target_os = "linux", not(queuepool_portable)))]
mod linux {
    use std::os::fd::AsRawFd;

    use ::mysql::Conn;
    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

    use super::{Abort, Socket};

    pub(in super::super) const SEES: bool = true;

    pub(in super::super) fn look(connection: &Conn) -> Socket {
        // The header, 0xff and the code of an error packet.
        let mut start = [0; 7];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        loop {
            match recv(connection.as_raw_fd(), &mut start, flags) {
                Err(Errno::EAGAIN) => return Socket::Quiet,
                Err(Errno::EINTR) => {}
                Ok(0) | Err(_) => return Socket::Gone,
                Ok(read) => {
                    return match (read, start) {
                        (7, [_, _, _, _, 0xff, low, high]) => said(u16::from_le_bytes([low, high])),
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

    /// Neither side can send anything any more.
    pub(in super::super) fn shut(connection: &Conn) {
        // This fails if the server has closed the connection already, which is just as good.
        let _ = shutdown(connection.as_raw_fd(), Shutdown::Both);
    }

    pub(in super::super) fn abort_handle(connection: &Conn) -> Option<Abort> {
        let socket = connection.as_raw_fd();
        Some(Box::new(move || {
            // This fails if the server has closed the connection already, which ends the call too.
            let _ = shutdown(socket, Shutdown::Both);
        }))
    }
}

#[cfg(not(all(target_os = "linux", not(queuepool_portable))))]
mod portable {
    use ::mysql::Conn;

    use super::{Abort, Socket};

    pub(in super::super) const SEES: bool = false;

    pub(in super::super) fn look(_: &Conn) -> Socket {
        Socket::Quiet
    }

    /// Needed for a `write_timeout` alone, with which no pool is built here.
    pub(in super::super) fn shut(_: &Conn) {}

    pub(in super::super) fn abort_handle(_: &Conn) -> Option<Abort> {
        None
    }
}
