//! How long threads wait when there are more of them than connections, on connections that do nothing and are held for a while.

use std::time::Duration;

use crate::Suite;
use crate::measure::{Entrants, Load, NoPool, take_turns};
use crate::nothing;
use crate::pairs::{Peers, row};
use crate::row::Bar;

/// Threads and connections: 2, 8 and 16 times as many threads as connections, and what was promised.
const CROWDS: [(u32, u32); 3] = [(8, 4), (32, 4), (64, 4)];
const NAMED: [(u32, u32, u64); 2] = [(64, 10, 1_000), (2, 1, 100)];
const HELD_MICROSECONDS: [u64; 3] = [0, 100, 1_000];

pub fn rows(suite: &mut Suite) {
    let crowds = CROWDS.into_iter().flat_map(|(threads, connections)| {
        HELD_MICROSECONDS.map(|held| (threads, connections, held))
    });
    let mut peers = Peers::hikari_only();
    for (threads, connections, held) in crowds.chain(NAMED) {
        let name = format!("waits/{threads}-on-{connections}-{held}us");
        if suite.wants(&name) {
            one(suite, &mut peers, &name, (threads, connections, held));
        }
    }
}

fn one(
    suite: &mut Suite,
    peers: &mut Peers,
    name: &str,
    (threads, connections, held): (u32, u32, u64),
) {
    let mut entrants: Entrants = vec![
        ("queuepool", Box::new(nothing::queuepool(connections))),
        ("r2d2", Box::new(nothing::r2d2(connections))),
    ];
    peers.add_to(&mut entrants);
    let load = Load {
        threads,
        connections,
        held: Duration::from_micros(held),
        window: suite.window(400),
        timed: true,
    };
    let pools = entrants.len();
    if held == 0 {
        entrants.push(("no pool", Box::new(NoPool)));
    }
    let all = take_turns(&mut entrants, &load, suite.pick(8, 2));
    let series = &all[..pools];
    drop(entrants);
    // What was promised by name; elsewhere no more than r2d2.
    let (p99, longest, throughput) = match (threads, connections, held) {
        (64, 10, 1_000) => (0.20, 0.12, 0.98),
        (2, 1, 100) => (0.6, 1.0, 0.98),
        // While connections are held asleep, they and not the pool limit the throughput: as was promised.
        (_, _, 100..) => (1.0, 1.0, 0.98),
        _ => (1.0, 1.0, 1.0),
    };
    let of_r2d2 = |bar: Bar| move |other: &str| (other == "r2d2").then_some(bar);
    suite.add(row(
        format!("{name} throughput"),
        "1/s",
        series,
        |sample| 1e9 / sample.cost,
        of_r2d2(Bar::AtLeast(throughput)),
    ));
    // No bar: with the same throughput, whoever lets nobody overtake has the longer median.
    suite.add(row(
        format!("{name} p50"),
        "us",
        series,
        |sample| sample.p50 / 1e3,
        |_| None,
    ));
    suite.add(row(
        format!("{name} p99"),
        "us",
        series,
        |sample| sample.p99 / 1e3,
        of_r2d2(Bar::AtMost(p99)),
    ));
    let row = row(
        format!("{name} longest"),
        "us",
        &all,
        |sample| sample.longest / 1e3,
        of_r2d2(Bar::AtMost(longest)),
    );
    suite.add(peers.say_missing(row));
}
