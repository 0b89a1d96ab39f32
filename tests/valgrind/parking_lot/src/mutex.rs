//! [`Mutex`].

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use crate::{check, deadline};

/// It is never destroyed: valgrind's tools forget a lock when its memory is freed, and glibc's holds no resources. It may
/// be moved before it is first locked, and while it is unlocked and nobody refers to it.
pub(crate) struct Raw(UnsafeCell<libc::pthread_mutex_t>);

impl Raw {
    const fn new() -> Self {
        Raw(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    pub(crate) fn get(&self) -> *mut libc::pthread_mutex_t {
        self.0.get()
    }
}

pub struct Mutex<T: ?Sized> {
    pub(crate) raw: Raw,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard, which holds the lock, or by an exclusive owner.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Mutex {
            raw: Raw::new(),
            value: UnsafeCell::new(value),
        }
    }

    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // SAFETY: initialised, and at its final address.
        check(unsafe { libc::pthread_mutex_lock(self.raw.get()) });
        self.guard()
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        // SAFETY: as above.
        let result = unsafe { libc::pthread_mutex_trylock(self.raw.get()) };
        (result == 0).then(|| self.guard())
    }

    pub fn try_lock_for(&self, limit: Duration) -> Option<MutexGuard<'_, T>> {
        self.try_lock_until(Instant::now() + limit)
    }

    pub fn try_lock_until(&self, moment: Instant) -> Option<MutexGuard<'_, T>> {
        let left = moment.saturating_duration_since(Instant::now());
        let until = deadline(libc::CLOCK_REALTIME, left);
        // SAFETY: as above.
        let result = unsafe { libc::pthread_mutex_timedlock(self.raw.get(), &until) };
        (result == 0).then(|| self.guard())
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            not_send: PhantomData,
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

#[must_use]
pub struct MutexGuard<'mutex, T: ?Sized> {
    pub(crate) mutex: &'mutex Mutex<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives only a shared reference.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread locked it.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex.raw.get()) });
    }
}
