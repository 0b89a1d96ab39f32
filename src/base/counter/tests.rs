//! Against two clocks that the tests move, so that nothing here takes time.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::*;

const MILLI: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

/// Two ticks a nanosecond.
const RATE: u64 = 1 << 31;

#[derive(Clone, Default)]
struct Fake(Arc<Hands>);

#[derive(Default)]
struct Hands {
    ticks: AtomicU64,
    system: AtomicU64,
    /// How often the system's clock was read.
    readings: AtomicU64,
    /// How far the counter moves at each reading.
    interrupted: AtomicU64,
    /// Runs in the midst of the second reading of the system's clock from now: the one for a new anchor.
    meanwhile: Mutex<Option<(u32, Job)>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Clocks for Fake {
    fn ticks(&self) -> u64 {
        let step = self.0.interrupted.load(SeqCst);
        self.0.ticks.fetch_add(step, SeqCst)
    }

    fn system(&self) -> u64 {
        self.0.readings.fetch_add(1, SeqCst);
        let system = self.0.system.load(SeqCst);
        let due = {
            let mut meanwhile = self.0.meanwhile.lock();
            if let Some((before, _)) = &mut *meanwhile {
                *before -= 1;
            }
            meanwhile.take_if(|(before, _)| *before == 0)
        };
        if let Some((_, run)) = due {
            run();
        }
        system
    }
}

impl Fake {
    fn counter() -> (Fake, Counter<Fake>) {
        let fake = Fake::default();
        fake.0.ticks.store(12_345_678_901, SeqCst);
        let counter = Counter::new(fake.clone(), RATE).expect("a steady counter");
        (fake, counter)
    }

    fn pass(&self, nanos: u64) {
        self.counter_runs(nanos);
        self.0.system.fetch_add(nanos, SeqCst);
    }

    fn counter_runs(&self, nanos: u64) {
        self.0.ticks.fetch_add(2 * nanos, SeqCst);
    }

    fn system_now(&self) -> u64 {
        self.0.system.load(SeqCst)
    }

