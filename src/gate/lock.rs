//! The locks of a pool, and what happens when one is held by a thread that does not run.
//!
//! The gate's lock and those of the bays are held for less than a microsecond. But the kernel may take the processor from a thread
//! while it holds one, and gives it back when the other threads that are ready have had their turns. Whoever needs that lock
//! sleeps meanwhile; so does whoever needs the gate's, if the one who sleeps holds it. Threads that take turns with themselves
//! in bays of their own need neither. They never sleep, and use up one time slice after the other, while the rest of
//! the pool stands still. With 32 threads on 10 connections, on two processors, a checkout took 240 ms in the worst case.
//!
//! So whoever has waited for a lock for [`PATIENCE`] declares a **stall**, which lasts until it has the lock. During a stall the
//! [short way out](super::bay::Bay::take) is closed. Who comes takes the long way and sleeps at the gate like the others, and the
//! processors become free for the thread that holds the lock. The same checkout then takes 60 ms, which is how long the kernel
//! lets any of 32 threads wait (`benches/README.md`). Nothing else depends on stalls: the long way is right at any time.
//!
//! The locks are parking_lot's, because those are handed to the thread that waits for them once every half millisecond. With std's,
//! whoever is woken finds the lock taken again and again, and the same checkout takes 180 ms, stalls or not.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::base::sync::{Mutex, MutexGuard};

/// Thousands of times longer than a lock is held, and a quarter of a time slice. It makes no difference whether it is a tenth of
/// this.
const PATIENCE: Duration = Duration::from_millis(1);

/// How many threads have waited for a lock of one pool for [`PATIENCE`], and still wait. On a cache line of its own, and on the
/// next one, because every checkout looks at it.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Stalls(AtomicU32);

impl Stalls {
    /// Whether somebody cannot get a lock because its holder does not run.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

/// A lock of a pool. The locks of one pool share their stalls.
pub(super) struct Lock<T> {
    mutex: Mutex<T>,
    stalls: Arc<Stalls>,
}

impl<T> Lock<T> {
    pub(super) fn new(value: T, stalls: Arc<Stalls>) -> Self {
        Lock {
            mutex: Mutex::new(value),
            stalls,
        }
    }

    pub(super) fn stalls(&self) -> &Arc<Stalls> {
        &self.stalls
    }

    #[inline]
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.mutex.try_lock()
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        match self.mutex.try_lock_for(PATIENCE) {
            Some(guard) => guard,
            None => self.lock_in_a_stall(),
        }
    }

    #[cold]
    fn lock_in_a_stall(&self) -> MutexGuard<'_, T> {
        self.stalls.0.fetch_add(1, Relaxed);
        let guard = self.mutex.lock();
        self.stalls.0.fetch_sub(1, Relaxed);
        guard
    }
}

#[cfg(all(test, not(queuepool_loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_waits_long_for_a_lock_stalls_its_pool_until_it_has_it() {
        let stalls = Arc::new(Stalls::default());
        let gate = Lock::new(0, stalls.clone());
        let bay = Lock::new(0, stalls.clone());
        thread::scope(|scope| {
            let held = (gate.lock(), bay.lock());
            let waiting = [
                scope.spawn(|| *gate.lock() += 1),
                scope.spawn(|| *bay.lock() += 1),
            ];
            while stalls.0.load(Relaxed) < 2 {
                thread::yield_now();
            }
            drop(held);
            waiting.map(|thread| thread.join().expect("a lock"));
        });
        assert_eq!((*gate.lock(), *bay.lock()), (1, 1));
        assert!(!stalls.any());
    }
}
