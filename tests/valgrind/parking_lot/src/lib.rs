//! The parts of parking_lot that the pool, its tests, r2d2 and scheduled-thread-pool use, built on pthread's own locks,
//! which valgrind's tools intercept. It is meant for nothing else.

mod condvar;
mod mutex;
mod rwlock;

pub use condvar::{Condvar, WaitTimeoutResult};
pub use mutex::{Mutex, MutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use std::time::Duration;

/// pthread's calls fail only if they are misused.
fn check(result: libc::c_int) {
    assert_eq!(result, 0, "bug: pthread refuses");
}

/// The moment that is this far from now, on one of the system's clocks.
fn deadline(clock: libc::clockid_t, from_now: Duration) -> libc::timespec {
    // Enough for any test, and far from an overflow.
    let from_now = from_now.min(Duration::from_secs(24 * 3600));
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writing.
    check(unsafe { libc::clock_gettime(clock, &mut now) });
    let nanos = now.tv_nsec + libc::c_long::from(from_now.subsec_nanos() as i32);
    libc::timespec {
        tv_sec: now.tv_sec + from_now.as_secs() as libc::time_t + nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    }
}
