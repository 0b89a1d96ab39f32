//! Get and drop on connections that do nothing, everything counted.

use std::time::Duration;

use crate::Suite;
use crate::measure::{Entrants, Load, NoPool, Sample, take_turns};
use crate::nothing::{self, Deadpool};
use crate::peer::{self, Found};
use crate::row::{Bar, Row};

/// Threads, connections, and what was promised of the cost against r2d2's and HikariCP's. The first of all would be 0.55 without a
/// clock faster than the standard library's.
const ROWS: [(u32, u32, f64, Option<f64>); 8] = [
    (1, 10, 0.40, Some(1.0)),
    (2, 10, 0.25, Some(1.0)),
    (4, 10, 1.0, None),
    (8, 10, 1.0, None),
    (8, 8, 1.0, None),
    (8, 4, 0.30, Some(1.2)),
    (32, 4, 0.35, Some(2.5)),
    (32, 10, 0.35, Some(2.5)),
];
/// With 32 threads, the longest wait is to be a tenth of HikariCP's.
const LONGEST_OF_HIKARI: f64 = 0.1;

/// The pools of other languages, which take part in more than one section.
pub struct Peers {
    hikari: Found,
    sqlalchemy: Option<Found>,
}

impl Peers {
    pub fn hikari_only() -> Peers {
        let folder = std::env::temp_dir().join("java");
        std::fs::create_dir_all(&folder).expect("our own folder");
        Peers {
            hikari: peer::hikari(&folder),
            sqlalchemy: None,
        }
    }

    pub fn all(python: &str) -> Peers {
        Peers {
            sqlalchemy: Some(peer::sqlalchemy(python)),
            ..Peers::hikari_only()
        }
    }

    fn names(&self) -> Vec<String> {
        let all = [Some(&self.hikari), self.sqlalchemy.as_ref()];
        let found = all.into_iter().flatten().flatten();
        found.map(|peer| peer.name.clone()).collect()
    }

    pub fn add_to<'a>(&'a mut self, entrants: &mut Entrants<'a>) {
        if let Ok(peer) = &mut self.hikari {
            entrants.push(("HikariCP", Box::new(peer)));
        }
        if let Some(Ok(peer)) = &mut self.sqlalchemy {
            entrants.push(("SQLAlchemy", Box::new(peer)));
        }
    }

    pub fn say_missing(&self, mut row: Row) -> Row {
        if let Err(how) = &self.hikari {
            row = row.not_installed("HikariCP", how);
        }
        if let Some(Err(how)) = &self.sqlalchemy {
            row = row.not_installed("SQLAlchemy", how);
        }
        row
    }
}

/// A row of one of the figures: the first of the series is queuepool's.
pub fn row(
    name: String,
    unit: &'static str,
    series: &[(&'static str, Vec<Sample>)],
    figure: impl Fn(&Sample) -> f64,
    bar: impl Fn(&str) -> Option<Bar>,
) -> Row {
    let figures = |samples: &[Sample]| samples.iter().map(&figure).collect::<Vec<f64>>();
    let (ours, others) = series.split_first().expect("queuepool");
    let mut row = Row::new(name, unit, figures(&ours.1));
    for (name, samples) in others {
        row = row.against(name, &figures(samples), bar(name));
    }
    row
}

pub fn rows(suite: &mut Suite) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime");
    let mut peers = Peers::all(&suite.options.python);
    suite.peers = peers.names();
    let rounds = suite.pick(12, 2);
    for (threads, connections, bar, of_hikari) in ROWS {
        let name = format!("pairs/{threads}-on-{connections}");
        if !suite.wants(&name) {
            continue;
        }
        let mut entrants: Entrants = vec![
            ("queuepool", Box::new(nothing::queuepool(connections))),
            ("r2d2", Box::new(nothing::r2d2(connections))),
        ];
        peers.add_to(&mut entrants);
        entrants.push(("deadpool", Box::new(Deadpool::new(connections, &runtime))));
        let mut load = Load {
            threads,
            connections,
            held: Duration::ZERO,
            window: suite.window(200),
            timed: false,
        };
        let untimed = take_turns(&mut entrants, &load, rounds);
        load.timed = true;
        // With more connections than threads there is nothing to wait for.
        load.window = suite.window(400);
        let rounds = suite.pick(8, 2);
        entrants.push(("no pool", Box::new(NoPool)));
        let timed = (threads >= connections).then(|| take_turns(&mut entrants, &load, rounds));
        drop(entrants);
        let cost = row(
            name.clone(),
            "ns",
            &untimed,
            |sample| sample.cost,
            |other| match other {
                "r2d2" => Some(Bar::AtMost(bar)),
                "HikariCP" => of_hikari.map(Bar::AtMost),
                _ => None,
            },
        );
        suite.add(peers.say_missing(cost));
        let Some(timed) = timed else { continue };
        let is_crowd = threads > connections;
        let longest = row(
            format!("{name} longest wait"),
            "us",
            &timed,
            |sample| sample.longest / 1e3,
            |other| match other {
                // With a connection for each thread nobody waits: what is seen is the scheduler's.
                "r2d2" => is_crowd.then_some(Bar::AtMost(1.0)),
                "HikariCP" => (threads == 32).then_some(Bar::AtMost(LONGEST_OF_HIKARI)),
                _ => None,
            },
        );
        suite.add(longest);
    }
}
