//! 2,000 threads on 4 connections for ten seconds: nobody starves, whoever gives up does so at the deadline, and the
//! queue's memory does not grow with time.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{ErrorKind, Pool, ResetOnReturn, Settings};

use support::alone;
use support::scripted::{ScriptedManager, Server, assert_laws, eventually, millis, secs};

const PATIENT: usize = 1_900;
/// Their deadline is shorter than a fair wait while all the patient threads are in line.
const IMPATIENT: usize = 100;
const DEADLINE: Duration = Duration::from_millis(50);
const RUN: Duration = Duration::from_secs(10);

/// What the threads of a run have seen.
#[derive(Default)]
struct Seen {
    served: AtomicUsize,
    longest_wait: Mutex<Duration>,
    most_others: AtomicUsize,
    overshoots: Mutex<Vec<Duration>>,
}

/// Waits in line for as long as it takes, again and again.
fn wait_patiently(pool: &Pool<ScriptedManager>, seen: &Seen, end: Instant) {
    while Instant::now() < end {
        let (asked, before) = (Instant::now(), seen.served.load(SeqCst));
        let held = pool.get().unwrap();
        let waited = asked.elapsed();
        let others = seen.served.fetch_add(1, SeqCst) - before;
        seen.most_others.fetch_max(others, SeqCst);
        let mut longest = seen.longest_wait.lock();
        *longest = waited.max(*longest);
        drop(longest);
        thread::sleep(millis(1));
        drop(held);
    }
}

fn give_up_at_the_deadline(pool: &Pool<ScriptedManager>, seen: &Seen, end: Instant) {
    let mut overshoots = Vec::with_capacity(1_000);
    eventually("the patient are in line", || {
        pool.status().waiting_requests > PATIENT as u64 - 100
    });
    while Instant::now() < end - secs(1) {
        let asked = Instant::now();
        let error = pool.get_timeout(DEADLINE).unwrap_err();
        let overshoot = asked.elapsed().checked_sub(DEADLINE);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        overshoots.push(overshoot.expect("nobody is turned away before the deadline"));
        thread::sleep(DEADLINE);
    }
    seen.overshoots.lock().extend(overshoots);
}

/// The resident memory of this process that is not backed by a file, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let mut words = line.expect("Linux 4.5 or newer").split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

/// The longest wait, as a multiple of the fair wait computed from the run's own throughput.
fn share_of_the_longest_wait() -> f64 {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(4)
        .max_overflow(0)
        .timeout(secs(60))
        .reset_on_return(ResetOnReturn::Never);
    let pool = server.pool(settings);
    let seen = Seen::default();
    let all_there = Barrier::new(PATIENT + IMPATIENT + 1);
    let run = |work: fn(&Pool<ScriptedManager>, &Seen, Instant)| {
        all_there.wait();
        work(&pool, &seen, Instant::now() + RUN);
    };
    let (start, grown) = thread::scope(|scope| {
        for number in 0..PATIENT + IMPATIENT {
            let work = match number {
                0..PATIENT => wait_patiently,
                _ => give_up_at_the_deadline,
            };
            let thread = Builder::new().stack_size(128 * 1024);
            thread.spawn_scoped(scope, move || run(work)).unwrap();
        }
        all_there.wait();
        let start = Instant::now();
        thread::sleep(RUN / 4);
        let settled = memory();
        thread::sleep(RUN / 2);
        (start, memory().saturating_sub(settled))
    });
    let served = seen.served.load(SeqCst);
    let fair = start.elapsed() * PATIENT as u32 / served as u32;
    let longest = *seen.longest_wait.lock();
    let most_others = seen.most_others.load(SeqCst);
    let mut overshoots = seen.overshoots.into_inner();
    overshoots.sort();
    let (median, most) = (overshoots[overshoots.len() / 2], overshoots.last().unwrap());
    println!(
        "{served} served: a fair wait is {fair:.1?}, the longest was {longest:.1?}, and at most {most_others} others \
         were served meanwhile; {} gave up, {median:.1?} after their deadline, {most:.1?} at most; {grown} KiB more",
        overshoots.len(),
    );
    assert!(most_others <= 2 * PATIENT, "{most_others}");
    assert!(median <= millis(50), "{median:?}");
    assert!(grown < 1024, "{grown} KiB");
    let status = pool.status();
    assert_laws(&status);
    assert_eq!(status.connection_timeouts, overshoots.len() as u64);
    assert_eq!((status.waiting_requests, server.connects()), (0, 4));
    longest.as_secs_f64() / fair.as_secs_f64()
}

#[test]
fn two_thousand_threads_on_four_connections_starve_nobody() {
    alone(|| {
        // Other programs on the machine can only lengthen a wait, so one undisturbed round out of three is enough.
        // Everything else must hold in each round.
        let mut shares = Vec::new();
        while shares.iter().all(|share| *share > 2.0) {
            assert!(shares.len() < 3, "multiples of the fair wait: {shares:?}");
            shares.push(share_of_the_longest_wait());
        }
    });
}
