//! Driver calls that run on their callers' threads and are aborted at their limit: see
//! [`Driver::abort_handle`](crate::Driver::abort_handle).
//!
//! A call that can be aborted needs no helper thread, whose two wake-ups cost more than a round trip to a server nearby. One thread
//! watches the calls of all pools and does nothing else, so whatever may delay the timer cannot keep a call from being
//! aborted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

pub(crate) type Abort = Box<dyn FnOnce() + Send>;

/// Locked while it runs, so that the connection of the call cannot be dropped meanwhile and its socket number cannot pass to
/// another connection.
type AbortCell = Arc<Mutex<Option<Abort>>>;

static WATCHER: LazyLock<Watcher> = LazyLock::new(Watcher::default);

#[derive(Default)]
struct Watcher {
    /// Taken alone.
    calls: Mutex<Calls>,
    sooner: Condvar,
}

#[derive(Default)]
struct Calls {
    last: u64,
    /// Those not yet due.
    watched: Vec<Watched>,
    /// Until when the watcher's thread sleeps; `None`: until it is woken.
    look_at: Option<Instant>,
    has_thread: bool,
}

struct Watched {
    call: u64,
    due: Instant,
    abort: AbortCell,
}

/// A call that is being watched.
#[must_use = "it is watched until its end"]
pub(crate) struct Watch {
    call: u64,
    abort: AbortCell,
}

impl Watch {
    /// From now until [`end`](Watch::end), the call is aborted if it takes longer than `limit`. `None` means that nobody can watch
    /// it, because no thread can be started.
    pub(crate) fn begin(limit: Duration, abort: Abort) -> Option<Watch> {
        // No setting is longer.
        let due = Instant::now() + limit.min(CENTURY);
        let abort: AbortCell = Arc::new(Mutex::new(Some(abort)));
        let mut calls = WATCHER.calls.lock();
        if !calls.has_thread {
            let name = "queuepool-watch".to_owned();
            let thread = std::thread::Builder::new().name(name);
            calls.has_thread = thread.spawn(|| WATCHER.work()).is_ok();
            if !calls.has_thread {
                return None;
            }
        }
        calls.last += 1;
        let call = calls.last;
        let watched = Watched {
            call,
            due,
            abort: abort.clone(),
        };
        calls.watched.push(watched);
        if calls.look_at.is_none_or(|planned| planned > due) {
            calls.look_at = Some(due);
            WATCHER.sooner.notify_one();
        }
        Some(Watch { call, abort })
    }

    /// The call has ended and will not be aborted any more. Returns whether it was.
    pub(crate) fn end(self) -> bool {
        let mut calls = WATCHER.calls.lock();
        let position = calls.watched.iter().position(|one| one.call == self.call);
        let watched = position.map(|position| calls.watched.swap_remove(position));
        drop(calls);
        drop(watched);
        let unused = self.abort.lock().take();
        let aborted = unused.is_none();
        // A driver's own: its drop may panic.
        let _dropped = catch_unwind(AssertUnwindSafe(|| drop(unused)));
        aborted
    }
}

impl Watcher {
    fn work(&self) {
        let mut calls = self.calls.lock();
        loop {
            let now = Instant::now();
            let overdue: Vec<Watched> = calls
                .watched
                .extract_if(.., |watched| watched.due <= now)
                .collect();
            if !overdue.is_empty() {
                drop(calls);
                overdue.into_iter().for_each(Watched::abort);
                calls = self.calls.lock();
                continue;
            }
            calls.look_at = calls.watched.iter().map(|watched| watched.due).min();
            match calls.look_at {
                Some(due) => drop(self.sooner.wait_until(&mut calls, due)),
                None => self.sooner.wait(&mut calls),
            }
        }
    }
}

impl Watched {
    fn abort(self) {
        let mut cell = self.abort.lock();
        if let Some(abort) = cell.take() {
            // One that panics must not take the watcher with it.
            let _aborted = catch_unwind(AssertUnwindSafe(abort));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::base::timer;

    const LONG: Duration = Duration::from_secs(10);

    /// An abort that says so to who waits for it.
    fn signal() -> (Abort, impl FnOnce() -> bool) {
        let (abort, aborted) = channel();
        let abort: Abort = Box::new(move || abort.send(()).expect("a waiting call"));
        (abort, move || aborted.recv_timeout(LONG).is_ok())
    }

    #[test]
    fn a_call_was_aborted_exactly_if_its_end_says_so_and_never_after_it() {
        let work = |thread: u64| {
            let mut random = fastrand::Rng::with_seed(thread);
            let mut any = [false; 2];
            let mut ended = Vec::new();
            for _ in 0..300 {
                let flag = Arc::new(AtomicBool::new(false));
                let aborted = flag.clone();
                let abort: Abort = Box::new(move || aborted.store(true, SeqCst));
                let limit = Duration::from_micros(random.u64(0..2_000));
                let watch = Watch::begin(limit, abort).expect("a thread");
                thread::sleep(Duration::from_micros(random.u64(0..2_000)));
                let said = watch.end();
                assert_eq!(flag.load(SeqCst), said);
                any[usize::from(said)] = true;
                ended.push((flag, said));
            }
            thread::sleep(Duration::from_millis(20));
            for (flag, said) in ended {
                assert_eq!(flag.load(SeqCst), said);
            }
            assert_eq!(any, [true; 2], "some are aborted and some are not");
        };
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || work(thread));
            }
        });
    }

    #[test]
    fn a_call_on_the_timers_own_thread_is_aborted_too() {
        let (ended, ends) = channel();
        timer::after(Duration::ZERO, move || {
            let (abort, is_aborted) = signal();
            let watch = Watch::begin(Duration::from_millis(20), abort).expect("a thread");
            let aborted = is_aborted();
            ended.send((aborted, watch.end())).expect("the test waits");
        });
        assert_eq!(ends.recv_timeout(2 * LONG), Ok((true, true)));
    }

    #[test]
    fn an_abort_that_panics_or_whose_drop_does_harms_nobody() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }
        let owned = PanicsWhenDropped;
        let dropped: Abort = Box::new(move || drop(owned));
        assert!(!Watch::begin(LONG, dropped).expect("a thread").end());

        let panics: Abort = Box::new(|| panic!("on purpose"));
        let (abort, is_aborted) = signal();
        let both = [panics, abort].map(|abort| Watch::begin(Duration::ZERO, abort));
        assert!(is_aborted());
        assert!(both.into_iter().all(|watch| watch.expect("a thread").end()));
    }

    #[test]
    fn a_call_that_is_due_sooner_is_not_kept_by_one_that_is_due_later() {
        let late = Watch::begin(LONG, Box::new(|| ())).expect("a thread");
        // The watcher sleeps until then, by now.
        thread::sleep(Duration::from_millis(100));
        let (abort, is_aborted) = signal();
        let soon = Watch::begin(Duration::from_millis(1), abort).expect("a thread");
        assert!(is_aborted() && soon.end() && !late.end());
    }
}
