//! Moments, as std's but in half the time, and waiting for them.

use std::ops::{Add, Sub};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{MutexGuard, WaitTimeoutResult};

use crate::base::counter::{Clocks, Counter};
use crate::base::log::say;

/// A moment, as std's: nanoseconds since the first one that this process read. They suffice for 584 years, and what is later than
/// that is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    #[inline]
    pub(crate) fn now() -> Self {
        let Source { counter, system } = &*SOURCE;
        Instant(match counter {
            Some(counter) => counter.now(),
            None => system.nanos(),
        })
    }

    pub(crate) fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    #[inline]
    pub(crate) fn checked_add(self, by: Duration) -> Option<Self> {
        let nanos = u64::try_from(by.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Instant)
    }

    #[inline]
    pub(crate) fn duration_since(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }

    #[inline]
    pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, by: Duration) -> Instant {
        self.checked_add(by).unwrap_or(Instant(u64::MAX))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// What moments are read from, chosen at the first. That is when the first pool is built, and there the counter is calibrated,
/// which takes 0.6 ms and may take 200 on a busy machine.
static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    let system = System(std::time::Instant::now());
    Source {
        counter: fast_counter(system),
        system,
    }
});

struct Source {
    counter: Option<FastCounter>,
    system: System,
}

/// The system's clock, since then.
#[derive(Clone, Copy)]
struct System(std::time::Instant);

impl System {
    fn nanos(&self) -> u64 {
        // 584 years are enough.
        self.0.elapsed().as_nanos() as u64
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
type FastCounter = Counter<TimeStampCounter>;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
struct TimeStampCounter {
    counter: quanta::Clock,
    system: System,
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
impl Clocks for TimeStampCounter {
    #[inline]
    fn ticks(&self) -> u64 {
        self.counter.raw()
    }

    fn system(&self) -> u64 {
        self.system.nanos()
    }
}

/// `None` where the kernel itself does not take its time from the time-stamp counter: then the processor's is not steady, or not
/// the same on all processors, or the kernel has found it wrong. With kvm-clock and its like the host says how the counter is to
/// be read, and changes that when the machine moves. Also where this cannot be asked, as in some sandboxes, and under Miri.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn fast_counter(system: System) -> Option<FastCounter> {
    const KERNELS: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    if cfg!(miri) || std::fs::read_to_string(KERNELS).ok()?.trim() != "tsc" {
        return None;
    }
    let counter = quanta::Clock::new();
    let rate = counter.delta_as_nanos(0, 1 << 32);
    // Where quanta does not trust the counter it reads the system's clock, whose ticks are nanoseconds.
    if rate == 1 << 32 {
        return None;
    }
    Counter::new(TimeStampCounter { counter, system }, rate)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
type FastCounter = Counter<System>;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl Clocks for System {
    fn ticks(&self) -> u64 {
        self.nanos()
    }

    fn system(&self) -> u64 {
        self.nanos()
    }
}

/// Measured nowhere else.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn fast_counter(_: System) -> Option<FastCounter> {
    None
}

/// Says once if the counter was given up. Moments are read under locks, where no logger may run, so the monitors ask this, and
/// whoever builds a pool.
pub(crate) fn tell_if_slow() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let counter = SOURCE.counter.as_ref();
    if counter.is_some_and(Counter::is_given_up) && !TOLD.swap(true, Ordering::Relaxed) {
        say!(
            Warn,
            "queuepool",
            "the processor's time-stamp counter and the system's clock disagree again and again: from now on, time is read from \
             the system's clock alone, which takes some 30 ns longer for each checkout"
        );
    }
}

/// parking_lot's, for these moments.
#[derive(Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar::default()
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.0.wait_for(guard, deadline - Instant::now())
    }
}

#[cfg(test)]
mod tests;
