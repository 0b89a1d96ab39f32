//! The stream that the driver reads and writes, watched by us, and how it is found again from a `Client`.
//!
//! `Client` shows nothing that would tell one connection from another, and its place in memory changes. But every call on it polls
//! its stream on the thread of the call. So [`find`] makes such a call, one that sends nothing, and the stream that is polled
//! meanwhile makes itself known instead of reading and writing. In a release build that takes 0.45 µs, nearly all of it in tokio's
//! `block_on`.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ::postgres::Client;
use ::postgres::tls::{ChannelBinding, TlsStream};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Record;
use crate::base::runtime::on_a_runtime;

thread_local! {
    /// Whether [`find`] asks on this thread.
    static ASKS: Cell<bool> = const { Cell::new(false) };
    static FOUND: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// What is known of a stream.
pub(super) struct Watch(Mutex<State>);

struct State {
    record: Record,
    aborted: bool,
    /// Of whoever waits for the stream.
    waker: Option<Waker>,
}

impl Watch {
    pub(super) fn record(&self) -> impl std::ops::DerefMut<Target = Record> + '_ {
        MutexGuard::map(self.0.lock(), |state| &mut state.record)
    }

    /// Makes every call on the connection fail from now on, and the one that waits now return at once.
    pub(super) fn abort(&self) {
        let mut state = self.0.lock();
        state.aborted = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has whoever polls the stream woken by an abort.
    fn await_abort(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.aborted {
            return Err(aborted());
        }
        let waker = cx.waker();
        if !state.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        Ok(())
    }

    /// Tells [`find`] which stream it is. The driver polls its stream first for reading, unless it waits for the reader of an
    /// answer.
    fn make_known(self: &Arc<Self>, is_read: bool) {
        if FOUND.with_borrow(Option::is_some) {
            return;
        }
        self.record().is_polled(is_read);
        FOUND.set(Some(self.clone()));
    }
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "aborted by the pool")
}

/// What is known of the connection's stream. `None` if the stream is not ours, which is then read and written as by any call, or on
/// a thread of an async runtime, where the driver must not be called.
pub(super) fn find(client: &mut Client) -> Option<Arc<Watch>> {
    struct Asking;
    impl Drop for Asking {
        fn drop(&mut self) {
            ASKS.set(false);
        }
    }

    if on_a_runtime() {
        return None;
    }
    ASKS.set(true);
    let asking = Asking;
    // The driver refuses SQL with a NUL, after it has polled its stream. This is the only call that neither sends nor logs nor
    // takes a notification out.
    let _refused = client.query_typed("\0", &[]);
    drop(asking);
    FOUND.take()
}

/// A stream that reads the protocol as it goes by.
pub(super) struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    /// Nothing has been sent on the stream yet.
    pub(super) fn new(stream: S) -> Self {
        let state = State {
            record: Record::new(),
            aborted: false,
            waker: None,
        };
        Watched {
            stream,
            watch: Arc::new(Watch(Mutex::new(state))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if ASKS.get() {
            self.watch.make_known(true);
            return Poll::Pending;
        }
        loop {
            let before = buffer.filled().len();
            if Pin::new(&mut self.stream)
                .poll_read(cx, buffer)?
                .is_pending()
            {
                self.watch.await_abort(cx)?;
                return Poll::Pending;
            }
            let state = &mut *self.watch.0.lock();
            if state.aborted {
                return Poll::Ready(Err(aborted()));
            }
            let read = &mut buffer.filled_mut()[before..];
            let is_end = read.is_empty();
            let kept = state.record.received(read);
            buffer.set_filled(before + kept);
            // Nothing read would mean the end of the stream.
            if kept > 0 || is_end {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if ASKS.get() {
            self.watch.make_known(false);
            self.watch.record().is_unsent(bytes);
            return Poll::Pending;
        }
        let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, bytes)? else {
            self.watch.await_abort(cx)?;
            return Poll::Pending;
        };
        let state = &mut *self.watch.0.lock();
        if state.aborted {
            return Poll::Ready(Err(aborted()));
        }
        state.record.sent(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if ASKS.get() {
            self.watch.make_known(false);
            return Poll::Pending;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx)?;
        // Where the driver waits for the reader of an answer, it polls nothing but this.
        self.watch.await_abort(cx)?;
        flushed.map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if ASKS.get() {
            return Poll::Pending;
        }
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx)?;
        self.watch.await_abort(cx)?;
        shut.map(Ok)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}
