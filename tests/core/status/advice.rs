//! Advice can be followed: whatever sizes are named, for whatever pool, load and limit.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use queuepool::{Health, Mode, ServerLimit, Settings, Status};

use super::sizes::{pool_within, sized};
use support::scripted::*;

/// What the pool is, and what it went through.
#[derive(Debug, Clone)]
struct Case {
    settings: Settings,
    limit: Option<ServerLimit>,
    /// Held at once and given back, before.
    burst: u64,
    /// Held when it is asked for advice.
    held: u64,
    is_sampled: bool,
    /// Callers who time out during the burst.
    time_outs: usize,
    /// It was watched for an hour and 1,000 checkouts.
    is_old: bool,
    /// Those who hold now have done so for longer than leak_after.
    is_stuck: bool,
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1..12_u32, 3 => 12..120_u32, 1 => 9_000..=9_990_u32]
}

fn overflow() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(0_u32), 4 => 0..12_u32, 3 => 12..200_u32, 1 => 200..20_000_u32]
}

fn settings() -> impl Strategy<Value = Settings> {
    let percentage = || prop_oneof![3 => Just(70.0), 2 => 0.5..100.0_f64];
    let modes = prop_oneof![5 => Just(Mode::Queue), 1 => Just(Mode::Null)];
    (
        size(),
        overflow(),
        modes,
        0..8_u32,
        percentage(),
        percentage(),
    )
        .prop_map(|(size, overflow, mode, min_pool_size, warning, critical)| {
            let min_pool_size = match mode {
                Mode::Null => 0,
                _ => min_pool_size.saturating_sub(3).min(size),
            };
            sized(size, overflow.min(10_000 - size))
                .mode(mode)
                .min_pool_size(min_pool_size)
                .warning_utilization(warning)
                .critical_utilization(critical)
                .leak_after(secs(10))
        })
}

/// What the server leaves for applications: nothing, too little, what the pool has and a little more, plenty.
fn available(capacity: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        4 => 1..=capacity,
        6 => capacity..capacity + 6,
        2 => Just(100_000_u64),
    ]
}

/// A few, or nearly all, of the connections that a test can afford to hold.
fn load(capacity: u64) -> impl Strategy<Value = u64> {
    let most = capacity.min(250);
    prop_oneof![2 => 0..=most, 2 => 0..=most.min(6), 2 => most.saturating_sub(2)..=most]
}

fn case() -> impl Strategy<Value = Case> {
    settings()
        .prop_flat_map(|settings| {
            let capacity = u64::from(settings.pool_size + settings.max_overflow);
            (
                Just(settings),
                proptest::option::of((available(capacity), 0..5_u64)),
                (load(capacity), load(capacity)),
                any::<bool>(),
                0..3_usize,
                any::<bool>(),
                proptest::bool::weighted(0.1),
            )
        })
        .prop_map(
            |(settings, limit, (burst, held), is_sampled, time_outs, is_old, is_stuck)| Case {
                settings,
                limit: limit
                    .map(|(available, reserved)| ServerLimit::new(available + reserved, reserved)),
                burst,
                held,
                is_sampled,
                time_outs,
                is_old,
                is_stuck,
            },
        )
}

fn play(case: &Case) -> Status {
    let (pool, clock) = pool_within(case.limit, case.settings.clone());
    let sample = || {
        if case.is_sampled {
            clock.advance(secs(5));
            pool.sample();
        }
    };
    if case.is_old {
        sample();
        for _ in 0..60 {
            for _ in 0..17 {
                drop(pool.get().unwrap());
            }
            clock.advance(secs(55));
            sample();
        }
        clock.advance(secs(300));
    }
    for _ in 0..2 {
        sample();
        let held: Vec<_> = (0..case.burst).map(|_| pool.get().unwrap()).collect();
        if case.burst == pool.status().total_capacity {
            for _ in 0..case.time_outs {
                pool.get_timeout(millis(1)).map(drop).unwrap_err();
            }
        }
        drop(held);
    }
    sample();
    let _held: Vec<_> = (0..case.held).map(|_| pool.get().unwrap()).collect();
    if case.is_stuck {
        clock.advance(secs(11));
    }
    pool.status()
}

/// A change that a line asks for: "pool_size from 10 to 14".
struct Change {
    name: &'static str,
    raises: bool,
    from: u32,
    to: u32,
}

const SUM: &str = "pool_size + max_overflow";

