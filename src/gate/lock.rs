//! The locks of a pool, and what happens when one is held by a thread that does not run.
//!
//! The gate's lock and those of the bays are held for 20 ns on the short ways, and for microseconds where all of a pool is read.
//! But the kernel may take the processor from a thread while it holds one, and gives it back when the other threads that are
//! ready have had their turns. Whoever needs that lock sleeps meanwhile; so does whoever needs the gate's, if the one who sleeps
//! holds it. Threads that get and return in bays of their own need neither lock. They never sleep, and use up one time slice after
//! the other, while the rest of the pool stands still. With 32 threads on 10 connections, on two processors, that took 310 ms.
//!
//! So whoever waits for the gate's lock, or waits with it for a bay's, declares a **stall** if that lock has hardly changed hands
//! for [`PATIENCE`]. The stall lasts until the waiter has the lock. Meanwhile the [short way out](super::bay::Bay::take) is
//! closed: whoever comes takes the long way and sleeps at the gate like the others, and the processors become free for the thread
//! that holds the lock. The same wait is then shorter than the longest of threads without a pool (`benches/README.md`). Nothing
//! else depends on stalls: the long way is right at any time.
//!
//! The gate's lock is parking_lot's, because that is handed to a thread that waits for it once every half millisecond. With std's,
//! whoever is woken finds the lock taken again and again, and the longest wait was three times as long, stalls or not. A bay's
//! lock is another kind: see [`BayLock`].

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

#[cfg(not(queuepool_loom))]
pub(super) use bay::{BayLock, BayLockGuard};

use crate::base::sync::{Mutex, MutexGuard};

/// Thousands of times longer than a lock is held, and a quarter of a time slice. It made no difference whether it was a tenth of
/// this.
const PATIENCE: Duration = Duration::from_millis(1);

/// A gate's lock that was taken more often than this in [`PATIENCE`] is busy: its holders run, and to send more threads to the gate
/// would only make the wait longer. A checkout and a return at a busy gate hold it for less than a microsecond each. With a tenth
/// of this the longest wait was half as long again.
const FEW: u32 = 500;

/// How many threads of a pool have declared a stall that is not over. On lines of its own in the processors' caches, because every
/// checkout looks at it: 128 bytes, as they are fetched in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Stalls(AtomicU32);

impl Stalls {
    /// Whether there is a stall.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn declare(&self) -> Stall<'_> {
        self.0.fetch_add(1, Relaxed);
        Stall(self)
    }
}

/// A stall, which ends when this is dropped.
struct Stall<'a>(&'a Stalls);

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// The gate's lock.
pub(super) struct Lock<T> {
    mutex: Mutex<T>,
    /// How often it was taken, so that who waits can tell a holder that does not run from many that take turns. Changed under the
    /// lock.
    turns: AtomicU32,
    stalls: Arc<Stalls>,
}

impl<T> Lock<T> {
    pub(super) fn new(value: T, stalls: Arc<Stalls>) -> Self {
        Lock {
            mutex: Mutex::new(value),
            turns: AtomicU32::new(0),
            stalls,
        }
    }

    #[inline]
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = self.mutex.try_lock()?;
        self.count_turn();
        Some(guard)
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        let before = self.turns.load(Relaxed);
        let guard = match self.mutex.try_lock_for(PATIENCE) {
            Some(guard) => guard,
            None => self.wait(before, |limit| self.mutex.try_lock_for(limit)),
        };
        self.count_turn();
        guard
    }

    #[inline]
    fn count_turn(&self) {
        self.turns
            .store(self.turns.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Waits for the lock, which has been taken so often before, by this way of trying.
    #[cold]
    fn wait<'a>(
        &'a self,
        mut before: u32,
        mut try_for: impl FnMut(Duration) -> Option<MutexGuard<'a, T>>,
    ) -> MutexGuard<'a, T> {
        let mut patience = PATIENCE;
        loop {
            let turns = self.turns.load(Relaxed);
            if turns.wrapping_sub(before) < FEW {
                let _stall = self.stalls.declare();
                return self.mutex.lock();
            }
            // Each of these waits begins at the end of parking_lot's line, so the next one is longer.
            before = turns;
            patience *= 2;
            if let Some(guard) = try_for(patience) {
                return guard;
            }
        }
    }
}

/// The models have one kind of lock, and no stalls: both only choose between ways that are right.
#[cfg(queuepool_loom)]
pub(super) type BayLock<T> = Lock<T>;
#[cfg(queuepool_loom)]
pub(super) type BayLockGuard<'a, T> = MutexGuard<'a, T>;

#[cfg(queuepool_loom)]
impl<T> Lock<T> {
    pub(super) fn stalls(&self) -> &Arc<Stalls> {
        &self.stalls
    }

    pub(super) fn lock_alone(&self) -> MutexGuard<'_, T> {
        self.lock()
    }
}

#[cfg(not(queuepool_loom))]
mod bay {
    use std::hint::spin_loop;
    use std::thread::sleep;

    use spin::mutex::{SpinMutex, SpinMutexGuard};

    use super::{Arc, Duration, Mutex, PATIENCE, Stalls};
    use crate::base::sync::Instant;

    /// For how long a lock is tried before its holder is taken for one that does not run. The short ways hold it for 20 ns.
    const SPIN: Duration = Duration::from_micros(5);

    /// What is slept between two rounds of that, by the system's clock: 0.1 ms on Linux, half a millisecond and more on Windows.
    const PAUSE: Duration = Duration::from_micros(50);

