//! [`RwLock`]. Its readers exclude each other too, which does not matter here.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::mutex::{Mutex, MutexGuard};

pub struct RwLock<T: ?Sized>(Mutex<T>);

impl<T> RwLock<T> {
    pub const fn new(value: T) -> Self {
        RwLock(Mutex::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self.0.lock())
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard(self.0.lock())
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

#[must_use]
pub struct RwLockReadGuard<'lock, T: ?Sized>(MutexGuard<'lock, T>);

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[must_use]
pub struct RwLockWriteGuard<'lock, T: ?Sized>(MutexGuard<'lock, T>);

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
