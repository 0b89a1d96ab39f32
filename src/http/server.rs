//! The HTTP server, which runs on a thread of its own.

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
use crate::http::admission::Admission;
use crate::http::answers::{Answers, THREAD};
use crate::http::connections::accept;
use crate::http::{Options, Paths};
use crate::registry::Registry;

/// Serves the health checks, status, metrics and page of the pools in `registry`, including pools that are added later, until the
/// server is stopped or dropped. It keeps the registry's pools open until then.
///
/// `address` is `host:port`, `:port` or `port`. Without a host, the server listens on 127.0.0.1, so only this machine can reach
/// it; `0.0.0.0:8080` listens on every IPv4 address of the machine. With port 0 the system chooses a port, which
/// [`Server::local_addr`] returns.
///
/// The server runs on threads of its own, even if it is started from a thread of an async runtime, and keeps within its
/// [`limits`](crate::http::limits).
///
/// Who is let in, and to what, are the [`Options`] as they are by default: everything on a loopback address such as 127.0.0.1; on
/// any other, probes and metrics without texts of errors, threads and source lines. [`serve_with`] takes others.
///
/// # Errors
/// Settings if the address is malformed or this process cannot listen on it; the system's error is then its source. Unsupported in
/// a process that was forked after a pool was built. Resources if no thread or runtime can be started.
pub fn serve(address: &str, registry: Registry) -> Result<Server, Error> {
    serve_with(address, registry, Options::default())
}

/// As [`serve`], with options that say which paths are served, with which token, and under which names.
///
/// # Errors
/// As for [`serve`]; also Settings for a token or a name that no client could send.
pub fn serve_with(address: &str, registry: Registry, options: Options) -> Result<Server, Error> {
    let home = Home::of_a_pool()?;
    let listener = listen(address)?;
    let unstarted = |error: io::Error| {
        Error::new(
            ErrorKind::Resources,
            format!("the server for {address:?} could not be started: {error}"),
        )
    };
    let local = listener.local_addr().map_err(unstarted)?;
    let admission = Admission::new(options, local.ip())?;
    let (paths, is_open) = (admission.paths(), admission.is_open());
    let answers = Answers::from(registry, admission);
    let (stop, stopped) = oneshot::channel();
    let (report, started) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(THREAD.to_owned())
        .spawn(move || {
            // The runtime lives on this thread, because it must not be dropped on a thread of another runtime.
            let runtime = start(listener, answers.clone());
            let (runtime, result) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = report.send(result);
            if let Some(runtime) = runtime {
                // Ends when the sender is dropped, by stop() or with the Server. Nothing is ever sent, so this is always an error.
                let _ = runtime.block_on(stopped);
                // Closes all connections, including those whose clients wait for a database.
                runtime.shutdown_background();
                answers.stop();
            }
        })
        .map_err(unstarted)?;
    match started.recv() {
        Ok(result) => result.map_err(unstarted)?,
        Err(_) => return Err(unstarted(io::Error::other("its thread panicked"))),
    }
    let what = match paths {
        Paths::Probes => "health",
        Paths::Metrics => "health and metrics",
        Paths::All => "health, metrics and a page",
    };
    say!(Info, "queuepool::http", "Serving {what} at http://{local}/");
    if is_open && !local.ip().to_canonical().is_loopback() {
        say!(
            Warn,
            "queuepool::http",
            "errors, threads and source lines are served to everybody who can reach http://{local}/: give http::Options a bearer"
        );
    }
    Ok(Server {
        local,
        stop: Some(stop),
        thread: Some(thread),
        home,
    })
}

fn start(listener: TcpListener, answers: Answers) -> io::Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    runtime.spawn(accept(listener, answers));
    Ok(runtime)
}

/// A running server. Dropping it stops the server too, but does not wait until it has ended.
#[must_use = "the server stops when this is dropped"]
pub struct Server {
    local: SocketAddr,
    /// Dropping this tells the thread to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    home: Home,
}

impl Server {
    /// The address at which the server listens, with the port that the system chose if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Closes every connection and waits until the port is free, which takes no longer than the answer that is being made at that
    /// moment. This does not wait for the check of a database that does not answer: such a check ends by itself, within
    /// health_check_timeout.
    pub fn stop(mut self) {
        if self.home.is_left() {
            return;
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, the panic has been printed, and the thread has ended, as it should.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.home.is_left() {
            // In a forked child, the thread is still the parent's, and a lock on the way to it may have been held at the fork, for
            // ever. So these are forgotten and not dropped.
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
