//! The report as a person reads it.

use queuepool::{ErrorClass, PrePing, Retry, Settings};

use support::scripted::*;

fn lines_of(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn it_begins_with_the_configuration_then_the_state_then_what_to_do() {
    let pool = Server::new().pool(Settings::default());
    let _held = pool.get().unwrap();
    let text = pool.status().to_string();
    let expected = "Pool Type: QueuePool\nSize: 10\nMax Overflow: 20\nTotal Capacity: 30\nTimeout: 30.0s\nRecycle: 3600s\n\
                    Pre-ping: on (unless proved alive within 500ms)\nChecked Out: 1\nChecked In: 0\nOverflow: 0\n\
                    Utilization: 10.0%\nHealth: healthy\nRecommendations:\n  - Pool is healthy. No action needed.\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn no_line_is_longer_than_80_columns_whatever_is_in_it() {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(8)
        .max_overflow(7)
        .pre_ping(PrePing::Always)
        .enable_pool_metrics(true)
        .metrics_collection_interval(millis(5))
        .retry(Retry::default().max_attempts(1));
    let name = format!(
        "{}\u{1b}[31m\nsecond line {}",
        "long".repeat(20),
        "wörter ".repeat(14)
    );
    let pool = server.builder(settings).name(name).build().unwrap();
    let held: Vec<_> = (0..14).map(|_| pool.get().unwrap()).collect();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.get().unwrap_err();
    pool.get_timeout(millis(1)).unwrap_err();
    eventually("two samples", || pool.status().recent.is_some());
    let text = pool.status().to_string();
    for line in lines_of(&text) {
        assert!(
            line.chars().count() <= 80,
            "{} in {line:?}",
            line.chars().count()
        );
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(text.contains("Last Error: "), "{text}");
    drop(held);
}

#[test]
fn the_ten_longest_holders_are_printed_with_thread_and_line_and_all_are_in_the_data() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(Settings::default());
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(pool.get().unwrap());
        clock.advance(secs(1));
    }
    let line = line!() - 3;
    let status = pool.status();
    assert_eq!(status.holders.len(), 12);
    let text = status.to_string();
    assert!(text.contains("Holders: 12, the 10 longest:"), "{text}");
    let table: Vec<&str> = lines_of(&text)
        .into_iter()
        .skip_while(|line| !line.starts_with("Holders: "))
        .skip(2)
        .collect();
    assert_eq!(table.len(), 10, "{text}");
    let place = format!("{}:{line}", file!());
    for (row, held) in table.iter().zip((3..=12).rev()) {
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[0], format!("{held}.0"), "{text}");
        assert_eq!(words[2], (13 - held).to_string(), "{text}");
        assert!(words[3].starts_with("status::printed::th"), "{text}");
        assert_eq!(*words.last().unwrap(), place, "{text}");
    }
}

#[test]
fn times_have_three_digits_and_a_unit() {
    let (pool, clock) = Server::new().pool_with_clock(Settings::default());
    let held = pool.get().unwrap();
    clock.advance(millis(1500));
    drop(held);
    let text = pool.status().to_string();
    let hold = lines_of(&text)
        .into_iter()
        .find(|line| line.trim_start().starts_with("hold"))
        .unwrap();
    let words: Vec<&str> = hold.split_whitespace().collect();
    assert_eq!(words[..4], ["hold", "1", "1.50", "s"], "{hold}");
    assert!(
        text.contains(
            "Times        count      mean       p50       p90       p99     p99.9       max"
        ),
        "{text}"
    );
}

#[test]
fn a_thread_named_over_several_lines_is_one_word_of_one_line() {
    let pool = Server::new().pool(Settings::default().pool_size(1).max_overflow(0));
    let thread =
        std::thread::Builder::new().name("bad\nname\u{1b}[31m 漢字漢字漢字漢字漢字".to_owned());
    std::thread::scope(|scope| {
        thread
            .spawn_scoped(scope, || {
                let _held = pool.get().unwrap();
                let text = pool.status().to_string();
                assert!(text.contains("  bad name [31m 漢字…   tests/"), "{text}");
            })
            .unwrap()
            .join()
            .unwrap();
    });
}
