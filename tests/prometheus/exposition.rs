//! A parser of both text formats, as strict as they are.

use std::collections::BTreeMap;

pub type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Exposition {
    /// Keyed by the name in the TYPE line.
    pub families: BTreeMap<String, Family>,
    pub samples: BTreeMap<(String, Labels), f64>,
}

#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// Version 0.0.4.
    Prometheus,
    OpenMetrics,
}

/// # Panics
/// If a line violates the format, a sample appears twice, or a sample is outside the lines of its family.
pub fn read(text: &str, form: Form) -> Exposition {
    let mut read = Exposition::default();
    let mut current = String::new();
    for line in text
        .strip_suffix('\n')
        .expect("the last line is terminated")
        .split('\n')
    {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}")).to_owned();
            let (what, name, rest) = (word(), word(), word());
            match what.as_str() {
                "HELP" => {
                    let family = Family {
                        help: rest,
                        ..Family::default()
                    };
                    assert!(
                        read.families.insert(name.clone(), family).is_none(),
                        "{name} is described twice"
                    );
                    current = name;
                }
                "TYPE" => read.families.get_mut(&name).expect("after its HELP").kind = rest,
                "UNIT" => assert!(name.ends_with(&rest), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        let of = |suffix: &str| name.strip_suffix(suffix) == Some(&current);
        match read.families[&current].kind.as_str() {
            "histogram" => assert!(of("_bucket") || of("_sum") || of("_count"), "{line}"),
            "counter" if form == Form::OpenMetrics => assert!(of("_total"), "{line}"),
            "info" if form == Form::OpenMetrics => assert!(of("_info"), "{line}"),
            _ => assert!(of(""), "{line} under {current}"),
        }
        let before = read.samples.insert((name, labels), value);
        assert!(before.is_none(), "twice: {line}");
    }
    read
}

impl Exposition {
    /// The sample of a pool that has the given labels and no others.
    #[track_caller]
    pub fn value(&self, name: &str, pool: &str, more: &[(&str, &str)]) -> f64 {
        let key = (name.to_owned(), labels(pool, more));
        *self
            .samples
            .get(&key)
            .unwrap_or_else(|| panic!("no {key:?}"))
    }
}

pub fn labels(pool: &str, more: &[(&str, &str)]) -> Labels {
    [("pool", pool)]
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn sample(line: &str) -> (String, Labels, f64) {
    let mut labels = Labels::new();
    let Some((name, mut rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        return (name.to_owned(), labels, value.parse().expect(line));
    };
    loop {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        let (value, after) = quoted(after);
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let value = after.strip_prefix("} ").unwrap_or_else(|| panic!("{line}"));
                return (name.to_owned(), labels, value.parse().expect(line));
            }
        }
    }
}

/// The value up to its closing quote, and the text after it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, same @ ('\\' | '"'))) => same,
                other => panic!("no such escape: {other:?} in {text}"),
            }),
            letter => value.push(letter),
        }
    }
    panic!("no closing quote: {text}");
}
