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
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::base::log::say;
use crate::http::answers::{Answer, Answers};
use crate::http::limits::{CONNECTIONS, HEADER_BYTES, HEADER_TIME};
use crate::http::watch::{Watch, Watched};

/// The pause between two attempts to accept a connection while the system refuses, as it does when the process has no file
/// descriptor left, and no idle connection can be given up for the new one.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// The least time between two warnings of refused connections, so that clients cannot fill the log.
const WARNED_AGAIN: Duration = Duration::from_secs(60);

/// Accepts connections for as long as the server runs.
pub(super) async fn accept(listener: TcpListener, answers: Answers) {
    let seats = Seats::default();
    let mut number = 0;
    let mut warned = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                number += 1;
                seats.seat(number, stream, answers.clone());
                // The request may have arrived already. This lets the task read it before the next connection is accepted, which
                // may take over its seat: a connection whose request is being answered is less likely to lose it.
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if is_due(&mut warned, Instant::now()) {
                    say!(
                        Warn,
                        "queuepool::http",
                        "no connection can be accepted: {error}"
                    );
                }
                if !seats.give_up_one().await {
                    sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }
}

/// Whether to warn again. Refusals and successes may take turns, with each client that comes.
fn is_due(warned: &mut Option<Instant>, now: Instant) -> bool {
    let due = warned.is_none_or(|before| now >= before + WARNED_AGAIN);
    if due {
        *warned = Some(now);
    }
    due
}

/// The open connections, by number. Clones share them.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<BTreeMap<u64, Seated>>>);

/// What a connection is doing, and the task in which it does it.
type Seated = (Watch, JoinHandle<()>);

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
        let task = tokio::spawn(conversation);
        self.0.lock().insert(number, (watch, task));
    }

    /// Ends the connection with the least claim to its seat.
    fn free_one(&self) -> Option<Seated> {
        let mut seats = self.0.lock();
        let least = seats.iter().min_by_key(|(_, (watch, _))| watch.claim());
        let number = least.map(|(number, _)| *number)?;
        let freed = seats.remove(&number)?;
        freed.1.abort();
        Some(freed)
    }

    /// Ends the connection with the least claim, and waits until its file descriptor is free. Returns whether another may be
    /// accepted at once. It may not if the connection was being answered: otherwise each client would be cut off by the next,
    /// and none would be answered.
    async fn give_up_one(&self) -> bool {
        let Some((watch, task)) = self.free_one() else {
            return false;
        };
        let was_idle = watch.is_idle();
        // An error, since it was aborted.
        let _ = task.await;
        was_idle
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
            let answer = answers.to(&request).await;
            watch.answered();
            Ok::<_, Infallible>(response(answer))
        }
    });
    let watched = Watched::new(stream, watch.clone());
    let mut connection = pin!(
        http1::Builder::new()
            // Off, because our own deadlines also tell an idle connection from a slow header, and cover slow readers.
            .header_read_timeout(None)
            // Some clients say with their request that they will send no more.
            .half_close(true)
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

fn response(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let Answer {
        status,
        content_type,
        headers,
        body,
    } = answer;
    let mut builder = hyper::Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        // Set here because of HEAD, whose answer has no body from which hyper could take the length.
        .header(CONTENT_LENGTH, body.len());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Full::new(body))
        .expect("bug: a status or header of our own is malformed")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::http::Options;
    use crate::http::admission::Admission;
    use crate::registry::Registry;

    fn answers() -> Answers {
        let loopback = [127, 0, 0, 1].into();
        let admission = Admission::new(Options::default(), loopback).unwrap();
        Answers::from(Registry::new(), admission)
    }

    /// A connection that has just been accepted, and the client's end of it.
    async fn connected(seats: &Seats, number: u64) -> std::net::TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        seats.seat(number, stream, answers());
        client
    }

    #[test]
    fn refused_connections_are_warned_of_once_a_minute() {
        let (mut warned, start) = (None, Instant::now());
        let due = [0, 1, 59, 60, 61, 120].map(|second| {
            let now = start + Duration::from_secs(second);
            is_due(&mut warned, now)
        });
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn for_a_refused_connection_an_idle_one_is_closed_before_the_next_attempt() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let seats = Seats::default();
            assert!(!seats.give_up_one().await, "there is none");
            let (mut oldest, answered) = (connected(&seats, 1).await, connected(&seats, 2).await);
            answered.set_nonblocking(true).unwrap();
            oldest
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
            seats.0.lock()[&2].0.answering();
            assert!(seats.give_up_one().await);
            // No task has run since, so its file descriptor was free when give_up_one returned.
            assert_eq!(oldest.read(&mut [0]).unwrap(), 0);
            let error = (&answered).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(!seats.give_up_one().await, "it was being answered");
            assert!(seats.0.lock().is_empty());
        });
    }
}
