//! Driver calls that run on their callers' threads and are cut off at their limit.
//!
//! A call that another thread can cut off needs no helper thread, whose two wake-ups cost more than a round trip to a
//! server nearby.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::later;
use crate::places::TIMER;
use crate::sync::{Instant, Mutex};

/// What ends a call that blocks: see [`Driver::abort_handle`](crate::Driver::abort_handle).
pub(crate) type Abort = Box<dyn FnOnce() + Send>;

/// The calls of one pool that are under way and can be cut off.
#[derive(Default)]
pub(crate) struct Watch {
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    watched: Vec<Watched>,
    /// When the timer looks next.
    look_at: Option<Instant>,
}

struct Watched {
    call: u64,
    due: Instant,
    /// `None` once it was used.
    abort: Option<Abort>,
}

impl Watch {
    /// Runs `call` here; unless it has ended after `limit`, `abort` ends it. The flag says that it did.
    pub(crate) fn run<T>(
        self: &Arc<Self>,
        limit: Duration,
        abort: Abort,
        call: impl FnOnce() -> T,
    ) -> (std::thread::Result<T>, bool) {
        let watched = self.begin(later(Instant::now(), limit), abort);
        let result = catch_unwind(AssertUnwindSafe(call));
        (result, self.end(watched))
    }

    fn begin(self: &Arc<Self>, due: Instant, abort: Abort) -> u64 {
        let mut calls = self.calls.lock();
        calls.last += 1;
        let call = calls.last;
        let abort = Some(abort);
        calls.watched.push(Watched { call, due, abort });
        self.look_again(&mut calls, due);
        call
    }

    /// Whether the call was cut off. From here on it will not be.
    fn end(&self, call: u64) -> bool {
        let mut calls = self.calls.lock();
        let position = calls
            .watched
            .iter()
            .position(|watched| watched.call == call)
            .expect("bug: a call that nobody watched has ended");
        calls.watched.swap_remove(position).abort.is_none()
    }

    fn look_again(self: &Arc<Self>, calls: &mut Calls, at: Instant) {
        if calls.look_at.is_some_and(|planned| planned <= at) {
            return;
        }
        calls.look_at = Some(at);
        if cfg!(queuepool_loom) {
            return; // no model's driver can be cut off
        }
        let watch = Arc::downgrade(self);
        let delay = at.saturating_duration_since(Instant::now());
        TIMER.execute_after(delay, move || Watch::look(&watch));
    }

    /// Cuts off what is past its limit, under the lock, so that no connection ends and no socket is another's meanwhile.
    fn look(watch: &Weak<Watch>) {
        let Some(watch) = watch.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut calls = watch.calls.lock();
        if calls.look_at.is_none_or(|planned| planned > now) {
            return; // a look that came earlier has seen to it
        }
        calls.look_at = None;
        let overdue = calls
            .watched
            .iter_mut()
            .filter(|watched| watched.due <= now);
        for abort in overdue.filter_map(|watched| watched.abort.take()) {
            // One that panics must not take the timer of all pools with it.
            let _aborted = catch_unwind(AssertUnwindSafe(abort));
        }
        let next = calls
            .watched
            .iter()
            .filter(|watched| watched.abort.is_some())
            .map(|watched| watched.due)
            .min();
        if let Some(next) = next {
            watch.look_again(&mut calls, next);
        }
    }
}
