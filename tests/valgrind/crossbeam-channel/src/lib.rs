//! The parts of crossbeam-channel that the pool uses, built on pthread's locks, so that valgrind's tools see that what is sent
//! happened before what is done with it. Its lock also orders what the real channel does not, such as two sends: a race
//! between those would not be seen. It is meant for nothing else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

struct Channel<T> {
    state: Mutex<State<T>>,
    /// Something was sent, or the last sender is gone.
    changed: Condvar,
}

struct State<T> {
    sent: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
}

pub struct Sender<T>(Arc<Channel<T>>);

pub struct Receiver<T>(Arc<Channel<T>>);

/// Nobody is left to receive it.
#[derive(Debug)]
pub struct SendError<T>(pub T);

/// Nothing came in time, or nobody is left to send.
#[derive(Debug)]
pub struct RecvTimeoutError;

/// Nothing is there.
#[derive(Debug)]
pub struct TryRecvError;

#[derive(Debug)]
pub struct TrySendError;

pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// The pool only tries to send into a channel with a bound.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        state: Mutex::new(State {
            sent: VecDeque::new(),
            capacity,
            senders: 1,
            receivers: 1,
        }),
        changed: Condvar::new(),
    });
    (Sender(channel.clone()), Receiver(channel))
}

/// Nothing comes from it, and its sender is never gone.
pub fn never<T>() -> Receiver<T> {
    let (sender, receiver) = unbounded();
    std::mem::forget(sender);
    receiver
}

impl<T> Sender<T> {
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.state.lock();
        if state.receivers == 0 {
            return Err(SendError(value));
        }
        state.sent.push_back(value);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    pub fn try_send(&self, value: T) -> Result<(), TrySendError> {
        let mut state = self.0.state.lock();
        if state.receivers == 0 || state.sent.len() >= state.capacity {
            return Err(TrySendError);
        }
        state.sent.push_back(value);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().senders -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> Receiver<T> {
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.state.lock().sent.pop_front().ok_or(TryRecvError)
    }

    pub fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        // The pool's longest limit may be beyond what a moment can hold.
        let until = Instant::now() + limit.min(Duration::from_secs(24 * 3600));
        let mut state = self.0.state.lock();
        loop {
            if let Some(value) = state.sent.pop_front() {
                return Ok(value);
            }
            if state.senders == 0 || self.0.changed.wait_until(&mut state, until).timed_out() {
                return state.sent.pop_front().ok_or(RecvTimeoutError);
            }
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().receivers += 1;
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.receivers -= 1;
        if state.receivers == 0 {
            // What is still there is dropped with the last receiver, and not under the lock.
            let left = std::mem::take(&mut state.sent);
            drop(state);
            drop(left);
        }
    }
}

/// What [`after`] returns.
pub struct Tick(Instant);

pub fn after(delay: Duration) -> Tick {
    Tick(Instant::now() + delay.min(Duration::from_secs(24 * 3600)))
}

impl Tick {
    /// Whether something has come by this moment, or nobody is left to send.
    #[doc(hidden)]
    pub fn is_late_for<T>(&self, receiver: &Receiver<T>) -> bool {
        let left = self.0.saturating_duration_since(Instant::now());
        receiver.recv_timeout(left).is_ok() || receiver.0.state.lock().senders == 0
    }

    /// As [`is_late_for`](Tick::is_late_for), of two receivers: `true` for the first, `false` for the second.
    #[doc(hidden)]
    pub fn later_than<A, B>(&self, first: &Receiver<A>, second: &Receiver<B>) -> Option<bool> {
        let turn = || after(Duration::from_millis(1).min(self.0 - Instant::now()));
        loop {
            if turn().is_late_for(first) {
                return Some(true);
            }
            if turn().is_late_for(second) {
                return Some(false);
            }
            if self.0 <= Instant::now() {
                return None;
            }
        }
    }
}

/// One receiver or two, and a moment, which is how the pool uses it.
#[macro_export]
macro_rules! select {
    (recv($receiver:expr) -> _ => $received:expr, recv($tick:expr) -> _ => $ticked:expr $(,)?) => {
        if $tick.is_late_for(&$receiver) {
            $received
        } else {
            $ticked
        }
    };
    (
        recv($first:expr) -> _ => $first_received:expr,
        recv($second:expr) -> _ => $second_received:block
        recv($tick:expr) -> _ => $ticked:expr $(,)?
    ) => {
        match $tick.later_than(&$first, &$second) {
            Some(true) => $first_received,
            Some(false) => $second_received,
            None => $ticked,
        }
    };
}
