//! What the pool concludes from its numbers: leak detection and recommendations.

use queuepool::{AnyConnection, Database, Health};

use crate::backend::{Backend, on_each, settings};
use support::scripted::{Server, eventually, millis, secs};

on_each! {
    leak_detection_tells_who_keeps_the_pool_full_and_ends_when_one_comes_back,
    recommendations_say_nothing_to_do_when_healthy_and_name_setting_and_line_when_critical,
}

const HEALTHY: [&str; 1] = ["Pool is healthy. No action needed."];

fn all_out(database: &Database) -> Vec<AnyConnection> {
    let capacity = database.status().total_capacity;
    (0..capacity).map(|_| database.get().unwrap()).collect()
}

fn leak_detection_tells_who_keeps_the_pool_full_and_ends_when_one_comes_back(
    backend: &mut Backend,
) {
    let database = backend.open(settings(2, 1).leak_after(millis(50)));
    let mut held = all_out(&database);
    eventually("it is taken for a leak", || database.status().leak_detected);
    let status = database.status();
    assert!(status.leaking_for(millis(50)) && !status.leaking_for(secs(3600)));
    let files = status.holders.iter().map(|holder| holder.location.file());
    assert_eq!(
        files.filter(|file| file.ends_with("judgement.rs")).count(),
        3
    );
    let advice = status.recommendations.join("\n");
    assert!(
        advice.contains("leak") && advice.contains("judgement.rs:"),
        "{advice}"
    );

    held.pop();
    let status = database.status();
    assert!(!status.leak_detected && !status.leaking_for(millis(0)));
    held.clear();
    assert_eq!(database.status().recommendations, HEALTHY);
    database.close(secs(60)).unwrap();
}

#[test]
fn leak_detection_takes_more_than_leak_after_without_a_break() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(2, 1).leak_after(secs(10)));
    let mut held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    clock.advance(secs(10));
    assert!(!pool.status().leak_detected);
    clock.advance(millis(1));
    let status = pool.status();
    assert!(status.leak_detected && status.leaking_for(secs(10)) && !status.leaking_for(secs(11)));

    held.pop();
    assert!(!pool.status().leak_detected);
    held.push(pool.get().unwrap());
    clock.advance(secs(10));
    assert!(
        !pool.status().leak_detected,
        "a break means that it is no leak"
    );
    clock.advance(millis(1));
    assert!(pool.status().leak_detected);
}

#[test]
fn leak_detection_needs_the_overflow_used_up() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(10, 10));
    let _held: Vec<_> = (0..19).map(|_| pool.get().unwrap()).collect();
    clock.advance(secs(3600));
    let status = pool.status();
    assert_eq!(
        (status.health, status.leak_detected),
        (Health::Critical, false)
    );
}

fn recommendations_say_nothing_to_do_when_healthy_and_name_setting_and_line_when_critical(
    backend: &mut Backend,
) {
    let database = backend.open(settings(4, 6));
    let mut held: Vec<_> = (0..2).map(|_| database.get().unwrap()).collect();
    let status = database.status();
    assert_eq!((status.health, status.utilization), (Health::Healthy, 50.0));
    assert_eq!(status.recommendations, HEALTHY);

    held.push(database.get().unwrap());
    let status = database.status();
    assert_eq!(status.health, Health::Warning);
    assert_names(&status.recommendations, "pool_size");

    held.extend((3..10).map(|_| database.get().unwrap()));
    let status = database.status();
    assert_eq!(status.health, Health::Critical);
    assert_names(&status.recommendations, "max_overflow");
    assert_names(&status.recommendations, "judgement.rs:");

    drop(held);
    assert_eq!(database.status().recommendations, HEALTHY);
    database.close(secs(60)).unwrap();
}

#[test]
fn recommendations_name_the_thread_and_the_line_of_the_longest_holder() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings(2, 1));
    let held_by = |name: &str| {
        let pool = pool.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread
            .spawn(move || pool.get().unwrap())
            .unwrap()
            .join()
            .unwrap()
    };
    let _longest = held_by("export-3");
    clock.advance(secs(41));
    let _others = [held_by("report-1"), held_by("report-2")];
    let status = pool.status();
    assert_eq!(status.health, Health::Critical);
    for word in ["export-3", "judgement.rs:", "41 s"] {
        assert_names(&status.recommendations, word);
    }
}

#[track_caller]
fn assert_names(recommendations: &[String], word: &str) {
    assert!(
        recommendations.iter().any(|line| line.contains(word)),
        "{recommendations:#?}"
    );
}
