//! The server's connections: a limited number of them, each with deadlines.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::base::log::say;
use crate::http::Response;
use crate::http::answers::Answers;
use crate::http::limits::{CONNECTIONS, HEADER_BYTES, HEADER_TIME};
use crate::http::watch::{Watch, Watched};

/// The pause between two attempts to accept a connection while the system refuses, as it does when the process has no file
/// descriptor left.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections for as long as the server runs.
pub(super) async fn accept(listener: TcpListener, answers: Answers) {
    let seats = Seats::default();
    let mut number = 0;
    let mut refused = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                refused = false;
                number += 1;
                seats.seat(number, stream, answers.clone());
                // The request may have arrived already. This lets the task read it before the next connection is accepted, which
                // may take over its seat: a connection whose request is being answered is less likely to lose it.
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !refused {
                    say!(
                        Warn,
                        "queuepool::http",
                        "no connection can be accepted: {error}"
                    );
                }
                refused = true;
                seats.free_one();
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

/// The open connections, by number. Clones share them.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<BTreeMap<u64, (Watch, AbortHandle)>>>);

impl Seats {
    fn seat(&self, number: u64, stream: TcpStream, answers: Answers) {
        if self.0.lock().len() >= CONNECTIONS {
            self.free_one();
        }
        let watch = Watch::accepted();
        let seat = Seat {
            seats: self.clone(),
            number,
        };
        let conversation = converse(stream, watch.clone(), answers, seat);
        // The connection is entered before its task first runs, since both happen on this thread.
        let task = tokio::spawn(conversation).abort_handle();
        self.0.lock().insert(number, (watch, task));
    }

    fn free_one(&self) {
        let mut seats = self.0.lock();
        let least = seats.iter().min_by_key(|(_, (watch, _))| watch.claim());
        if let Some(number) = least.map(|(number, _)| *number)
            && let Some((_, task)) = seats.remove(&number)
        {
            task.abort();
        }
    }
}

/// Frees the connection's seat when the connection ends, in whatever way.
struct Seat {
    seats: Seats,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.0.lock().remove(&self.number);
    }
}

/// Answers one client's requests until it goes away or takes too long.
async fn converse(stream: TcpStream, watch: Watch, answers: Answers, _seat: Seat) {
    // With Nagle's algorithm, an answer might have to wait for the client's acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (answers, watch) = (answers.clone(), watch.clone());
        async move {
            watch.answering();
            let response = answers.to(request.method(), request.uri()).await;
            watch.answered();
            Ok::<_, Infallible>(in_bytes(response))
        }
    });
    let watched = Watched {
        stream,
        watch: watch.clone(),
    };
    let mut connection = pin!(
        http1::Builder::new()
            // Off, because our own deadlines also tell an idle connection from a slow header, and cover slow readers.
            .header_read_timeout(None)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(TokioIo::new(watched), service)
    );
    let mut limit = pin!(sleep_until(Instant::now() + HEADER_TIME));
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(deadline) = watch.deadline() else {
            return Poll::Pending;
        };
        if limit.deadline() != deadline {
            limit.as_mut().reset(deadline);
        }
        limit.as_mut().poll(cx)
    })
    .await;
}

fn in_bytes(response: Response) -> hyper::Response<Full<Bytes>> {
    let Response {
        status,
        content_type,
        headers,
        body,
    } = response;
    let mut builder = hyper::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        // Set here because of HEAD, whose answer has no body from which hyper could take the length.
        .header(CONTENT_LENGTH, body.len());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Full::new(Bytes::from(body)))
        .expect("bug: a status or header of our own is malformed")
}