    /// A bay's lock. Nearly always nobody else wants it, and then it costs half of what parking_lot's costs, 6 ns in place
    /// of 13: to let go of it is a plain store, because nobody has to be woken. Whoever finds it taken stands in line for it,
    /// behind a lock where threads sleep. Only the first in that line tries again and again, and it sleeps in between: on a
    /// single processor, and where the holder has a lower priority, that lets the holder go on.
    pub(in crate::gate) struct BayLock<T> {
        inside: SpinMutex<T>,
        line: Mutex<()>,
        stalls: Arc<Stalls>,
    }

    pub(in crate::gate) type BayLockGuard<'a, T> = SpinMutexGuard<'a, T>;

    impl<T> BayLock<T> {
        pub(in crate::gate) fn new(value: T, stalls: Arc<Stalls>) -> Self {
            BayLock {
                inside: SpinMutex::new(value),
                line: Mutex::new(()),
                stalls,
            }
        }

        #[inline]
        pub(in crate::gate) fn stalls(&self) -> &Arc<Stalls> {
            &self.stalls
        }

        #[inline]
        pub(in crate::gate) fn try_lock(&self) -> Option<BayLockGuard<'_, T>> {
            self.inside.try_lock()
        }

        /// For whoever holds the gate's lock: others wait for it meanwhile, so a stall is declared in time.
        #[inline]
        pub(in crate::gate) fn lock(&self) -> BayLockGuard<'_, T> {
            self.try_lock().unwrap_or_else(|| self.stand_in_line(true))
        }

        /// For whoever holds no other lock. To send everybody to the gate, which is free, would help nobody.
        #[inline]
        pub(in crate::gate) fn lock_alone(&self) -> BayLockGuard<'_, T> {
            self.try_lock().unwrap_or_else(|| self.stand_in_line(false))
        }

        #[cold]
        fn stand_in_line(&self, declares: bool) -> BayLockGuard<'_, T> {
            let mut stall = None;
            let _first = self.line.try_lock_for(PATIENCE).unwrap_or_else(|| {
                stall = declares.then(|| self.stalls.declare());
                self.line.lock()
            });
            let patient_until = Instant::now() + PATIENCE;
            loop {
                if let Some(guard) = self.try_for(SPIN) {
                    return guard;
                }
                sleep(PAUSE);
                if declares && stall.is_none() && Instant::now() >= patient_until {
                    stall = Some(self.stalls.declare());
                }
            }
        }

        fn try_for(&self, limit: Duration) -> Option<BayLockGuard<'_, T>> {
            let end = Instant::now() + limit;
            loop {
                if let Some(guard) = self.try_lock() {
                    return Some(guard);
                }
                if Instant::now() >= end {
                    return None;
                }
                spin_loop();
            }
        }
    }

    #[cfg(test)]
    impl<T> BayLock<T> {
        pub(super) fn somebody_stands_in_line(&self) -> bool {
            self.line.try_lock().is_none()
        }
    }
}

#[cfg(all(test, not(queuepool_loom)))]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Panics after ten seconds.
    fn until(is_so: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < end, "it never became so");
            thread::yield_now();
        }
    }

    #[test]
    fn who_waits_long_for_a_lock_stalls_the_pool_until_it_has_it() {
        let stalls = Arc::new(Stalls::default());
        let gate = Lock::new(0, stalls.clone());
        let bay = BayLock::new(0, stalls.clone());
        thread::scope(|scope| {
            let held = (gate.lock(), bay.lock());
            scope.spawn(|| *gate.lock() += 1);
            scope.spawn(|| *bay.lock() += 1);
            until(|| stalls.0.load(Relaxed) == 2);
            drop(held);
        });
        assert_eq!((*gate.lock(), *bay.lock()), (1, 1));
        assert!(!stalls.any());
    }

    #[test]
    fn who_waits_for_a_bay_without_the_gates_lock_declares_no_stall() {
        let stalls = Arc::new(Stalls::default());
        let bay = BayLock::new(0, stalls.clone());
        thread::scope(|scope| {
            let held = bay.lock_alone();
            scope.spawn(|| *bay.lock_alone() += 1);
            until(|| bay.somebody_stands_in_line());
            thread::sleep(5 * PATIENCE);
            assert!(!stalls.any());
            drop(held);
        });
        assert_eq!(*bay.lock(), 1);
    }

    #[test]
    fn no_stall_is_declared_while_the_lock_changes_hands() {
        let stalls = Arc::new(Stalls::default());
        let gate = Lock::new((), stalls.clone());
        let mut limits = Vec::new();
        // It has changed hands often before the first of these waits and in the first two.
        (0..FEW).for_each(|_| gate.count_turn());
        let _guard = gate.wait(0, |limit| {
            assert!(!stalls.any());
            limits.push(limit);
            let turns = if limits.len() < 3 { FEW } else { FEW - 1 };
            (0..turns).for_each(|_| gate.count_turn());
            None
        });
        assert_eq!(limits, [2 * PATIENCE, 4 * PATIENCE, 8 * PATIENCE]);
    }

    #[test]
    fn all_who_want_the_lock_of_a_bay_get_it_and_one_at_a_time() {
        let bay = BayLock::new(0, Arc::default());
        let times = if cfg!(miri) { 20 } else { 20_000 };
        thread::scope(|scope| {
            let held = bay.lock();
            for _ in 0..8 {
                scope.spawn(|| (0..times).for_each(|_| *bay.lock() += 1));
            }
            until(|| bay.somebody_stands_in_line());
            drop(held);
        });
        assert_eq!(*bay.lock(), 8 * times);
    }
}
