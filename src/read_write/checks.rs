//! The checks: one thread that has each server asked at its interval, on helper threads, so that one that hangs holds up no other.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use parking_lot::Mutex;

use crate::base::clock::later;
use crate::base::sync::{Instant, spawn};
use crate::error::{Error, ErrorKind};
use crate::read_write::endpoint::Endpoint;
use crate::read_write::inner::{Inner, Server};

/// The shortest interval: with less, checks would be half of a small server's work.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);

/// How long after the beginning of one round the next may begin, however urgent it is.
const PAUSE: Duration = Duration::from_millis(100);

/// How the thread is told what to do. It holds the `ReadWrite` weakly.
pub(super) struct Bell {
    /// Dropped to end the thread.
    _on: Sender<Infallible>,
    off: Receiver<Infallible>,
    ring: Sender<()>,
    rung: Receiver<()>,
}

impl Bell {
    pub(super) fn new() -> Self {
        let (on, off) = bounded(0);
        let (ring, rung) = bounded(1);
        Bell {
            _on: on,
            off,
            ring,
            rung,
        }
    }

    /// Asks for a round ahead of its time.
    pub(super) fn ring(&self) {
        // If it is full, a round has been asked for already.
        let _ = self.ring.try_send(());
    }
}

/// Starts the thread.
///
/// # Errors
/// Resources.
pub(super) fn start<P: Endpoint>(inner: &Arc<Inner<P>>) -> Result<(), Error> {
    if cfg!(queuepool_loom) {
        return Ok(());
    }
    let (weak, interval) = (Arc::downgrade(inner), inner.rules.interval);
    let (off, rung) = (inner.bell.off.clone(), inner.bell.rung.clone());
    let name = format!("{}-replicas", inner.primary.name());
    spawn(name, move || watch(&weak, &off, &rung, interval)).map_err(|error| {
        Error::new(
            ErrorKind::Resources,
            format!("no thread could be started for the checks of the replicas: {error}"),
        )
    })
}

fn watch<P: Endpoint>(
    weak: &Weak<Inner<P>>,
    off: &Receiver<Infallible>,
    rung: &Receiver<()>,
    interval: Duration,
) {
    loop {
        let begun = Instant::now();
        // The replicas are asked once the primary has answered, so that an idle one shows no lag; but not much later.
        let Some(inner) = weak.upgrade() else { return };
        let primary = inner.start_check(Server::Primary);
        drop(inner);
        select! {
            recv(off) -> _ => return,
            recv(primary) -> _ => {}
            recv(after(interval / 2)) -> _ => {}
        }
        let Some(inner) = weak.upgrade() else { return };
        for number in 0..inner.replicas.len() {
            inner.start_check(Server::Replica(number));
        }
        drop(inner);
        if !sleep(begun, off, rung, interval) {
            return;
        }
    }
}

/// Until the next round. False if there is to be none.
fn sleep(
    begun: Instant,
    off: &Receiver<Infallible>,
    rung: &Receiver<()>,
    interval: Duration,
) -> bool {
    let left = |until: Duration| later(begun, until).saturating_duration_since(Instant::now());
    select! {
        recv(off) -> _ => return false,
        recv(rung) -> _ => {}
        recv(after(left(interval))) -> _ => return true,
    }
    select! {
        recv(off) -> _ => false,
        recv(after(left(interval.min(PAUSE)))) -> _ => true,
    }
}

/// The check of one server that is under way.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<Option<Instant>>);

impl UnderWay {
    /// Begins a check if none is under way; else, for how long it has been.
    pub(super) fn begin(&self) -> Result<(), Duration> {
        let mut begun = self.0.lock();
        match *begun {
            Some(begun) => Err(Instant::now().saturating_duration_since(begun)),
            None => {
                *begun = Some(Instant::now());
                Ok(())
            }
        }
    }

    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }
}
