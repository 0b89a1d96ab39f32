//! [`Mutex`].

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use crate::{check, deadline};

/// In a box, because pthread's locks must not move.
pub(crate) struct Raw(Box<UnsafeCell<libc::pthread_mutex_t>>);

impl Raw {
    fn new() -> Self {
        let raw = Box::new(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
        // Again, in its place: drd does not take for a lock what was never initialised by a call, nor locked.
        // SAFETY: it is there to be written.
        check(unsafe { libc::pthread_mutex_init(raw.get(), std::ptr::null()) });
        Raw(raw)
    }

    pub(crate) fn get(&self) -> *mut libc::pthread_mutex_t {
        self.0.get()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: nobody holds it: a guard would borrow it. (A forgotten one makes this fail, harmlessly.)
        unsafe { libc::pthread_mutex_destroy(self.get()) };
    }
}

pub struct Mutex<T: ?Sized> {
    pub(crate) raw: Raw,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through a guard, which holds the lock, or by whoever has it alone.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
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
        // SAFETY: initialised, and in its place.
        check(unsafe { libc::pthread_mutex_lock(self.raw.get()) });
        self.guard()
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        // SAFETY: as above.
        let result = unsafe { libc::pthread_mutex_trylock(self.raw.get()) };
        (result == 0).then(|| self.guard())
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

// SAFETY: a shared guard gives a shared reference.
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
        // SAFETY: the guard holds the lock, and is borrowed by nobody else.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread locked it.
        check(unsafe { libc::pthread_mutex_unlock(self.mutex.raw.get()) });
    }
}
