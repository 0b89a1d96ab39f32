//! What became of each row, according to what the workers were told.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// The commit returned Ok.
    Acknowledged,
    /// No commit was ever sent; the text says why in a few words.
    RolledBack(String),
    /// The commit was sent and returned an error.
    InDoubt,
}

#[derive(Default)]
pub struct Book(Mutex<BTreeMap<u64, Fate>>);

/// The book compared with the table.
pub struct Audit {
    acknowledged: usize,
    /// Counted by reason.
    rolled_back: BTreeMap<String, usize>,
    in_doubt_and_there: Vec<u64>,
    in_doubt_and_not_there: Vec<u64>,
    /// Acknowledged but missing.
    pub lost: Vec<u64>,
    /// There more than once, or there although rolled back.
    pub doubled: Vec<u64>,
}

impl Book {
    pub fn note(&self, number: u64, fate: Fate) {
        let before = self.0.lock().insert(number, fate);
        assert_eq!(before, None, "row {number} was used twice");
    }

    pub fn acknowledged(&self) -> usize {
        let fates = self.0.lock();
        fates
            .values()
            .filter(|fate| **fate == Fate::Acknowledged)
            .count()
    }

    /// Takes the numbers of all rows that are there.
    pub fn compare(&self, there: &[u64]) -> Audit {
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for number in there {
            *times.entry(*number).or_default() += 1;
        }
        let mut audit = Audit {
            acknowledged: 0,
            rolled_back: BTreeMap::new(),
            in_doubt_and_there: Vec::new(),
            in_doubt_and_not_there: Vec::new(),
            lost: Vec::new(),
            doubled: Vec::new(),
        };
        for (number, fate) in self.0.lock().iter() {
            let times = times.remove(number).unwrap_or_default();
            let most = match fate {
                Fate::Acknowledged => {
                    audit.acknowledged += 1;
                    if times == 0 {
                        audit.lost.push(*number);
                    }
                    1
                }
                Fate::RolledBack(why) => {
                    *audit.rolled_back.entry(why.clone()).or_default() += 1;
                    0
                }
                Fate::InDoubt => {
                    let in_doubt = match times {
                        0 => &mut audit.in_doubt_and_not_there,
                        _ => &mut audit.in_doubt_and_there,
                    };
                    in_doubt.push(*number);
                    1
                }
            };
            if times > most {
                audit.doubled.push(*number);
            }
        }
        // Rows that nobody wrote.
        audit.doubled.extend(times.into_keys());
        audit
    }
}

impl Audit {
    pub fn words(&self) -> String {
        let mut words = vec![format!("committed × {}", self.acknowledged)];
        words.extend(
            self.rolled_back
                .iter()
                .map(|(why, times)| format!("{why} × {times}")),
        );
        words.push(format!(
            "in doubt × {}, of which {} are there",
            self.in_doubt_and_not_there.len() + self.in_doubt_and_there.len(),
            self.in_doubt_and_there.len()
        ));
        words.join(", ")
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())?;
        for (what, numbers) in [
            ("in doubt and there", &self.in_doubt_and_there),
            ("in doubt and not there", &self.in_doubt_and_not_there),
            ("lost", &self.lost),
            ("too much", &self.doubled),
        ] {
            write!(f, "\n{what}: {numbers:?}")?;
        }
        Ok(())
    }
}