fn changes(line: &str) -> Vec<Change> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |word: &str| word.trim_end_matches([',', ':', '.']).parse().unwrap();
    let mut raises = None;
    let mut changes = Vec::new();
    for (position, word) in words.iter().enumerate() {
        match *word {
            "Raise" => raises = Some(true),
            "Lower" | "lower" => raises = Some(false),
            "from" => changes.push(Change {
                name: match (
                    words[position - 1],
                    position.checked_sub(2).map(|at| words[at]),
                ) {
                    ("max_overflow", Some("+")) => SUM,
                    ("max_overflow", _) => "max_overflow",
                    ("pool_size", _) => "pool_size",
                    (name, _) => panic!("{name} in {line}"),
                },
                raises: raises.unwrap(),
                from: number(words[position + 1]),
                to: number(words[position + 3]),
            }),
            _ => {}
        }
    }
    changes
}

fn follow(settings: Settings, line: &str) -> Settings {
    changes(line).iter().fold(settings, |settings, change| {
        let pool_size = settings.pool_size;
        match change.name {
            "pool_size" => settings.pool_size(change.to),
            "max_overflow" => settings.max_overflow(change.to),
            _ => {
                let pool_size = pool_size.min(change.to);
                let (min_pool_size, warm_up) =
                    match line.contains("min_pool_size and warm_up with it") {
                        true => (
                            settings.min_pool_size.min(pool_size),
                            settings.warm_up.min(pool_size),
                        ),
                        false => (settings.min_pool_size, settings.warm_up),
                    };
                settings
                    .pool_size(pool_size)
                    .max_overflow(change.to - pool_size)
                    .min_pool_size(min_pool_size)
                    .warm_up(warm_up)
            }
        }
    })
}

fn assert_can_be(settings: &Settings, status: &Status) -> TestCaseResult {
    let advice = &status.recommendations;
    let valid = settings.validate();
    prop_assert!(valid.is_ok(), "{valid:?} {advice:#?}");
    let capacity = u64::from(settings.pool_size + settings.max_overflow);
    let available = status
        .server_limit
        .map_or(u64::MAX, |limit| limit.available());
    prop_assert!(
        capacity <= available,
        "{capacity} of {available} {advice:#?}"
    );
    Ok(())
}

fn assert_can_be_followed(status: &Status) -> TestCaseResult {
    let advice = &status.recommendations;
    let is_called_healthy = advice
        .iter()
        .any(|line| line.starts_with("Pool is healthy"));
    prop_assert!(!is_called_healthy || advice.len() == 1, "{advice:#?}");
    prop_assert!(
        !is_called_healthy || status.health == Health::Healthy,
        "{status}"
    );
    let now = &status.configuration;
    let all: Vec<Change> = advice.iter().flat_map(|line| changes(line)).collect();
    for change in &all {
        let is = match change.name {
            "pool_size" => now.pool_size,
            "max_overflow" => now.max_overflow,
            _ => now.pool_size + now.max_overflow,
        };
        prop_assert_eq!(change.from, is, "{:#?}", advice);
        prop_assert!(
            if change.raises {
                change.to > is
            } else {
                change.to < is
            },
            "{:#?}",
            advice
        );
    }
    let names: BTreeSet<&str> = all.iter().map(|change| change.name).collect();
    prop_assert_eq!(
        names.len(),
        all.len(),
        "one setting, two values: {:#?}",
        advice
    );
    prop_assert!(!names.contains(SUM) || names.len() == 1, "{advice:#?}");
    if all.is_empty() {
        return Ok(());
    }
    for line in advice.iter().filter(|line| !changes(line).is_empty()) {
        assert_can_be(&follow(now.clone(), line), status)?;
    }
    let followed = advice
        .iter()
        .fold(now.clone(), |settings, line| follow(settings, line));
    assert_can_be(&followed, status)
}

/// At least one of each must have been among the cases, or they prove little.
const KINDS: [&str; 10] = [
    "Raise pool_size from",
    ", and lower max_overflow from",
    "Raise max_overflow from",
    "checkouts timed out",
    "99th percentile",
    "Hold connections for a shorter time",
    "Lower pool_size + max_overflow from",
    "Lower pool_size from",
    "Lower max_overflow from",
    "Pool is healthy",
];

#[test]
fn every_size_that_is_advised_is_valid_within_the_servers_limit_and_a_change() {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(800),
    };
    let (cases, seen) = (config.cases, RefCell::new(BTreeSet::new()));
    let tested = TestRunner::new(config).run(&case(), |case| {
        let status = play(&case);
        let text = status.recommendations.join("\n");
        seen.borrow_mut()
            .extend(KINDS.into_iter().filter(|kind| text.contains(kind)));
        assert_can_be_followed(&status)
    });
    tested.unwrap_or_else(|failure| panic!("{failure}"));
    let missing: Vec<_> = KINDS
        .iter()
        .filter(|kind| !seen.borrow().contains(**kind))
        .collect();
    assert!(
        cases < 800 || missing.is_empty(),
        "never advised: {missing:?}"
    );
}
