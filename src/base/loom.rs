//! What stands in for the core's locks, conditions, threads and time under `--cfg queuepool_loom`, so that loom runs
//! the core itself through all interleavings (`tests/model`).
//!
//! loom fires no timed wait. Here time stands still until the model lets it [pass](let_time_pass), and that ends the
//! timed waits whose deadline it reaches: a time-out is a step like any other, which loom puts before and after each
//! step of the others. A wait whose deadline is never reached never ends by itself, so a wake-up that got lost is a
//! deadlock, which loom reports.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::ops::{Add, Deref, DerefMut, Sub};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use crate::base::fault::is_broken;
pub use crate::base::fault::{Fault, break_core};

// loom's threads are coroutines of one thread of the system, which is the test's.
thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static TIMED_WAITS: RefCell<Vec<TimedWait>> = const { RefCell::new(Vec::new()) };
    static IS_STRICT: Cell<bool> = const { Cell::new(false) };
    static NEXT_BAY: Cell<u64> = const { Cell::new(0) };
}

::loom::thread_local! {
    static OWN_BAY: u64 = NEXT_BAY.replace(NEXT_BAY.get() + 1);
}

/// Threads have bays by turns, in the order in which they come.
pub(crate) fn own_bay() -> u64 {
    OWN_BAY.with(|bay| *bay)
}

/// A moment: the time passed since the model began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Instant(NOW.get())
    }

    pub(crate) fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    pub(crate) fn checked_add(self, by: Duration) -> Option<Self> {
        self.0.checked_add(by).map(Instant)
    }

    pub(crate) fn duration_since(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, by: Duration) -> Instant {
        Instant(self.0 + by)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

/// There is no counter here that could be given up.
pub(crate) fn tell_if_slow() {}

/// What it guards stands beside loom's mutex, so that passing time can take any gate, whatever it guards.
pub(crate) struct Mutex<T> {
    gate: Arc<::loom::sync::Mutex<()>>,
    guarded: parking_lot::Mutex<T>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex {
            gate: Arc::new(::loom::sync::Mutex::new(())),
            guarded: parking_lot::Mutex::new(value),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let gate = pass(&self.gate);
        MutexGuard {
            mutex: self,
            // Behind the gate nobody else is.
            guarded: Some(self.guarded.lock()),
            gate: Some(gate),
        }
    }
}

impl<T> Mutex<T> {
    /// As if somebody always held it: the same steps follow in any case.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        None
    }

    /// Waits for ever: no time passes, so that the limit is never reached.
    pub(crate) fn try_lock_for(&self, _: Duration) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

fn pass(gate: &::loom::sync::Mutex<()>) -> ::loom::sync::MutexGuard<'_, ()> {
    gate.lock().expect("bug: loom's locks are never poisoned")
}

/// Its fields in the order in which they are let go.
pub(crate) struct MutexGuard<'a, T> {
    guarded: Option<parking_lot::MutexGuard<'a, T>>,
    gate: Option<::loom::sync::MutexGuard<'a, ()>>,
    mutex: &'a Mutex<T>,
}

impl<'a, T> MutexGuard<'a, T> {
    /// Lets go of the lock while `meanwhile` runs, which takes its gate and gives it back.
    fn without_lock(
        &mut self,
        meanwhile: impl FnOnce(::loom::sync::MutexGuard<'a, ()>) -> ::loom::sync::MutexGuard<'a, ()>,
    ) {
        self.guarded = None;
        self.gate = self.gate.take().map(meanwhile);
        self.guarded = Some(self.mutex.guarded.lock());
    }

    /// Lets go of the lock for a moment, which others may take it in.
    pub(crate) fn let_go(&mut self) {
        let mutex = self.mutex;
        self.without_lock(|gate| {
            drop(gate);
            pass(&mutex.gate)
        });
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guarded
            .as_ref()
            .expect("bug: looked at without the lock")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guarded
            .as_mut()
            .expect("bug: changed without the lock")
    }
}

pub(crate) struct Condvar(Arc<::loom::sync::Condvar>);

/// A thread that waits with a deadline.
struct TimedWait {
    deadline: Instant,
    gate: Arc<::loom::sync::Mutex<()>>,
    condition: Arc<::loom::sync::Condvar>,
}

pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar(Arc::new(::loom::sync::Condvar::new()))
    }

    pub(crate) fn notify_one(&self) {
        if !is_broken(Fault::GivesWithoutWaking) {
            self.0.notify_one();
        }
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        if deadline > Instant::now() {
            TIMED_WAITS.with_borrow_mut(|waits| {
                waits.push(TimedWait {
                    deadline,
                    gate: guard.mutex.gate.clone(),
                    condition: self.0.clone(),
                });
            });
            guard.without_lock(|gate| {
                self.0
                    .wait(gate)
                    .expect("bug: loom's locks are never poisoned")
            });
            TIMED_WAITS.with_borrow_mut(|waits| {
                let own = |wait: &TimedWait| {
                    wait.deadline == deadline && Arc::ptr_eq(&wait.condition, &self.0)
                };
                let position = waits.iter().position(own);
                waits.remove(position.expect("bug: a timed wait was not noted"));
            });
        }
        WaitTimeoutResult(deadline <= Instant::now())
    }
}

/// Stands in for crossbeam-channel's, which loom cannot look into: a list behind a lock. It shows that the core uses a channel
/// rightly, and says nothing of the channel itself.
pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        sent: Mutex::new(VecDeque::new()),
        arrived: Condvar::new(),
    });
    (Sender(channel.clone()), Receiver(channel))
}

struct Channel<T> {
    sent: Mutex<VecDeque<T>>,
    arrived: Condvar,
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

/// Nothing has arrived.
#[derive(Debug)]
pub(crate) struct Empty;

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        self.0.sent.lock().push_back(value);
        self.0.arrived.notify_one();
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, Empty> {
        self.0.sent.lock().pop_front().ok_or(Empty)
    }

    pub(crate) fn recv_timeout(&self, limit: Duration) -> Result<T, Empty> {
        let end = Instant::now() + limit;
        let mut sent = self.0.sent.lock();
        loop {
            if let Some(value) = sent.pop_front() {
                return Ok(value);
            }
            if self.0.arrived.wait_until(&mut sent, end).timed_out() {
                return sent.pop_front().ok_or(Empty);
            }
        }
    }
}

pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    ::loom::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map(drop)
}

/// Time passes, under the lock that `lock` takes, and the timed waits whose deadline it reaches end.
pub(crate) fn let_time_pass<G>(by: Duration, lock: impl FnOnce() -> G) {
    {
        let _guard = lock();
        NOW.set(NOW.get() + by);
    }
    let now = Instant::now();
    let due: Vec<_> = TIMED_WAITS.with_borrow(|waits| {
        let due = waits.iter().filter(|wait| wait.deadline <= now);
        due.map(|wait| (wait.gate.clone(), wait.condition.clone()))
            .collect()
    });
    for (gate, condition) in due {
        // Behind the gate, the waiting thread has not yet read the time or waits already.
        let _waits = pass(&gate);
        condition.notify_all();
    }
}

/// Before the first step of each interleaving. Strict: every connection that comes back is handed to the oldest waiter, as if that
/// one had waited long enough. Not strict: none is, since time stands still.
pub fn begin(strict: bool) {
    IS_STRICT.set(strict);
    NOW.set(Duration::ZERO);
    TIMED_WAITS.with_borrow_mut(Vec::clear);
    NEXT_BAY.set(0);
}

pub(crate) fn is_strict() -> bool {
    IS_STRICT.get()
}
