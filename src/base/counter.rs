//! Time by the processor's counter, which the system's clock sets right every millisecond.
//!
//! The system's clock is right but takes twice as long to read (22 ns, and 9 to 12 by the counter). So the counter only measures what
//! has passed since an **anchor**: a reading of both clocks, at most a millisecond old. The first reading after that millisecond
//! sets a new anchor. Nothing that happens to the counter can therefore do harm for longer: a suspend that it slept through, did
//! not sleep through, or came back from at zero; a move of the virtual machine to another host; drift.
//!
//! - **Time never goes back**, in one thread or from thread to thread. Under one anchor, no reading is later than a millisecond
//!   after it, and no new anchor is earlier than that. If the counter ran ahead, time waits for the system's clock instead: it
//!   runs slower by 1/1024 until they agree. There are two exceptions, and for both the subtractions of
//!   [`Instant`](crate::base::instant::Instant) saturate, as those of std do. A counter that steps back by less than a
//!   millisecond takes time back by as much. And the processor may read its counter early: of 80 million readings that only an
//!   atomic set in order, 15 were too early, by 80 ns at most; of 80 million that a mutex did, none.
//! - **Nobody waits.** Whoever cannot set a new anchor, because another thread is at it, reads the system's clock. This also
//!   holds in a forked child, where that other thread does not exist.
//! - **A counter that is not steady, or not known well, is not used.** If the two clocks disagree, the system's alone is read for a
//!   second, after the next disagreement for two, and so on, and in the end for good. Each second of agreement forgives one.
//!   Meanwhile the rate of the counter is measured anew.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use parking_lot::Mutex;

/// The two clocks.
pub(super) trait Clocks {
    /// The counter.
    fn ticks(&self) -> u64;

    /// The system's clock, in nanoseconds. It never goes back.
    fn system(&self) -> u64;
}

/// In nanoseconds, how long an anchor is used. To set one takes 0.2 µs, 0.02% of that.
const WINDOW: u64 = 1_000_000;

/// In nanoseconds. If it took longer to read both clocks, the thread was interrupted in between, and the reading is no anchor. On
/// an idle machine it takes 50.
const LONGEST_READING: u64 = 10_000;

/// In nanoseconds: no reading by the counter is further behind the system's clock. That is a reading of both, and twice the 1/1024
/// of a window: the counter is run slower by that much, and may be slower by as much.
const LAG: u64 = 2 * LONGEST_READING;

/// The clocks agree if they differ by less than 1/1024. The calibration is good to 0.005%, and NTP shifts the system's clock by
/// 0.05% at most (chrony may do so by 8%, which is a disagreement). The counter is run slower by the same 1/1024, so that a new
/// anchor is a step forward and not a wait.
const TOLERANCE_SHIFT: u32 = 10;

/// A calibration is wrong by less than 1/16, however often the thread was interrupted.
const CALIBRATION_SHIFT: u32 = 4;

/// In nanoseconds: both readings of the clocks together are off by less than a quarter of the tolerance of so long a time.
const LONG_ENOUGH: u64 = 100_000_000;

const SECOND: u64 = 1_000_000_000;

/// How many disagreements end the use of the counter. The pauses before that add up to two minutes.
const MOST_FAULTS: u32 = 8;

/// See the [module](self).
pub(super) struct Counter<C> {
    clocks: C,
    /// [`WINDOW`] in ticks.
    window: u64,
    /// [`LONGEST_READING`] in ticks.
    longest_reading: u64,
    anchor: Anchor,
    /// Until then, by the system's clock, the counter is not used.
    paused_until: AtomicU64,
    /// Only tried, never waited for.
    trust: Mutex<Trust>,
}

