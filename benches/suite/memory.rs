//! Heap memory of a pool and of a connection, counted at the allocator by the program `heap`.

use std::process::Command;

use crate::Suite;
use crate::row::Row;

pub fn rows(suite: &mut Suite) {
    // What is counted differs by what the pools' threads are doing at the moment.
    let runs: Vec<Vec<Counted>> = (0..suite.pick(7, 3)).map(|_| run()).collect();
    for (at, (what, _)) in runs[0].iter().enumerate() {
        let name = format!("memory/{what}");
        if !suite.wants(&name) {
            continue;
        }
        let of = |pool: usize| runs.iter().map(|run| run[at].1[pool]).collect::<Vec<f64>>();
        // No bar; tests/memory holds a connection under a kibibyte.
        suite.add(Row::new(name, "bytes", of(0)).against("r2d2", &of(1), None));
    }
}

/// What was counted, and the bytes of queuepool and of r2d2.
type Counted = (String, [f64; 2]);

fn run() -> Vec<Counted> {
    let output = Command::new(env!("CARGO_BIN_EXE_heap")).output();
    let output = output.expect("the program heap, which cargo builds with this one");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(", ").collect();
        let [what, ours, r2d2] = words[..] else {
            panic!("heap said {line:?}");
        };
        let bytes = [ours, r2d2].map(|word| word.parse().expect("a number"));
        (what.to_owned(), bytes)
    });
    lines.collect()
}