    /// In steps of 0.1 ms the counter gains or loses so many nanoseconds. How far time was ahead and behind at most, and how often
    /// the system's clock was read.
    fn pass_with(&self, counter: &Counter<Fake>, nanos: u64, gain: i64) -> (u64, u64, u64) {
        let (mut ahead, mut behind, mut last) = (0, 0, counter.now());
        let readings = self.0.readings.load(SeqCst);
        for _ in 0..nanos / (MILLI / 10) {
            self.0.system.fetch_add(MILLI / 10, SeqCst);
            self.counter_runs((MILLI / 10).strict_add_signed(gain));
            let now = counter.now();
            assert!(now >= last, "{now} after {last}");
            last = now;
            ahead = ahead.max(now.saturating_sub(self.system_now()));
            behind = behind.max(self.system_now().saturating_sub(now));
        }
        (ahead, behind, self.0.readings.load(SeqCst) - readings)
    }
}

#[test]
fn time_is_the_systems_and_mostly_read_from_the_counter() {
    let (fake, counter) = Fake::counter();
    let (ahead, behind, readings) = fake.pass_with(&counter, 10 * SECOND, 0);
    // A window less 1/1024.
    assert_eq!((ahead, behind), (0, 977));
    // Each new anchor reads it twice, and is due with the first reading after a millisecond.
    assert_eq!(readings, 2 * (10 * SECOND / (MILLI + MILLI / 10)));
}

#[test]
fn a_suspend_that_only_the_counter_counts_moves_time_by_a_millisecond_at_most() {
    let (fake, counter) = Fake::counter();
    fake.pass(HOUR);
    let before = counter.now();
    fake.counter_runs(HOUR);
    let after = counter.now();
    assert!(after >= before && after <= before + MILLI);
    let (ahead, _, _) = fake.pass_with(&counter, 2 * SECOND, 0);
    assert!(ahead <= MILLI);
    let (ahead, behind, readings) = fake.pass_with(&counter, SECOND, 0);
    assert_eq!((ahead, behind), (0, 977));
    assert!(readings < 2_000, "the counter is used again: {readings}");
}

#[test]
fn a_suspend_that_the_counter_sleeps_through_shows_within_a_millisecond() {
    let (fake, counter) = Fake::counter();
    fake.pass(HOUR);
    counter.now();
    fake.0.system.fetch_add(HOUR, SeqCst);
    fake.pass(MILLI + 1);
    assert!(counter.now() >= fake.system_now() - LAG);
    assert!(counter.now() <= fake.system_now());
}

#[test]
fn a_counter_that_restarts_at_zero_takes_no_time_back() {
    let (fake, counter) = Fake::counter();
    fake.pass(HOUR);
    let before = counter.now();
    fake.0.ticks.store(0, SeqCst);
    let after = counter.now();
    assert!(after >= before && after <= before + MILLI);
    let (ahead, _, _) = fake.pass_with(&counter, 2 * SECOND, 0);
    assert!(ahead <= MILLI);
    let (ahead, behind, readings) = fake.pass_with(&counter, SECOND, 0);
    assert_eq!((ahead, behind), (0, 977));
    assert!(readings < 2_000, "the counter is used again: {readings}");
}

#[test]
fn a_small_jump_of_the_counter_is_taken_back_within_a_second() {
    let (fake, counter) = Fake::counter();
    fake.pass_with(&counter, SECOND, 0);
    fake.counter_runs(MILLI / 2);
    let (ahead, _, _) = fake.pass_with(&counter, SECOND, 0);
    assert!(ahead <= MILLI / 2 + MILLI / 10);
    let (ahead, _, _) = fake.pass_with(&counter, SECOND, 0);
    assert_eq!(ahead, 0);
}

#[test]
fn a_counter_that_drifts_by_200_ppm_is_corrected_and_trusted() {
    for gain in [20, -20] {
        let (fake, counter) = Fake::counter();
        let (ahead, behind, readings) = fake.pass_with(&counter, 100 * SECOND, gain);
        assert_eq!(ahead, 0);
        assert!(behind <= 1_200, "{behind}");
        assert!(readings <= 2 * 100 * SECOND / MILLI, "{readings}");
    }
}

#[test]
fn a_wrong_calibration_is_set_right_within_three_seconds() {
    for gain in [500, -500, 4_000] {
        let (fake, counter) = Fake::counter();
        let (ahead, _, readings) = fake.pass_with(&counter, SECOND, gain);
        assert!(ahead <= 100_000, "{ahead}");
        assert!(readings > 9_000, "not used for a second: {readings}");
        fake.pass_with(&counter, 3 * SECOND, gain);
        let (ahead, behind, readings) = fake.pass_with(&counter, 100 * SECOND, gain);
        assert_eq!(ahead, 0);
        assert!(behind <= 1_200, "{behind}");
        assert!(readings <= 2 * 100 * SECOND / MILLI, "{readings}");
    }
}

#[test]
fn a_counter_whose_rate_is_beyond_any_wrong_calibration_is_given_up() {
    for gain in [20_000, -20_000] {
        let (fake, counter) = Fake::counter();
        let (ahead, _, _) = fake.pass_with(&counter, 130 * SECOND, gain);
        assert!(ahead <= MILLI / 2, "{ahead}");
        assert!(counter.is_given_up());
        // Not even if it is steady from now on.
        let (ahead, behind, readings) = fake.pass_with(&counter, 10 * SECOND, 0);
        assert_eq!((ahead, behind, readings), (0, LAG, 100_000));
    }
}

#[test]
fn a_disagreement_now_and_then_is_forgiven() {
    let (fake, counter) = Fake::counter();
    for _ in 0..50 {
        fake.counter_runs(HOUR);
        fake.pass_with(&counter, 4 * SECOND, 0);
    }
    assert!(!counter.is_given_up());
    let (_, _, readings) = fake.pass_with(&counter, SECOND, 0);
    assert!(readings < 2_000, "{readings}");
}

#[test]
fn a_program_that_rarely_asks_is_told_the_systems_time() {
    let (fake, counter) = Fake::counter();
    for minutes in 1..1_000 {
        fake.pass(minutes * 60 * SECOND);
        assert_eq!(counter.now(), fake.system_now());
    }
    assert!(!counter.is_given_up());
}

#[test]
fn a_thread_that_is_always_interrupted_reads_the_systems_clock() {
    let (fake, counter) = Fake::counter();
    fake.0.interrupted.store(2 * LONGEST_READING + 2, SeqCst);
    fake.pass(SECOND);
    assert_eq!(counter.now(), fake.system_now() - LAG);
    let interrupted = fake.clone();
    assert!(Counter::new(interrupted, RATE).is_none());
    fake.0.interrupted.store(0, SeqCst);
    assert_eq!(counter.now(), fake.system_now());
}

#[test]
fn an_absurd_rate_is_refused() {
    for rate in [0, 1, u64::MAX] {
        assert!(Counter::new(Fake::default(), rate).is_none());
    }
}

#[test]
fn who_cannot_set_an_anchor_does_not_wait_and_is_not_ahead_of_it() {
    for jump in [0, HOUR] {
        let (fake, counter) = Fake::counter();
        let counter = Arc::new(counter);
        fake.pass_with(&counter, SECOND, 0);
        let before = counter.now();
        fake.counter_runs(jump);
        fake.pass(2 * MILLI);
        let beside = Arc::new(AtomicU64::new(0));
        let (other, seen, moving) = (counter.clone(), beside.clone(), fake.clone());
        let run = move || {
            // What the other thread reads is later than what this one is about to set as the anchor.
            moving.pass(LONGEST_READING / 4);
            let now = thread::spawn(move || other.now());
            seen.store(now.join().expect("it does not wait"), SeqCst);
        };
        *fake.0.meanwhile.lock() = Some((2, Box::new(run)));
        let first = counter.now();
        let beside = beside.load(SeqCst);
        assert!(before <= beside && beside > 0, "{before} {beside}");
        let after = counter.now();
        assert!(
            beside <= after && first <= after,
            "{beside} {first} {after}"
        );
        assert!(after - before <= 2 * MILLI + LONGEST_READING);
    }
}

/// Where one thread is stopped for good in the midst of it, as in a forked child.
#[test]
fn a_lock_that_is_never_given_back_stops_nobody() {
    let (fake, counter) = Fake::counter();
    let _held = counter.trust.lock();
    let (ahead, behind, _) = fake.pass_with(&counter, SECOND, 0);
    assert_eq!((ahead, behind), (0, LAG));
}

#[test]
fn time_never_goes_back_from_thread_to_thread_whatever_the_counter_does() {
    const READINGS: u64 = 50_000;
    let (fake, counter) = Fake::counter();
    let last = Mutex::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (fake, counter, last) = (&fake, &counter, &last);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..READINGS {
                    fake.pass(random.u64(0..MILLI / 4));
                    match random.u32(0..20_000) {
                        0 => fake.counter_runs(random.u64(0..HOUR)),
                        1 => fake.0.ticks.store(0, SeqCst),
                        _ => {}
                    }
                    // Held by nobody, so that some set an anchor at the same time.
                    let free = counter.now();
                    let mut last = last.lock();
                    let now = counter.now();
                    assert!(now >= *last && now >= free, "{now} {free} {last}");
                    *last = now;
                }
            });
        }
    });
}

/// Both clocks move in one step, and the one thread sets an anchor after each.
#[test]
fn an_anchor_is_read_as_a_whole() {
    struct Steady<'a>(&'a AtomicU64);
    impl Clocks for Steady<'_> {
        fn ticks(&self) -> u64 {
            2 * self.system()
        }

        fn system(&self) -> u64 {
            self.0.load(SeqCst)
        }
    }
    let (time, done) = (AtomicU64::new(SECOND), AtomicU64::new(0));
    let counter = Counter::new(Steady(&time), RATE).expect("a steady counter");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(SeqCst) == 0 {
                    let before = time.load(SeqCst) - LAG;
                    let now = counter.now();
                    let after = time.load(SeqCst);
                    assert!((before..=after).contains(&now), "{before} {now} {after}");
                }
            });
        }
        for _ in 0..2_000_000 {
            time.fetch_add(2 * MILLI, SeqCst);
            counter.now();
        }
        done.store(1, SeqCst);
    });
}
