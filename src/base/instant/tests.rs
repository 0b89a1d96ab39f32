use std::thread;
use std::time::Instant as StdInstant;

use crate::base::clock::later;
use crate::base::sync::Mutex;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn moments_are_as_far_apart_as_those_of_std() {
    // The counter's windows and pauses: see there.
    let off = Duration::from_millis(2);
    for _ in 0..20 {
        let before = StdInstant::now();
        let first = Instant::now();
        let inner = StdInstant::now();
        thread::sleep(Duration::from_millis(5));
        let inner = inner.elapsed();
        let passed = first.elapsed();
        let outer = before.elapsed();
        assert!(passed >= inner.saturating_sub(off), "{passed:?} {inner:?}");
        assert!(passed <= outer + off, "{passed:?} {outer:?}");
    }
}

#[test]
fn moments_read_under_one_lock_do_not_go_back() {
    let last = Mutex::new(Instant::now());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100_000 {
                    let mut last = last.lock();
                    let now = Instant::now();
                    assert!(now >= *last, "{now:?} after {last:?}");
                    *last = now;
                }
            });
        }
    });
}

#[test]
fn subtractions_saturate_and_centuries_fit() {
    let now = Instant::now();
    let year = now + YEAR;
    assert_eq!(year - now, YEAR);
    assert_eq!(now - year, Duration::ZERO);
    assert_eq!(now.duration_since(year), Duration::ZERO);
    assert_eq!(
        now.checked_add(500 * YEAR).map(|then| then - now),
        Some(500 * YEAR)
    );
    assert_eq!(now.checked_add(600 * YEAR), None);
    assert_eq!(now.checked_add(Duration::MAX), None);
    assert_eq!(later(now, Duration::MAX), now + 100 * YEAR);
    // Only a test's clock gets there.
    let last = now + Duration::MAX;
    assert_eq!(later(last, Duration::MAX), last);
    assert_eq!(later(last, Duration::ZERO), last);
}

#[test]
fn a_wait_does_not_end_before_its_deadline() {
    let lock = Mutex::new(());
    let condition = Condvar::new();
    let start = StdInstant::now();
    let deadline = Instant::now() + Duration::from_millis(20);
    let mut guard = lock.lock();
    while !condition.wait_until(&mut guard, deadline).timed_out() {}
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(18), "{waited:?}");
    // One that has passed ends at once.
    assert!(condition.wait_until(&mut guard, deadline).timed_out());
}
