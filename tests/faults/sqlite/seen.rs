//! What was seen of a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use support::scripted::millis;

/// How one subject came through one fault.
#[derive(Debug)]
pub struct Seen {
    pub told: BTreeMap<String, u64>,
    /// From the mending to the first successful statement of a new caller.
    pub recovery: Option<Duration>,
    pub lost: u64,
    pub doubled: u64,
    /// Files of the database that this process still has open after the close.
    pub leaked: u64,
}

impl Seen {
    /// Asserts that nothing was lost and that nobody was told anything this fault does not explain.
    pub fn assert_whole(&self, may_be_told: &[&str]) {
        let told = self.told.keys().map(String::as_str);
        let unexpected: Vec<&str> = told
            .filter(|words| *words != "ok" && !may_be_told.contains(words))
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:?}: {self:?}");
        let felt = may_be_told.is_empty() || self.told.len() > 1;
        assert!(felt, "nobody has noticed anything: {self:?}");
        assert_eq!(
            (self.lost, self.doubled, self.leaked),
            (0, 0, 0),
            "{self:?}"
        );
        assert!(
            self.recovery.is_some_and(|time| time < millis(250)),
            "{self:?}"
        );
    }

    pub fn words(&self) -> String {
        let told = self
            .told
            .iter()
            .map(|(words, times)| format!("{words} × {times}"));
        told.collect::<Vec<_>>().join(", ")
    }

    /// The three results in one line, to be passed to another process.
    pub fn write_down(seen: &[Seen; 3]) -> String {
        let line = |seen: &Seen| {
            let Seen {
                told,
                recovery,
                lost,
                doubled,
                leaked,
            } = seen;
            let told: Vec<String> = told
                .iter()
                .map(|(words, times)| format!("{words}={times}"))
                .collect();
            let recovery = recovery.map_or(-1, |time| time.as_micros() as i64);
            format!("{};{recovery};{lost};{doubled};{leaked}", told.join(","))
        };
        seen.iter().map(line).collect::<Vec<_>>().join("|")
    }

    pub fn read(text: &str) -> [Seen; 3] {
        let read = |line: &str| {
            let parts: Vec<&str> = line.split(';').collect();
            let [told, recovery, lost, doubled, leaked] = parts.try_into().unwrap();
            let pairs = told.split(',').map(|pair| {
                let (words, times) = pair.split_once('=').unwrap();
                (words.to_owned(), times.parse().unwrap())
            });
            Seen {
                told: pairs.collect(),
                recovery: recovery.parse().ok().map(Duration::from_micros),
                lost: lost.parse().unwrap(),
                doubled: doubled.parse().unwrap(),
                leaked: leaked.parse().unwrap(),
            }
        };
        let all: Vec<Seen> = text.split('|').map(read).collect();
        all.try_into().unwrap()
    }
}
