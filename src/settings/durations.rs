//! How durations are written.

use std::time::Duration;

/// Longer than any duration that anybody means. humantime 2.4 panics in `Duration::new` if a sum reaches `u64::MAX` seconds,
/// which takes more digits than these two limits let through.
const LONGEST_TEXT: usize = 100;
const LONGEST_NUMBER: usize = 10;

/// 10^10 years as humantime counts them. A shorter duration is printed in numbers of at most [`LONGEST_NUMBER`] digits, and so
/// can be parsed again.
const TOO_LONG: Duration = Duration::from_secs(31_557_600 * 10_u64.pow(LONGEST_NUMBER as u32));

/// Reads plain seconds (`30`, `0.5`) or numbers with units (`30s`, `1h 30min`).
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.len() > LONGEST_TEXT || longest_number(text) > LONGEST_NUMBER {
        return None;
    }
    let is_plain = text
        .chars()
        .all(|character| character.is_ascii_digit() || character == '.');
    let duration = if is_plain {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    duration.ok().filter(|duration| *duration < TOO_LONG)
}

/// Writes a duration exact to the nanosecond, in letters and digits only.
pub(crate) fn print(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}

/// The number of digits of the longest number. humantime reads `1 000` as one number, so spaces do not count.
fn longest_number(text: &str) -> usize {
    let without_spaces: String = text.split_whitespace().collect();
    without_spaces
        .split(|character: char| !character.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_seconds_and_units_are_understood() {
        let milliseconds = [
            ("30", 30_000),
            ("0", 0),
            ("0.5", 500),
            (" 2 ", 2_000),
            ("30s", 30_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("1h 30min", 5_400_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("1day", 86_400_000),
        ];
        for (text, expected) in milliseconds {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(expected)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "-1",
            "-1s",
            "s",
            "1 parsec",
            "1,5",
            "1e3",
            "0x10",
            "NaN",
            "inf",
            ".",
            "1.",
            ".5",
            "30 s s",
            "٣",
            "1h-30m",
            "0.0000000001",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_that_overflow_inside_humantime_are_refused() {
        for text in [
            "18446744073709551615s 1000000000ns",
            "18446744073709551615s1000ms",
            "1844674407 3709551615 s 1000ms",
            "99999999999999999999",
            "584542046090years",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sum_is_refused_where_it_is_longer_than_any_number_that_is_taken() {
        for text in ["9999999999years 1year", "9999999999y3592641y"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        let longest = TOO_LONG - Duration::from_nanos(1);
        assert_eq!(parse(&print(longest)), Some(longest));
    }
}
