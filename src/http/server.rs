//! A server of its own, on a thread of its own.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::base::fork::Home;
use crate::base::log::say;
use crate::error::{Error, ErrorKind};
use crate::http::address::listen;
use crate::http::answers::Answers;
use crate::http::connections::accept;
use crate::http::limits::WAITING_ANSWERS;
use crate::registry::Registry;

/// Shown by the system for the server's thread, and for those that wait for databases.
const THREAD: &str = "queuepool-http";

/// Serves health, status, metrics and the page of what is in `registry`, also of members that are added later, until it is
/// stopped or dropped. It keeps the registry's pools open meanwhile.
///
/// `address` is `host:port`, `:port` or `port`. Without a host it is 127.0.0.1: this machine alone; `0.0.0.0:8080` is every
/// IPv4 address of it. With port 0 the system chooses: see [`Server::local_addr`].
///
/// It runs on threads of its own, also when it is called on an async runtime's thread, and within [`limits`](crate::http::limits).
///
/// # Errors
/// Settings for an address that is malformed or cannot be had, with the system's error as source; Unsupported in a process
/// that was forked off after a pool was built; Resources when no thread or runtime can be started.
pub fn serve(address: &str, registry: Registry) -> Result<Server, Error> {
    let home = Home::of_a_pool()?;
    let listener = listen(address)?;
    let unstarted = |error: io::Error| {
        Error::new(
            ErrorKind::Resources,
            format!("the server for {address:?} could not be started: {error}"),
        )
    };
    let local = listener.local_addr().map_err(unstarted)?;
    let (stop, stopped) = oneshot::channel();
    let (report, started) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(THREAD.to_owned())
        .spawn(move || {
            // Here, because a runtime must not be dropped on another runtime's thread.
            let runtime = start(listener, Answers::from(registry));
            let (runtime, result) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = report.send(result);
            if let Some(runtime) = runtime {
                // Told to stop, or nobody is left to tell.
                let _ = runtime.block_on(stopped);
                // Closes all connections; who waits for a database ends with it.
                runtime.shutdown_background();
            }
        })
        .map_err(unstarted)?;
    match started.recv() {
        Ok(result) => result.map_err(unstarted)?,
        Err(_) => return Err(unstarted(io::Error::other("its thread panicked"))),
    }
    say!(
        Info,
        "queuepool::http",
        "Serving health, metrics and a page at http://{local}/"
    );
    Ok(Server {
        local,
        stop: Some(stop),
        thread: Some(thread),
        home,
    })
}

fn start(listener: TcpListener, answers: Answers) -> io::Result<Runtime> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(WAITING_ANSWERS)
        .thread_name(THREAD)
        .build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    runtime.spawn(accept(listener, answers));
    Ok(runtime)
}

/// A running server. Dropping it stops it too, without waiting for the end.
#[must_use = "the server stops when this is dropped"]
pub struct Server {
    local: SocketAddr,
    /// Its end tells the thread to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    home: Home,
}

impl Server {
    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Closes every connection and waits until the port is free, which takes no longer than the answer being made. A check of
    /// a mute database that is under way ends by itself, within health_check_timeout.
    pub fn stop(mut self) {
        if self.home.is_left() {
            return;
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed, and it is gone as it should be.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.home.is_left() {
            // The thread is the parent's, and so may be the locks on the way to it.
            std::mem::forget(self.stop.take());
            std::mem::forget(self.thread.take());
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.local)
            .finish_non_exhaustive()
    }
}
