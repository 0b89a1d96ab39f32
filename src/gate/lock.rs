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
//! processors become free for the thread that holds the lock. The same checkout then takes 43 ms, half of what the kernel lets 32
//! threads wait that have no pool (`benches/README.md`). Nothing else depends on stalls: the long way is right at any time.
//!
//! The gate's lock is parking_lot's, because that is handed to a thread that waits for it once every half millisecond. With std's,
//! whoever is woken finds the lock taken again and again, and the same checkout takes 180 ms, stalls or not. A bay's lock is
//! another kind: see [`BayLock`].

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

#[cfg(not(queuepool_loom))]
pub(super) use bay::{BayLock, BayLockGuard};

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

    #[cold]
    fn during<T>(&self, lock: impl FnOnce() -> T) -> T {
        self.0.fetch_add(1, Relaxed);
        let guard = lock();
        self.0.fetch_sub(1, Relaxed);
        guard
    }
}

/// The gate's lock. The locks of one pool share their stalls.
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
            None => self.stalls.during(|| self.mutex.lock()),
        }
    }
}

#[cfg(queuepool_loom)]
pub(super) type BayLock<T> = Lock<T>;
#[cfg(queuepool_loom)]
pub(super) type BayLockGuard<'a, T> = MutexGuard<'a, T>;

#[cfg(not(queuepool_loom))]
mod bay {
    use std::hint::spin_loop;
    use std::thread::sleep;

    use spin::mutex::{SpinMutex, SpinMutexGuard};

    use super::{Arc, Duration, Lock, PATIENCE, Stalls};
    use crate::base::sync::Instant;

    /// How often a lock is tried before its holder is taken for one that does not run. That takes about 5 us, and the lock is held
    /// for 20 ns.
    const SPINS: u32 = 100;

    /// What is slept between two rounds of that.
    const PAUSE: Duration = Duration::from_micros(50);

    /// A bay's lock. Nearly always nobody else wants it, and then it costs half of what parking_lot's costs, 6 ns in place
    /// of 13: to let go of it is a plain store, because nobody has to be woken. Whoever finds it taken stands in line for it,
    /// behind a lock where threads sleep. Only the first in that line tries again and again, and it sleeps in between: on a
    /// single processor, and where the holder has a lower priority, that lets the holder go on.
    pub(in crate::gate) struct BayLock<T> {
        inside: SpinMutex<T>,
        line: Lock<()>,
    }

    pub(in crate::gate) type BayLockGuard<'a, T> = SpinMutexGuard<'a, T>;

    impl<T> BayLock<T> {
        pub(in crate::gate) fn new(value: T, stalls: Arc<Stalls>) -> Self {
            BayLock {
                inside: SpinMutex::new(value),
                line: Lock::new((), stalls),
            }
        }

        #[inline]
        pub(in crate::gate) fn stalls(&self) -> &Arc<Stalls> {
            self.line.stalls()
        }

        #[inline]
        pub(in crate::gate) fn try_lock(&self) -> Option<BayLockGuard<'_, T>> {
            self.inside.try_lock()
        }

        #[inline]
        pub(in crate::gate) fn lock(&self) -> BayLockGuard<'_, T> {
            match self.inside.try_lock() {
                Some(guard) => guard,
                None => self.stand_in_line(),
            }
        }

        #[cold]
        fn stand_in_line(&self) -> BayLockGuard<'_, T> {
            let _first = self.line.lock();
            let patient_until = Instant::now() + PATIENCE;
            while Instant::now() < patient_until {
                if let Some(guard) = self.try_often() {
                    return guard;
                }
                sleep(PAUSE);
            }
            self.stalls().during(|| {
                loop {
                    if let Some(guard) = self.try_often() {
                        return guard;
                    }
                    sleep(PAUSE);
                }
            })
        }

        fn try_often(&self) -> Option<BayLockGuard<'_, T>> {
            (0..SPINS).find_map(|_| {
                spin_loop();
                self.try_lock()
            })
        }
    }
}

#[cfg(all(test, not(queuepool_loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_long_for_a_lock_stalls_the_pool_until_it_has_it() {
        let stalls = Arc::new(Stalls::default());
        let gate = Lock::new(0, stalls.clone());
        let bay = BayLock::new(0, stalls.clone());
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
            for thread in waiting {
                thread.join().expect("a lock");
            }
        });
        assert_eq!((*gate.lock(), *bay.lock()), (1, 1));
        assert!(!stalls.any());
    }

    #[test]
    fn all_who_want_the_lock_of_a_bay_get_it_and_one_at_a_time() {
        let bay = BayLock::new(0, Arc::default());
        let times = if cfg!(miri) { 20 } else { 20_000 };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..times).for_each(|_| *bay.lock() += 1));
            }
        });
        assert_eq!(*bay.lock(), 8 * times);
    }
}
