//! A TCP proxy of the test's own in front of a server's port: what can go wrong between a client and a server goes wrong
//! here, for all connections or at a chosen point of each.
//!
//! One thread owns all sockets: a reset needs that nobody else holds a copy, and an order is carried out before
//! [`Proxy::set`] returns. The thread ends with the value.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt::Linger};

/// What the proxy does with the connections it strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Pass,
    /// Every byte of either direction arrives that much later.
    Delay(Duration),
    /// Reads and forwards nothing, the end of a stream included. The sockets stay open until the next order; then a
    /// connection that has lost something is reset, as by a host that has forgotten it.
    Swallow,
    /// Both sides are reset.
    Cut,
    /// This side reads the end of the stream, and may go on sending.
    HalfClose(Side),
    /// The listener is closed; connections that are open pass.
    Refuse,
    /// The client gets these bytes, and no others; what it sends is swallowed.
    Garbage(&'static [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    Client,
    Server,
}

/// When a connection is struck.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    Now,
    /// Once so many bytes of the server have been forwarded, counted from the connect.
    ServerSent(usize),
    /// Once the client has sent this text, which is forwarded.
    ClientSent(&'static str),
    /// From its first byte, if it is among so many that come after the order.
    Among(usize),
}

struct Order {
    mode: Mode,
    when: When,
    done: Sender<()>,
}

pub struct Proxy {
    port: u16,
    orders: Option<Sender<Order>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of a port of 127.0.0.1; everything passes.
    pub fn start(server: u16) -> Proxy {
        let listener = listen(0);
        let port = listener.local_addr().expect("bound above").port();
        let (orders, inbox) = channel();
        let (wake, woken) = UnixStream::pair().expect("a pair of sockets");
        woken.set_nonblocking(true).expect("a socket");
        let switchboard = Switchboard {
            server,
            port,
            listener: Some(listener),
            inbox,
            woken,
            mode: Mode::Pass,
            when: When::Now,
            accepted: 0,
            links: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("proxy".into());
        Proxy {
            port,
            orders: Some(orders),
            wake,
            thread: Some(
                thread
                    .spawn(move || switchboard.run())
                    .expect("a thread for the proxy"),
            ),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server, turned to the proxy.
    pub fn url(&self, server: u16, url: &str) -> String {
        let (from, to) = (format!(":{server}/"), format!(":{}/", self.port));
        assert!(url.contains(&from), "{url} does not name port {server}");
        url.replace(&from, &to)
    }

    /// Strikes all connections, those to come included, until the next order.
    pub fn set(&self, mode: Mode) {
        self.set_when(When::Now, mode);
    }

    /// Strikes each connection when its time has come.
    pub fn set_when(&self, when: When, mode: Mode) {
        let (done, is_done) = channel();
        let order = Order { mode, when, done };
        let orders = self.orders.as_ref().expect("taken only by drop");
        orders.send(order).expect("the proxy's thread runs");
        self.wake();
        is_done.recv().expect("the proxy's thread runs");
    }

    fn wake(&self) {
        // A full pipe wakes too.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders = None;
        self.wake();
        let ended = self.thread.take().expect("taken only here").join();
        if !std::thread::panicking() {
            ended.expect("the proxy's thread did not panic");
        }
    }
}

fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port for the proxy");
    listener.set_nonblocking(true).expect("a listener");
    listener
}

/// What the thread owns.
struct Switchboard {
    server: u16,
    port: u16,
    listener: Option<TcpListener>,
    inbox: Receiver<Order>,
    woken: UnixStream,
    mode: Mode,
    when: When,
    /// Connections accepted since the last order.
    accepted: usize,
    links: Vec<Link>,
}

impl Switchboard {
    fn run(mut self) {
        loop {
            self.wait();
            while matches!(self.woken.read(&mut [0; 64]), Ok(1..)) {}
            loop {
                match self.inbox.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.accept();
            self.pump();
        }
    }

    fn obey(&mut self, order: Order) {
        (self.mode, self.when) = (order.mode, order.when);
        for link in self.links.extract_if(.., |link| link.has_lost) {
            link.reset();
        }
        self.listener = match (self.mode, self.listener.take()) {
            (Mode::Refuse, _) => None,
            (_, Some(listener)) => Some(listener),
            (_, None) => Some(listen(self.port)),
        };
        self.accepted = 0;
        self.links
            .iter_mut()
            .for_each(|link| link.is_chosen = false);
        self.pump();
        // The test may have given up.
        let _ = order.done.send(());
    }

    /// Until a socket, an order or a delayed byte has something for us.
    fn wait(&self) {
        let due = self.links.iter().filter_map(Link::due).min();
        let timeout = match due {
            // Rounded up: a wait that ends too early would be repeated without end.
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now());
                PollTimeout::try_from(wait + Duration::from_millis(1)).expect("a short wait")
            }
            None => PollTimeout::NONE,
        };
        let mut watched = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        if let Some(listener) = &self.listener {
            watched.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
        }
        for link in &self.links {
            link.watch(&mut watched);
        }
        // Interrupted or not: all sockets are looked at.
        let _ = poll(&mut watched, timeout);
    }

    fn accept(&mut self) {
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            self.accepted += 1;
            let is_chosen = matches!(self.when, When::Among(most) if self.accepted <= most);
            let is_struck = is_chosen || self.when == When::Now;
            let server = match self.mode {
                Mode::Swallow | Mode::Garbage(_) if is_struck => None,
                _ => match TcpStream::connect(("127.0.0.1", self.server)) {
                    Ok(server) => Some(server),
                    Err(_) => {
                        reset(client);
                        continue;
                    }
                },
            };
            self.links.push(Link::new(client, server, is_chosen));
        }
    }

