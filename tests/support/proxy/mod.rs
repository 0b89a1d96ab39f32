//! A TCP proxy of the tests' own in front of a server's port. What can go wrong between a client and a server goes wrong
//! here, for all connections or at a chosen point of each.
//!
//! One thread owns all sockets, because a reset requires that nobody else holds a copy, and because an order must be
//! carried out before [`Proxy::set`] returns. The thread ends when the value is dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

mod link;
mod turns;

use link::{Link, reset};
pub use turns::Turns;

/// What the proxy does to the connections it strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Pass,
    /// Every byte, in either direction, arrives this much later.
    Delay(Duration),
    /// Reads and forwards nothing, not even the end of a stream. The sockets stay open until the next order. Then every
    /// connection that has lost something is reset, as by a host that no longer knows it.
    Swallow,
    /// Both sides are reset.
    Cut,
    /// This side reads the end of the stream and may go on sending.
    HalfClose(Side),
    /// The listener is closed; open connections pass.
    Refuse,
    /// The client receives these bytes and no others; what it sends is swallowed.
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
    /// Once this many bytes from the server have been forwarded since the connect.
    ServerSent(usize),
    /// Once the client has sent this text, which is still forwarded.
    ClientSent(&'static str),
    /// From the first byte, for this many connections that come after the order.
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
    connects: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1. Everything passes.
    pub fn start(server: u16) -> Proxy {
        let listener = listen(0);
        let port = listener.local_addr().expect("bound above").port();
        let (orders, inbox) = channel();
        let (wake, woken) = UnixStream::pair().expect("a pair of sockets");
        woken.set_nonblocking(true).expect("a socket");
        let connects = Arc::new(AtomicUsize::new(0));
        let switchboard = Switchboard {
            connects: connects.clone(),
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
            connects,
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

    /// All connections that clients have opened so far. One that is refused is not seen.
    pub fn connects(&self) -> usize {
        self.connects.load(SeqCst)
    }

    /// A URL of the server, redirected to the proxy.
    pub fn url(&self, server: u16, url: &str) -> String {
        let (from, to) = (format!(":{server}/"), format!(":{}/", self.port));
        assert!(url.contains(&from), "{url} does not name port {server}");
        url.replace(&from, &to)
    }

    /// Strikes all connections, including those still to come, until the next order.
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
        // A full pipe wakes the thread too.
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

/// What the proxy's thread owns.
struct Switchboard {
    connects: Arc<AtomicUsize>,
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
        // The test may have given up already.
        let _ = order.done.send(());
    }

    /// Waits until a socket, an order or a delayed byte needs attention.
    fn wait(&self) {
        let due = self.links.iter().filter_map(Link::due).min();
        let timeout = match due {
            // Rounded up, because a wait that ended too early would be repeated over and over.
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
        // Whether or not it was interrupted, all sockets are examined.
        let _ = poll(&mut watched, timeout);
    }

    fn accept(&mut self) {
        while let Some(Ok((client, _))) = self.listener.as_ref().map(TcpListener::accept) {
            self.accepted += 1;
            self.connects.fetch_add(1, SeqCst);
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
