//! A row of the results: what queuepool showed, what the others showed beside it, and the bars.

use serde_json::{Value, json};

use crate::measure::median;

/// The median of all rounds, and their least and greatest.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Spread {
        assert!(!values.is_empty(), "bug: a row without a round");
        Spread {
            median: median(values),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            greatest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn json(&self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.greatest })
    }
}

/// What a figure or a ratio must not exceed, or fall below.
#[derive(Clone, Copy)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn kept(self, value: f64) -> bool {
        match self {
            Bar::AtMost(limit) => value <= limit,
            Bar::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Bar::AtMost(limit) => format!("<= {}", number(limit)),
            Bar::AtLeast(limit) => format!(">= {}", number(limit)),
        }
    }
}

/// One of those that queuepool is compared with.
struct Beside {
    name: String,
    /// Its figure and the ratio of queuepool's to it, or what is not installed and how it is.
    found: Result<(Spread, Spread), String>,
    bar: Option<Bar>,
}

pub struct Row {
    pub name: String,
    unit: &'static str,
    ours: Vec<f64>,
    /// In the unit of the row.
    bar: Option<Bar>,
    beside: Vec<Beside>,
    note: Option<String>,
}

impl Row {
    /// A row with queuepool's figures, by round.
    pub fn new(name: impl Into<String>, unit: &'static str, ours: Vec<f64>) -> Row {
        Row {
            name: name.into(),
            unit,
            ours,
            bar: None,
            beside: Vec::new(),
            note: None,
        }
    }

    /// A bar for the figure itself.
    pub fn bar(mut self, bar: Bar) -> Row {
        self.bar = Some(bar);
        self
    }

    /// Compares round by round: the median of the ratios is not the ratio of the medians.
    pub fn against(mut self, name: &str, theirs: &[f64], bar: impl Into<Option<Bar>>) -> Row {
        assert_eq!(theirs.len(), self.ours.len(), "bug: rounds without a pair");
        let ratios: Vec<f64> = self
            .ours
            .iter()
            .zip(theirs)
            // Nothing against nothing is a draw.
            .map(|(ours, theirs)| if ours == theirs { 1.0 } else { ours / theirs })
            .collect();
        self.beside.push(Beside {
            name: name.to_owned(),
            found: Ok((Spread::of(theirs), Spread::of(&ratios))),
            bar: bar.into(),
        });
        self
    }

    pub fn not_installed(mut self, name: &str, how: &str) -> Row {
        self.beside.push(Beside {
            name: name.to_owned(),
            found: Err(how.to_owned()),
            bar: None,
        });
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Row {
        self.note = Some(note.into());
        self
    }

    pub fn ours(&self) -> Spread {
        Spread::of(&self.ours)
    }

    /// The figure of one beside, if it is installed.
    pub fn theirs(&self, name: &str) -> Option<Spread> {
        let beside = self.beside.iter().find(|beside| beside.name == name)?;
        beside.found.as_ref().ok().map(|(theirs, _)| *theirs)
    }

    /// Each bar of the row, as text, and whether it is kept.
    fn bars(&self) -> Vec<(String, bool)> {
        let own = self
            .bar
            .map(|bar| (String::new(), bar, self.ours().median))
            .into_iter();
        let ratios = self.beside.iter().filter_map(|beside| {
            let (_, ratio) = beside.found.as_ref().ok()?;
            let name = format!(" of {}", beside.name);
            beside.bar.map(|bar| (name, bar, ratio.median))
        });
        own.chain(ratios)
            .map(|(of, bar, value)| {
                let text = format!("{}: {}{of}, {}", self.name, number(value), bar.text());
                (text, bar.kept(value))
            })
            .collect()
    }

    /// The bars that are not kept.
    pub fn broken(&self) -> Vec<String> {
        let broken = self.bars().into_iter().filter(|(_, kept)| !kept);
        broken.map(|(text, _)| text).collect()
    }

    pub fn bar_count(&self) -> usize {
        self.bars().len()
    }

    /// The lines of the table: one for queuepool where it is alone or has a bar of its own, and one for each beside it.
    pub fn print(&self) {
        let ours = self.ours();
        let mut name = self.name.as_str();
        if self.bar.is_some() || self.beside.is_empty() {
            let range = range(&ours);
            let verdict = verdict(self.bar, ours.median);
            let figure = number(ours.median);
            let unit = self.unit;
            println!(
                "{name:<46} {unit:<8} {figure:>9} {:<12} {:>9} {range:>23} {verdict}",
                "", ""
            );
            name = "";
        }
        for beside in &self.beside {
            let (ours, other, unit) = (number(ours.median), &beside.name, self.unit);
            match &beside.found {
                Ok((theirs, ratio)) => {
                    let theirs = number(theirs.median);
                    let range = format!("{} {}", number(ratio.median), range(ratio));
                    let verdict = verdict(beside.bar, ratio.median);
                    println!(
                        "{name:<46} {unit:<8} {ours:>9} {other:<12} {theirs:>9} {range:>23} {verdict}"
                    );
                }
                Err(how) => {
                    println!("{name:<46} {unit:<8} {ours:>9} {other:<12} NOT INSTALLED: {how}");
                }
            }
            name = "";
        }
        if let Some(note) = &self.note {
            println!("{:<46} {note}", "");
        }
    }

    pub fn json(&self) -> Value {
        let beside: Vec<Value> = self
            .beside
            .iter()
            .map(|beside| match &beside.found {
                Ok((theirs, ratio)) => json!({
                    "name": beside.name,
                    "figure": theirs.json(),
                    "ratio": ratio.json(),
                    "bar": beside.bar.map(Bar::text),
                    "kept": beside.bar.map(|bar| bar.kept(ratio.median)),
                }),
                Err(how) => json!({ "name": beside.name, "not_installed": how }),
            })
            .collect();
        json!({
            "row": self.name,
            "unit": self.unit,
            "rounds": self.ours.len(),
            "queuepool": self.ours().json(),
            "bar": self.bar.map(Bar::text),
            "kept": self.bar.map(|bar| bar.kept(self.ours().median)),
            "beside": beside,
            "note": self.note,
        })
    }
}

pub fn print_head() {
    println!(
        "{:<46} {:<8} {:>9} {:<12} {:>9} {:>23} bar",
        "row", "unit", "queuepool", "against", "its", "ratio (min to max)"
    );
}

fn verdict(bar: Option<Bar>, value: f64) -> String {
    bar.map_or_else(String::new, |bar| {
        let kept = if bar.kept(value) { "kept" } else { "NOT KEPT" };
        format!("{} {kept}", bar.text())
    })
}

fn range(spread: &Spread) -> String {
    format!("({} to {})", number(spread.least), number(spread.greatest))
}

/// Three digits, which is more than two runs agree on.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
