use super::*;
use crate::error::ErrorKind;

const USUAL: usize = 8;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn in_trouble(now: Instant) -> Trouble {
    let mut trouble = Trouble::default();
    for _ in 0..FAILURES {
        trouble.started(now);
        trouble.failed(now);
    }
    trouble
}

#[test]
fn three_failures_without_a_success_are_trouble_and_two_are_not() {
    let now = Instant::now();
    let mut trouble = Trouble::default();
    trouble.failed(now);
    trouble.failed(now);
    assert!(trouble.succeeded(USUAL).is_none());
    trouble.failed(now);
    trouble.failed(now);
    assert_eq!((trouble.began(), trouble.in_flight(USUAL)), (None, USUAL));
    trouble.failed(now);
    assert_eq!((trouble.began(), trouble.in_flight(USUAL)), (Some(now), 1));
}

#[test]
fn probes_are_100_to_150_ms_apart_and_ten_a_second() {
    let start = Instant::now();
    let mut trouble = in_trouble(start);
    let mut starts = vec![start; 3];
    for _ in 0..100 {
        let next = trouble.next_start(false).expect("in trouble");
        trouble.started(next);
        starts.push(next);
    }
    for pair in starts[2..].windows(2) {
        let gap = pair[1] - pair[0];
        // After the first burst, the ten of that second have to grow old.
        assert!(
            gap >= LEAST_GAP && (gap <= MOST_GAP || pair[1] == start + SECOND),
            "{gap:?}"
        );
    }
    for ten in starts.windows(STARTS_A_SECOND + 1) {
        assert!(ten[STARTS_A_SECOND] - ten[0] >= SECOND);
    }
}

#[test]
fn after_trouble_each_success_permits_twice_as_many() {
    let now = Instant::now();
    let mut trouble = in_trouble(now);
    let permitted: Vec<_> = (0..4)
        .map(|_| {
            assert!(trouble.succeeded(USUAL).is_none());
            trouble.in_flight(USUAL)
        })
        .collect();
    assert_eq!(permitted, [2, 4, 8, 8]);
    assert_eq!(trouble.next_start(true), None, "no pause");
}

#[test]
fn a_full_server_refuses_no_more_than_ten_in_a_second_however_long_it_takes() {
    let now = Instant::now();
    let mut trouble = Trouble::default();
    (0..STARTS_A_SECOND).for_each(|_| trouble.started(now));
    let refused = now + millis(900);
    for _ in 0..STARTS_A_SECOND {
        trouble.server_is_full(refused, &Retry::default());
    }
    assert_eq!(trouble.next_start(false), Some(refused + SECOND));
    assert!(trouble.succeeded(USUAL).is_none());
    // It may be full again.
    assert_eq!(trouble.next_start(false), Some(refused + SECOND));
    assert_eq!(trouble.in_flight_after_full(refused), 1);
    assert_eq!(
        trouble.in_flight_after_full(refused + SECOND),
        STARTS_A_SECOND
    );
}

#[test]
fn a_full_server_is_probed_as_often_as_one_that_is_down() {
    let mut now = Instant::now();
    let mut trouble = Trouble::default();
    trouble.started(now);
    trouble.server_is_full(now, &Retry::default());
    for _ in 0..100 {
        let next = trouble.next_start(false).expect("it is full");
        assert!(next - now <= MOST_GAP, "{:?}", next - now);
        trouble.started(next);
        // The login takes a moment.
        trouble.server_is_full(next + millis(10), &Retry::default());
        now = next;
    }
}

#[test]
fn after_a_full_server_each_success_admits_one_more() {
    let now = Instant::now();
    let mut trouble = Trouble::default();
    trouble.server_is_full(now, &Retry::default());
    assert_eq!(trouble.in_flight(USUAL), 1);
    let permitted: Vec<_> = (0..3)
        .map(|_| {
            assert!(trouble.succeeded(USUAL).is_none());
            trouble.in_flight(USUAL)
        })
        .collect();
    assert_eq!(permitted, [2, 3, 4]);
}

#[test]
fn a_pool_that_has_connections_presses_a_full_server_only_by_its_retry_policy() {
    let now = Instant::now();
    let retry = Retry::default().jitter(false);
    let mut trouble = Trouble::default();
    let mut waits = Vec::new();
    for _ in 0..6 {
        trouble.started(now);
        trouble.server_is_full(now, &retry);
        waits.push(trouble.next_start(true).expect("later") - now);
        assert!(trouble.next_start(false).expect("soon") - now <= MOST_GAP);
    }
    let expected = [500, 1000, 2000, 4000, 30_000, 30_000].map(millis);
    assert_eq!(waits, expected);
    assert_eq!(trouble.full_until(), Some(now + FULL_HOLDS));
    assert!(trouble.began().is_none(), "no outage");
}

#[test]
fn a_full_server_ends_an_outage_and_counts_as_full_for_ten_seconds_even_after_a_success() {
    let now = Instant::now();
    let mut trouble = in_trouble(now);
    trouble.server_is_full(now, &Retry::default());
    assert_eq!(trouble.began(), None);
    assert!(trouble.succeeded(USUAL).is_none());
    assert_eq!(trouble.full_until(), Some(now + FULL_HOLDS));
}

#[test]
fn a_refusal_holds_for_a_second_and_doubles_up_to_thirty() {
    let mut now = Instant::now();
    let error = Error::new(ErrorKind::Connect, "wrong password");
    let mut trouble = Trouble::default();
    for holds in [1, 2, 4, 8, 16, 30, 30] {
        drop(trouble.refused(&error, now));
        // Another attempt of the same moment does not double it.
        drop(trouble.refused(&error, now));
        let told = trouble
            .refusal(now + millis(500))
            .expect("it holds")
            .to_string();
        let left = holds as f64 - 0.5;
        assert_eq!(
            told,
            format!(
                "wrong password; it said so 0.5 s ago, and is asked again in {left:.1} s at the earliest"
            )
        );
        now = now + Duration::from_secs(holds);
        assert!(trouble.refusal(now).is_none(), "{holds}");
        assert_eq!(trouble.in_flight(USUAL), 1, "and then one asks for all");
    }
    assert!(trouble.succeeded(USUAL).is_some());
    assert_eq!(trouble.in_flight(USUAL), 2);
}

#[test]
fn with_nobody_waiting_it_looks_once_a_second_for_a_minute() {
    let start = Instant::now();
    let mut trouble = in_trouble(start);
    let mut looks = 0;
    while let Some(next) = trouble.next_look() {
        trouble.started(next);
        trouble.failed(next);
        looks += 1;
        assert_eq!(next, start + looks * SECOND);
    }
    assert_eq!(looks, 60);
    let later = start + Duration::from_secs(100);
    trouble.is_waited_for(later);
    assert!(trouble.next_look().is_some(), "a caller came meanwhile");
    assert!(trouble.succeeded(USUAL).is_none());
    assert_eq!(trouble.next_look(), None);
}
