//! Tracks what a connection is doing, so that it can be ended if it takes too long or if another connection needs its place.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http::limits::{HEADER_TIME, IDLE_TIME, SENT_AT_ONCE, WRITE_TIME};

/// What a connection is doing, in the order in which connections are given up in favour of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// No new request has begun since the last one was answered.
    Idle,
    /// A request's header is arriving, or the first request of the connection is awaited.
    Reading,
    /// An answer has been given to hyper, and not all of it has been written.
    Writing,
    /// An answer is being made.
    Answering,
}

/// What a connection is doing, and since when. Clones are about the same connection.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<(Doing, Instant)>>);

impl Watch {
    pub(super) fn accepted() -> Self {
        Watch(Arc::new(Mutex::new((Doing::Reading, Instant::now()))))
    }

    /// The connection with the least claim is closed first when another connection needs a place.
    pub(super) fn claim(&self) -> impl Ord + use<> {
        let (doing, since) = *self.0.lock();
        // A connection that is idle and one whose first request has not arrived have the same claim: no client waits for us on
        // either.
        (doing.max(Doing::Reading), since)
    }

    /// Whether no client waits for us here.
    pub(super) fn is_idle(&self) -> bool {
        self.0.lock().0 <= Doing::Reading
    }

    /// When the connection must have moved on. There is no deadline while an answer is being made, because that has a limit of its
    /// own.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (doing, since) = *self.0.lock();
        let limit: Duration = match doing {
            Doing::Idle => IDLE_TIME,
            Doing::Reading => HEADER_TIME,
            Doing::Writing => WRITE_TIME,
            Doing::Answering => return None,
        };
        Some(since + limit)
    }

    pub(super) fn answering(&self) {
        self.change(|doing| match doing {
            // This request was pipelined, and the previous answer has not been written in full: its time goes on.
            Doing::Writing => Doing::Writing,
            _ => Doing::Answering,
        });
    }

    pub(super) fn answered(&self) {
        self.change(|_| Doing::Writing);
    }

    fn read(&self) {
        self.change(|doing| match doing {
            Doing::Idle => Doing::Reading,
            other => other,
        });
    }

    fn all_written(&self) {
        self.change(|doing| match doing {
            Doing::Writing => Doing::Idle,
            other => other,
        });
    }

    fn change(&self, to: impl FnOnce(Doing) -> Doing) {
        let mut state = self.0.lock();
        let new = to(state.0);
        if new != state.0 {
            *state = (new, Instant::now());
        }
    }
}

/// A stream that tells its watch what it reads and writes, and that lets other connections have their turn while it sends much.
pub(super) struct Watched {
    stream: TcpStream,
    watch: Watch,
    /// It has sent [`SENT_AT_ONCE`], and it is the others' turn.
    has_had_its_turn: bool,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, watch: Watch) -> Self {
        Watched {
            stream,
            watch,
            has_had_its_turn: false,
        }
    }

    /// Ready if it is this connection's turn to send. If not, its task goes to the end of the queue.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::take(&mut self.has_had_its_turn) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.watch.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let part = &buf[..buf.len().min(SENT_AT_ONCE)];
        let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
        self.has_had_its_turn = sent < buf.len();
        Poll::Ready(Ok(sent))
    }

    /// hyper flushes once it has written all that it has, so a flush that succeeds means that the answer has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.watch.all_written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().map(|buf| buf.len()).sum::<usize>() > SENT_AT_ONCE {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        ready!(self.poll_turn(cx));
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(watch: &Watch) -> Option<Duration> {
        let since = watch.0.lock().1;
        watch.deadline().map(|deadline| deadline - since)
    }

    #[test]
    fn each_part_of_a_conversation_has_its_own_limit() {
        let watch = Watch::accepted();
        assert_eq!(limit(&watch), Some(HEADER_TIME));
        watch.read();
        watch.answering();
        assert_eq!(limit(&watch), None);
        watch.answered();
        assert_eq!(limit(&watch), Some(WRITE_TIME));
        watch.all_written();
        assert_eq!(limit(&watch), Some(IDLE_TIME));
        watch.read();
        assert_eq!(limit(&watch), Some(HEADER_TIME));
    }

    #[test]
    fn progress_by_the_byte_extends_no_limit() {
        let watch = Watch::accepted();
        let first = watch.deadline();
        watch.read();
        assert_eq!(watch.deadline(), first);
        watch.answering();
        watch.answered();
        let first = watch.deadline();
        watch.read();
        watch.answering();
        watch.answered();
        assert_eq!(watch.deadline(), first, "of a pipelined request");
    }

    #[test]
    fn who_is_idle_goes_before_the_slow_and_they_before_those_who_wait_for_us() {
        let [answering, writing, reading, idle] = [(); 4].map(|()| Watch::accepted());
        answering.answering();
        writing.answered();
        idle.answered();
        idle.all_written();
        assert!(
            reading.claim() < idle.claim(),
            "the one without a request for longer"
        );
        assert!(idle.claim() < writing.claim());
        assert!(writing.claim() < answering.claim());
    }
}
