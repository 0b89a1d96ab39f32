//! The monitor checks, samples, and ends with its pool.

use queuepool::{ErrorClass, Settings};

use support::scripted::*;

fn fast() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(2)
        .enable_pool_metrics(true)
        .health_check_interval(millis(10))
        .metrics_collection_interval(millis(10))
}

#[test]
fn it_checks_at_its_interval_and_notices_an_outage_and_its_end() {
    let server = Server::new();
    let pool = server.pool(fast());
    eventually("a first check", || {
        pool.status().last_health_check.is_some()
    });
    server.restart();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    eventually("two checks have failed", || {
        pool.status().health_check_failures >= 2
    });
    eventually("a connect has failed", || {
        pool.status().unreachable_for.is_some()
    });
    server.on_connect(|_| Act::Succeed);
    eventually("the database answers again", || {
        pool.status().last_health_check_error.is_none()
    });
    assert_eq!(pool.status().unreachable_for, None);
}

#[test]
fn it_samples_at_its_interval() {
    let pool = Server::new().pool(fast().health_check_interval(secs(3600)));
    eventually("three samples", || pool.history(0).len() >= 3);
    let history = pool.history(0);
    let numbers: Vec<u64> = history.iter().map(|sample| sample.number).collect();
    assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>());
    eventually("new ones", || {
        !pool.history(numbers.len() as u64).is_empty()
    });
    assert!(pool.history(numbers.len() as u64)[0].number > numbers.len() as u64);
}

#[test]
fn without_the_setting_there_is_neither() {
    let pool = Server::new().pool(fast().enable_pool_metrics(false));
    drop(pool.get().unwrap());
    assert!(pool.history(0).is_empty());
    let status = pool.status();
    assert_eq!((status.last_health_check, status.recent), (None, None));
}

#[test]
fn its_thread_ends_with_the_pool_closed_or_dropped() {
    let watched = |name: &str| {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .any(|thread| thread.trim() == name)
    };
    for closes in [true, false] {
        let pool = Server::new().builder(fast()).name("ends").build().unwrap();
        eventually("it runs", || watched("ends-monitor"));
        if closes {
            pool.close(secs(5)).unwrap();
        } else {
            drop(pool);
        }
        eventually("it ended", || !watched("ends-monitor"));
    }
}

#[test]
fn a_sample_is_of_the_time_since_the_one_before() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default().pool_size(1).max_overflow(1));
    pool.sample();
    let both = (pool.get().unwrap(), pool.get().unwrap());
    clock.advance(secs(2));
    drop(both);
    clock.advance(secs(3));
    pool.sample();
    let held = pool.get().unwrap();
    clock.advance(secs(5));
    pool.sample();
    let history = pool.history(0);
    let [first, second] = history.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!((first.seconds, second.seconds), (5.0, 5.0));
    assert_eq!((first.checked_out, first.peak_checked_out), (0, 2));
    assert_eq!((second.checked_out, second.peak_checked_out), (1, 1));
    assert_eq!((first.checkouts, second.checkouts), (2, 1));
    assert_eq!((first.opened, first.overflow_closed), (2, 1));
    assert!((first.hold_p50 / 2.0 - 1.0).abs() <= 0.125, "{first:?}");
    assert_eq!(second.hold_p50, 0.0, "none came back");
    drop(held);
}

#[test]
fn the_history_is_of_the_last_hour() {
    let (pool, clock) = Server::new().pool_with_clock(Settings::default());
    for _ in 0..1000 {
        pool.sample();
        clock.advance(secs(5));
    }
    let history = pool.history(0);
    assert_eq!(history.len(), 720);
    assert_eq!(history.last().unwrap().number, 999);
    assert_eq!(pool.history(998).len(), 1);
    assert!(pool.history(999).is_empty());
    let recent = pool.status().recent.unwrap();
    assert_eq!(recent.seconds, 300.0);
}

#[test]
fn the_99th_percentile_leaves_out_what_is_rarer() {
    let (pool, clock) = Server::new().pool_with_clock(Settings::default());
    pool.sample();
    for (times, most) in [(290, 3), (8, 5), (2, 9)] {
        for _ in 0..times {
            let held: Vec<_> = (0..most).map(|_| pool.get().unwrap()).collect();
            drop(held);
            clock.advance(secs(1));
            pool.sample();
        }
    }
    let recent = pool.status().recent.unwrap();
    assert_eq!(recent.seconds, 300.0);
    assert_eq!((recent.checked_out_p99, recent.peak_checked_out), (5, 9));
}

#[test]
fn samples_further_apart_than_five_minutes_are_recent_too() {
    let (pool, clock) = Server::new().pool_with_clock(Settings::default());
    for _ in 0..4 {
        pool.sample();
        clock.advance(secs(400));
    }
    assert_eq!(pool.status().recent.unwrap().seconds, 800.0);
}
