//! What a load has seen of a trial, by its own record and by the rows that are there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use crate::load::Round;
use crate::subject::Failed;

#[derive(Debug, Default)]
pub struct Outcome {
    pub written: usize,
    /// Rounds that failed before the moment when all is well again.
    pub errors_before: usize,
    /// Rounds that failed after it.
    pub errors_after: usize,
    /// From that moment to the end of the first row that was begun after it.
    pub first_write: Option<Duration>,
    /// From that moment until each thread has written a row after its last error. None if one of them never did.
    pub good_again: Option<Duration>,
    /// Acknowledged but missing.
    pub lost: usize,
    /// There more than once, or although no statement was sent.
    pub doubled: usize,
    /// The errors, with how often each was seen. Numbers in them are left out.
    pub words: BTreeMap<String, usize>,
    /// What the pool recommended while writes failed.
    pub advice: Vec<String>,
}

impl Outcome {
    /// Takes what each thread has done, the rows that are there, and the moment from which all is well again.
    pub fn new(rounds: &[Vec<Round>], there: &[i64], well: Instant) -> Outcome {
        let mut outcome = Outcome {
            first_write: first_write(rounds, well),
            good_again: good_again(rounds, well),
            ..Outcome::default()
        };
        let mut times: HashMap<i64, usize> = HashMap::new();
        for number in there {
            *times.entry(*number).or_default() += 1;
        }
        for round in rounds.iter().flatten() {
            let times = times.remove(&round.number).unwrap_or_default();
            let most = match &round.result {
                Ok(()) => {
                    outcome.written += 1;
                    outcome.lost += usize::from(times == 0);
                    1
                }
                Err(failed) => {
                    match round.ended < well {
                        true => outcome.errors_before += 1,
                        false => outcome.errors_after += 1,
                    }
                    *outcome.words.entry(without_numbers(failed)).or_default() += 1;
                    usize::from(matches!(failed, Failed::Sent(_)))
                }
            };
            outcome.doubled += times.saturating_sub(most);
        }
        // Rows that nobody has written.
        outcome.doubled += times.len();
        outcome
    }

    pub fn errors(&self) -> usize {
        self.errors_before + self.errors_after
    }
}

fn first_write(rounds: &[Vec<Round>], well: Instant) -> Option<Duration> {
    let after = rounds.iter().flatten().filter(|round| round.begun >= well);
    let written = after.filter(|round| round.result.is_ok());
    written.map(|round| round.ended - well).min()
}

fn good_again(rounds: &[Vec<Round>], well: Instant) -> Option<Duration> {
    let of_each = rounds.iter().map(|rounds| {
        let last_error = rounds.iter().rposition(|round| round.result.is_err());
        let since = &rounds[last_error.map_or(0, |last| last + 1)..];
        let first = since.iter().find(|round| round.ended >= well)?;
        Some(first.ended - well)
    });
    of_each.max_by_key(|time| time.map_or((1, Duration::ZERO), |time| (0, time)))?
}

fn without_numbers(failed: &Failed) -> String {
    let words = failed.to_string();
    words.replace(|letter: char| letter.is_ascii_digit(), "")
}

/// The words for the table.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, before, after) = (self.written, self.errors_before, self.errors_after);
        write!(
            f,
            "{written} written; {before} errors before, {after} after; "
        )?;
        match self.good_again {
            Some(time) => write!(f, "all good again after {}", Time(time)),
            None => write!(f, "not all good again"),
        }?;
        match self.first_write {
            Some(time) => write!(f, ", the first write after {}", Time(time)),
            None => write!(f, ", not one write"),
        }
    }
}

/// A time as the table has it.
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{:.0} ms", self.0.as_secs_f64() * 1e3)
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

mod tests {
    use super::*;

    fn failed(words: &str, to: fn(String) -> Failed) -> Result<(), Failed> {
        Err(to(words.to_owned()))
    }

    /// Rounds of one thread, a second each, with numbers from 1.
    fn one_thread(begun: Instant, results: Vec<Result<(), Failed>>) -> Vec<Round> {
        let second = |number: i64| begun + Duration::from_secs(number as u64);
        let numbered = (0..).zip(results);
        let round = |(number, result)| Round {
            number: number + 1,
            begun: second(number),
            ended: second(number + 1),
            result,
        };
        numbered.map(round).collect()
    }

    #[test]
    fn rows_that_are_missing_or_too_many_are_counted() {
        let begun = Instant::now();
        let results = vec![
            Ok(()),
            Ok(()),
            failed("cut", Failed::Sent),
            failed("cut", Failed::Sent),
            failed("none", Failed::Refused),
        ];
        let rounds = [one_thread(begun, results)];
        let count = |there: &[i64]| {
            let outcome = Outcome::new(&rounds, there, begun);
            (outcome.lost, outcome.doubled)
        };
        assert_eq!(count(&[1, 2]), (0, 0));
        assert_eq!(
            count(&[1, 2, 3]),
            (0, 0),
            "a statement that failed may have been carried out"
        );
        assert_eq!(count(&[2, 3]), (1, 0));
        assert_eq!(count(&[1, 2, 2]), (0, 1));
        assert_eq!(count(&[1, 2, 3, 3]), (0, 1));
        assert_eq!(count(&[1, 2, 5]), (0, 1), "no statement was sent");
        assert_eq!(count(&[1, 2, 77]), (0, 1), "nobody has written it");
    }

    #[test]
    fn all_is_good_again_when_the_last_thread_writes_without_an_error_from_then_on() {
        let begun = Instant::now();
        let well = begun + Duration::from_millis(1_500);
        let error = || failed("read-only", Failed::Sent);
        let sooner = one_thread(begun, vec![error(), error(), Ok(()), Ok(())]);
        let later = one_thread(begun, vec![error(), Ok(()), error(), Ok(())]);
        let never = one_thread(begun, vec![Ok(()), Ok(()), Ok(()), error()]);
        let good_again = |rounds: &[Vec<Round>]| Outcome::new(rounds, &[], well).good_again;
        assert_eq!(good_again(&[sooner]), Some(Duration::from_millis(1_500)));
        let sooner = one_thread(begun, vec![error(), error(), Ok(()), Ok(())]);
        let both = [sooner, later];
        assert_eq!(good_again(&both), Some(Duration::from_millis(2_500)));
        let outcome = Outcome::new(&both, &[], well);
        assert_eq!((outcome.errors_before, outcome.errors_after), (2, 2));
        let [sooner, later] = both;
        assert_eq!(good_again(&[sooner, later, never]), None);
    }
}
