//! Whether a get and drop costs more in a larger pool, all of whose connections are open.

use std::time::Duration;

use crate::Suite;
use crate::measure::{Entrants, Load, take_turns};
use crate::nothing;
use crate::row::{Bar, Row};

const SIZES: [u32; 4] = [1, 10, 100, 1_000];
/// What 1,000 connections may cost, against 10 of the same pool's.
const OF_TEN: f64 = 1.15;
const OURS: [&str; 4] = ["1", "10", "100", "1000"];

pub fn rows(suite: &mut Suite) {
    for threads in [1, 2] {
        let mut entrants: Entrants = Vec::new();
        for (name, size) in OURS.into_iter().zip(SIZES) {
            entrants.push((name, Box::new(nothing::queuepool(size))));
            entrants.push(("r2d2", Box::new(nothing::r2d2(size))));
        }
        let load = Load {
            threads,
            connections: 0,
            held: Duration::ZERO,
            window: suite.window(200),
            timed: false,
        };
        let series = take_turns(&mut entrants, &load, suite.pick(12, 2));
        let costs: Vec<Vec<f64>> = series
            .iter()
            .map(|(_, samples)| samples.iter().map(|sample| sample.cost).collect())
            .collect();
        for (at, size) in SIZES.into_iter().enumerate() {
            let name = format!("sizes/{threads}-on-{size}");
            if !suite.wants(&name) {
                continue;
            }
            let (ours, r2d2) = (costs[2 * at].clone(), &costs[2 * at + 1]);
            let mut row = Row::new(name, "ns", ours).against("r2d2", r2d2, Bar::AtMost(1.0));
            if size != 10 {
                // The bar is for 1,000; the others show the way there. One connection for two threads is a hand-over.
                let bar = (size == 1_000).then_some(Bar::AtMost(OF_TEN));
                row = row.against("itself on 10", &costs[2], bar);
            }
            suite.add(row);
        }
    }
}
