//! Durations at random, as settings read and print them.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use queuepool::Settings;

/// A setting takes any duration here: its range is checked only later, by `validate`.
fn parse(text: &str) -> Option<Duration> {
    let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
    let settings = format!("pool_timeout={text}").parse::<Settings>();
    settings.ok().map(|settings| settings.timeout)
}

/// Percent-encoded where it needs to be.
fn print(duration: Duration) -> String {
    let settings = Settings::default().timeout(duration).to_string();
    let value = settings
        .split('&')
        .find_map(|pair| pair.strip_prefix("pool_timeout="));
    value.expect("every setting is printed").to_owned()
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn parsing_what_looks_like_a_duration_never_panics(
        text in "([0-9 .]{1,20}(ns|us|µs|ms|s|m|h|d|w|M|y|years| )){0,6}"
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_taken_parses_back_from_how_it_is_printed(
        text in "([0-9]{1,10}(ns|us|ms|s|m|h|days|w|months|years) ?){1,4}"
    ) {
        if let Some(duration) = parse(&text) {
            prop_assert_eq!(parse(&print(duration)), Some(duration));
        }
    }

    #[test]
    fn a_printed_duration_parses_back(
        seconds in 0u64..=3_155_760_000,
        nanoseconds in 0u32..1_000_000_000,
    ) {
        let duration = Duration::new(seconds, nanoseconds);
        let printed = print(duration);
        prop_assert!(printed.chars().all(char::is_alphanumeric), "{}", printed);
        prop_assert_eq!(parse(&printed), Some(duration));
    }
}