/// On a cache line of its own (and on the next one, which processors fetch with it): every reading of time looks at it.
#[repr(align(128))]
struct Anchor {
    /// Odd while the others change, and while the counter is not used.
    version: AtomicU64,
    ticks: AtomicU64,
    nanos: AtomicU64,
    /// Nanoseconds in 2³² ticks, less 1/1024.
    slower_rate: AtomicU64,
    /// While the version is odd: the earliest moment that the next anchor can show, and no earlier than any that was read.
    next: AtomicU64,
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Both {
    ticks: u64,
    system: u64,
}

struct Trust {
    /// What the clocks are compared with: at most about a second old, unless nobody asked for the time.
    since: Both,
    /// Nanoseconds in 2³² ticks.
    rate: u64,
    faults: u32,
}

impl<C: Clocks> Counter<C> {
    /// `rate` is how many nanoseconds 2³² ticks take. `None` if that is absurd, or if the clocks cannot be read together.
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64")),
        allow(dead_code)
    )]
    pub(super) fn new(clocks: C, rate: u64) -> Option<Self> {
        // From 10 MHz to 43 GHz.
        if !(100_000_000..=430_000_000_000).contains(&rate) {
            return None;
        }
        let in_ticks = |nanos: u64| (nanos << 32) / rate;
        let longest_reading = in_ticks(LONGEST_READING);
        let both = read_both(&clocks, longest_reading)?;
        Some(Counter {
            clocks,
            window: in_ticks(WINDOW),
            longest_reading,
            anchor: Anchor {
                version: AtomicU64::new(0),
                ticks: AtomicU64::new(both.ticks),
                nanos: AtomicU64::new(both.system),
                slower_rate: AtomicU64::new(slower(rate)),
                next: AtomicU64::new(0),
            },
            paused_until: AtomicU64::new(0),
            trust: Mutex::new(Trust {
                since: both,
                rate,
                faults: 0,
            }),
        })
    }

    /// In nanoseconds, on the system's clock.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        match self.by_anchor() {
            Ok(now) => now,
            Err(earliest) => self.by_system(earliest),
        }
    }

    /// Whether the counter was given up for good.
    pub(super) fn is_given_up(&self) -> bool {
        self.paused_until.load(Relaxed) == u64::MAX
    }

    /// `Err`: there is no anchor of the last millisecond. Then it is no later than any moment that will be read from now on, and
    /// no earlier than any that was.
    #[inline]
    fn by_anchor(&self) -> Result<u64, u64> {
        let Anchor {
            version,
            ticks,
            nanos,
            slower_rate,
            next,
        } = &self.anchor;
        // A turn is repeated only if another thread has set an anchor meanwhile.
        loop {
            let seen = version.load(Acquire);
            if seen % 2 == 1 {
                let earliest = next.load(Acquire);
                if version.load(Relaxed) == seen {
                    return Err(earliest);
                }
                continue;
            }
            let (anchor, nanos) = (ticks.load(Acquire), nanos.load(Acquire));
            let rate = slower_rate.load(Acquire);
            let now = self.clocks.ticks();
            if version.load(Relaxed) != seen {
                continue;
            }
            let passed = now.wrapping_sub(anchor);
            if passed <= self.window {
                return Ok(nanos + ((passed * rate) >> 32));
            }
            // Another processor's counter may be a little behind.
            if passed.wrapping_neg() <= self.longest_reading {
                return Ok(nanos);
            }
            return Err(nanos + WINDOW);
        }
    }

    #[cold]
    fn by_system(&self, earliest: u64) -> u64 {
        let system = self.clocks.system();
        // Not later than what others read by the anchor that is being set.
        let without_anchor = earliest.max(system.saturating_sub(LAG));
        if system < self.paused_until.load(Relaxed) {
            return without_anchor;
        }
        let Some(mut trust) = self.trust.try_lock() else {
            return without_anchor;
        };
        let earliest = match self.by_anchor() {
            Ok(now) => return now,
            Err(earliest) => earliest,
        };
        let Some(both) = read_both(&self.clocks, self.longest_reading) else {
            return without_anchor;
        };
        // Another thread may have found meanwhile that the clocks disagree.
        if both.system < self.paused_until.load(Relaxed) {
            return without_anchor;
        }
        if let Some(pause) = trust.compare(both) {
            self.anchor.close(earliest);
            let end = both.system.saturating_add(pause);
            self.paused_until.store(end, Relaxed);
            return without_anchor.max(earliest);
        }
        let nanos = earliest.max(both.system);
        self.anchor.close(nanos);
        self.anchor.open(both.ticks, nanos, slower(trust.rate));
        nanos
    }
}

/// The rate at which the counter is run.
fn slower(rate: u64) -> u64 {
    rate - (rate >> TOLERANCE_SHIFT)
}

/// `None` if the thread is interrupted again and again.
fn read_both(clocks: &impl Clocks, longest: u64) -> Option<Both> {
    (0..4).find_map(|_| {
        let before = clocks.ticks();
        let system = clocks.system();
        let ticks = clocks.ticks();
        (ticks.wrapping_sub(before) <= longest).then_some(Both { ticks, system })
    })
}

/// Both under the lock of [`Counter::trust`].
impl Anchor {
    /// Nobody reads by it from now on.
    fn close(&self, next: u64) {
        let version = self.version.load(Relaxed);
        if version.is_multiple_of(2) {
            self.next.store(next, Release);
            self.version.store(version + 1, Release);
        }
    }

    fn open(&self, ticks: u64, nanos: u64, slower_rate: u64) {
        let version = self.version.load(Relaxed);
        self.ticks.store(ticks, Release);
        self.nanos.store(nanos, Release);
        self.slower_rate.store(slower_rate, Release);
        self.version.store(version + 1, Release);
    }
}

impl Trust {
    /// How long the counter is not to be used because the clocks disagree. The calibration may have been wrong, if the thread was
    /// interrupted in it; so the rate is then taken from the two clocks themselves, as soon as they have run for long enough.
    fn compare(&mut self, now: Both) -> Option<u64> {
        let system = now.system.saturating_sub(self.since.system);
        let ticks = u128::from(now.ticks.wrapping_sub(self.since.ticks));
        let counter = u64::try_from((ticks * u128::from(self.rate)) >> 32).unwrap_or(u64::MAX);
        if system.abs_diff(counter) > 2 * LONGEST_READING + (system >> TOLERANCE_SHIFT) {
            let measured = (u128::from(system) << 32) / ticks.max(1);
            let measured = u64::try_from(measured).unwrap_or(u64::MAX);
            if measured.abs_diff(self.rate) > self.rate >> CALIBRATION_SHIFT {
                // No calibration is as wrong as that: the counter has jumped.
                self.since = now;
            } else if system >= LONG_ENOUGH {
                self.rate = measured;
                self.since = now;
            }
            self.faults += 1;
            return Some(match self.faults {
                MOST_FAULTS.. => u64::MAX,
                faults => SECOND << (faults - 1),
            });
        }
        if system >= SECOND {
            self.since = now;
            self.faults = self.faults.saturating_sub(1);
        }
        None
    }
}

#[cfg(test)]
mod tests;
