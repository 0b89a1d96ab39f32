//! One client of the proxy, and what lies between it and the server.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{setsockopt, sockopt::Linger};

use super::{Mode, Side, When};

/// Both sides must be reset.
pub(super) struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Broken
    }
}

/// A client and, unless it was swallowed from the start, its connection to the server.
pub(super) struct Link {
    client: TcpStream,
    server: Option<TcpStream>,
    up: Lane,
    down: Lane,
    from_server: usize,
    /// Whether its time has come, for points in time that `from_server` cannot tell.
    pub(super) is_chosen: bool,
    pub(super) has_lost: bool,
    has_garbage: bool,
}

/// One direction of a link.
#[derive(Default)]
struct Lane {
    held: VecDeque<(Instant, Vec<u8>)>,
    ended: bool,
    shut: bool,
}

impl Link {
    pub(super) fn new(client: TcpStream, server: Option<TcpStream>, is_chosen: bool) -> Link {
        for socket in server.iter().chain([&client]) {
            socket.set_nonblocking(true).expect("a socket");
            socket.set_nodelay(true).expect("a socket");
        }
        Link {
            client,
            has_lost: server.is_none(),
            server,
            up: Lane::default(),
            down: Lane::default(),
            from_server: 0,
            is_chosen,
            has_garbage: false,
        }
    }

    fn is_struck(&self, when: When) -> bool {
        match when {
            When::Now => true,
            When::ServerSent(bytes) => self.from_server >= bytes,
            When::ClientSent(_) | When::Among(_) => self.is_chosen,
        }
    }

    /// Forwards what has arrived.
    pub(super) fn pump(&mut self, mode: Mode, when: When) -> Result<(), Broken> {
        self.read_client(mode, when)?;
        self.read_server(mode, when)?;
        let now = Instant::now();
        if let Some(server) = &mut self.server {
            self.up.flush(server, now)?;
        }
        self.down.flush(&mut self.client, now)?;
        if self.is_struck(when) {
            self.strike(mode)?;
        }
        self.carry_ends(mode, when);
        Ok(())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.up.shut && self.down.shut
    }

    /// The end of a stream is forwarded after its last byte.
    fn carry_ends(&mut self, mode: Mode, when: When) {
        let swallows = matches!(mode, Mode::Swallow | Mode::Garbage(_)) && self.is_struck(when);
        if swallows {
            self.has_lost |= self.up.ended || self.down.ended;
            return;
        }
        if let Some(server) = self.server.as_ref().filter(|_| self.up.is_through()) {
            self.up.shut(server);
        }
        if self.down.is_through() {
            self.down.shut(&self.client);
        }
    }

    /// Carries out a strike that needs no further byte.
    fn strike(&mut self, mode: Mode) -> Result<(), Broken> {
        match mode {
            Mode::Cut => return Err(Broken),
            Mode::HalfClose(Side::Client) => self.down.shut(&self.client),
            Mode::HalfClose(Side::Server) => {
                if let Some(server) = &self.server {
                    self.up.shut(server);
                }
            }
            Mode::Garbage(bytes) if !self.has_garbage => {
                self.has_garbage = true;
                self.has_lost = true;
                // If the client is gone already, it receives nothing.
                let _ = self.client.write(bytes);
            }
            Mode::Pass | Mode::Delay(_) | Mode::Swallow | Mode::Refuse | Mode::Garbage(_) => {}
        }
        Ok(())
    }

    fn read_client(&mut self, mode: Mode, when: When) -> std::io::Result<()> {
        while let Some(chunk) = self.up.read(&mut self.client)? {
            let struck = self.is_struck(when);
            if let When::ClientSent(word) = when {
                self.is_chosen |= contains(&chunk, word.as_bytes());
            }
            self.carry(chunk, Side::Server, mode, struck);
        }
        Ok(())
    }

    fn read_server(&mut self, mode: Mode, when: When) -> std::io::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let mut result = self.down.read(&mut server);
        while let Ok(Some(chunk)) = result {
            let before = match when {
                When::ServerSent(bytes) => bytes.saturating_sub(self.from_server),
                _ if self.is_struck(when) => 0,
                _ => chunk.len(),
            };
            let (passing, struck) = chunk.split_at(before.min(chunk.len()));
            self.carry(passing.to_vec(), Side::Client, mode, false);
            self.carry(struck.to_vec(), Side::Client, mode, true);
            self.from_server += chunk.len();
            result = self.down.read(&mut server);
        }
        self.server = Some(server);
        result.map(drop)
    }

    /// Takes over bytes on their way to `side`.
    fn carry(&mut self, chunk: Vec<u8>, side: Side, mode: Mode, struck: bool) {
        if chunk.is_empty() {
            return;
        }
        let is_lost = match mode {
            Mode::Swallow | Mode::Garbage(_) => struck,
            Mode::HalfClose(closed) => struck && closed == side,
            Mode::Pass | Mode::Delay(_) | Mode::Cut | Mode::Refuse => false,
        };
        if is_lost || (side == Side::Server && self.server.is_none()) {
            self.has_lost = true;
            return;
        }
        let delay = match mode {
            Mode::Delay(delay) if struck => delay,
            _ => Duration::ZERO,
        };
        let lane = match side {
            Side::Client => &mut self.down,
            Side::Server => &mut self.up,
        };
        lane.held.push_back((Instant::now() + delay, chunk));
    }

    pub(super) fn due(&self) -> Option<Instant> {
        [&self.up, &self.down]
            .into_iter()
            .filter_map(|lane| lane.held.front().map(|(due, _)| *due))
            .min()
    }

    /// A stream that has ended always polls as ready, so it is not watched any more.
    pub(super) fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        if !self.up.ended {
            watched.push(PollFd::new(self.client.as_fd(), PollFlags::POLLIN));
        }
        if let Some(server) = self.server.as_ref().filter(|_| !self.down.ended) {
            watched.push(PollFd::new(server.as_fd(), PollFlags::POLLIN));
        }
    }

    pub(super) fn reset(self) {
        self.server.into_iter().for_each(reset);
        reset(self.client);
    }
}

impl Lane {
    /// What can be read; `None` if there is nothing now, or nothing any more.
    fn read(&mut self, from: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let mut buffer = [0; 16 * 1024];
        match from.read(&mut buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(None)
            }
            Ok(bytes) => Ok(Some(buffer[..bytes].to_vec())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self, to: &mut TcpStream, now: Instant) -> std::io::Result<()> {
        while let Some((due, chunk)) = self.held.front_mut() {
            if *due > now {
                return Ok(());
            }
            match to.write(chunk) {
                Ok(bytes) => drop(chunk.drain(..bytes)),
                // These bytes are overdue from now on and are tried again within a millisecond.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if chunk.is_empty() {
                self.held.pop_front();
            }
        }
        Ok(())
    }

    /// Whether everything that arrived has been forwarded, and nothing more will come.
    fn is_through(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    fn shut(&mut self, to: &TcpStream) {
        if !self.shut {
            self.shut = true;
            // The peer may be gone already.
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

/// Closes the connection with a reset instead of in the orderly way.
pub(super) fn reset(socket: TcpStream) {
    let at_once = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, Linger, &at_once).expect("a socket");
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
