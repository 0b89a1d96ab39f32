//! The part of spin that the pool uses, built on pthread's locks, which valgrind's tools intercept. It is meant for nothing else.

pub mod mutex {
    pub type SpinMutexGuard<'a, T> = parking_lot::MutexGuard<'a, T>;

    pub struct SpinMutex<T>(parking_lot::Mutex<T>);

    impl<T> SpinMutex<T> {
        pub fn new(value: T) -> Self {
            SpinMutex(parking_lot::Mutex::new(value))
        }

        pub fn try_lock(&self) -> Option<SpinMutexGuard<'_, T>> {
            self.0.try_lock()
        }
    }
}
