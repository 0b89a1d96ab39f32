//! [`Condvar`].

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use crate::mutex::MutexGuard;
use crate::{check, deadline};

pub struct Condvar(Box<UnsafeCell<libc::pthread_cond_t>>);

// SAFETY: pthread's condition variables are made to be shared.
unsafe impl Send for Condvar {}
// SAFETY: as above.
unsafe impl Sync for Condvar {}

impl Condvar {
    pub fn new() -> Self {
        let condition = Box::new(UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER));
        let mut attributes = MaybeUninit::<libc::pthread_condattr_t>::uninit();
        // SAFETY: the attributes are initialised before anything else, and the condition variable does not move.
        unsafe {
            check(libc::pthread_condattr_init(attributes.as_mut_ptr()));
            check(libc::pthread_condattr_setclock(
                attributes.as_mut_ptr(),
                libc::CLOCK_MONOTONIC,
            ));
            check(libc::pthread_cond_init(
                condition.get(),
                attributes.as_ptr(),
            ));
            check(libc::pthread_condattr_destroy(attributes.as_mut_ptr()));
        }
        Condvar(condition)
    }

    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        // SAFETY: the guard holds the lock.
        check(unsafe { libc::pthread_cond_wait(self.0.get(), guard.mutex.raw.get()) });
    }

    pub fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        moment: Instant,
    ) -> WaitTimeoutResult {
        self.wait_for(guard, moment.saturating_duration_since(Instant::now()))
    }

    pub fn wait_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        limit: Duration,
    ) -> WaitTimeoutResult {
        let until = deadline(libc::CLOCK_MONOTONIC, limit);
        // SAFETY: the guard holds the lock.
        let result =
            unsafe { libc::pthread_cond_timedwait(self.0.get(), guard.mutex.raw.get(), &until) };
        WaitTimeoutResult(result == libc::ETIMEDOUT)
    }

    /// Returns a fixed value, because pthread does not say whether it woke anybody.
    pub fn notify_one(&self) -> bool {
        // SAFETY: initialised, and at its final address.
        check(unsafe { libc::pthread_cond_signal(self.0.get()) });
        false
    }

    /// Returns a fixed value, because pthread does not say whom it woke.
    pub fn notify_all(&self) -> usize {
        // SAFETY: as above.
        check(unsafe { libc::pthread_cond_broadcast(self.0.get()) });
        0
    }
}

impl Drop for Condvar {
    fn drop(&mut self) {
        // SAFETY: nobody waits, because a waiter would borrow it.
        check(unsafe { libc::pthread_cond_destroy(self.0.get()) });
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub fn timed_out(self) -> bool {
        self.0
    }
}