    fn pump(&mut self) {
        let (mode, when) = (self.mode, self.when);
        for link in self
            .links
            .extract_if(.., |link| link.pump(mode, when).is_err())
        {
            link.reset();
        }
        self.links.retain(|link| !link.has_ended());
    }
}

/// Both sides are to be reset.
struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Broken
    }
}

/// A client and, unless it was swallowed from the start, the server.
struct Link {
    client: TcpStream,
    server: Option<TcpStream>,
    up: Lane,
    down: Lane,
    from_server: usize,
    /// Its time has come, where that is not told by `from_server`.
    is_chosen: bool,
    has_lost: bool,
    has_garbage: bool,
}

/// One direction.
#[derive(Default)]
struct Lane {
    held: VecDeque<(Instant, Vec<u8>)>,
    ended: bool,
    shut: bool,
}

impl Link {
    fn new(client: TcpStream, server: Option<TcpStream>, is_chosen: bool) -> Link {
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

    /// Moves what there is.
    fn pump(&mut self, mode: Mode, when: When) -> Result<(), Broken> {
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

    fn has_ended(&self) -> bool {
        self.up.shut && self.down.shut
    }

    /// The end of a stream follows its last byte.
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

    /// What strikes without a byte that moves.
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
                // A client that is gone already hears nothing.
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

    /// Takes bytes on their way to `side`.
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

    fn due(&self) -> Option<Instant> {
        [&self.up, &self.down]
            .into_iter()
            .filter_map(|lane| lane.held.front().map(|(due, _)| *due))
            .min()
    }

    /// A stream that has ended is always ready, and is not watched any more.
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        if !self.up.ended {
            watched.push(PollFd::new(self.client.as_fd(), PollFlags::POLLIN));
        }
        if let Some(server) = self.server.as_ref().filter(|_| !self.down.ended) {
            watched.push(PollFd::new(server.as_fd(), PollFlags::POLLIN));
        }
    }

    fn reset(self) {
        self.server.into_iter().for_each(reset);
        reset(self.client);
    }
}

impl Lane {
    /// What there is to read; `None` when there is nothing now, or nothing any more.
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
                // Overdue from now on: it is tried again within a millisecond.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if chunk.is_empty() {
                self.held.pop_front();
            }
        }
        Ok(())
    }

    /// Whether all that came has been forwarded, and no more will come.
    fn is_through(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    fn shut(&mut self, to: &TcpStream) {
        if !self.shut {
            self.shut = true;
            // The peer may be gone.
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

/// Closes with a reset instead of an orderly end.
fn reset(socket: TcpStream) {
    let at_once = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, Linger, &at_once).expect("a socket");
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
