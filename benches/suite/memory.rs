//! Heap memory of a pool and of a connection, counted at the allocator by the program `heap`.

use std::process::Command;

use crate::Suite;
use crate::row::Row;

pub fn rows(suite: &mut Suite) {
    let output = Command::new(env!("CARGO_BIN_EXE_heap")).output();
    let output = output.expect("the program heap, which cargo builds with this one");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // "what, bytes of queuepool, bytes of r2d2"
    for line in text.lines() {
        let mut words = line.split(", ");
        let what = words.next().expect("a name");
        let bytes: Vec<f64> = words.map(|word| word.parse().expect("a number")).collect();
        let name = format!("memory/{what}");
        if suite.wants(&name) {
            // No bar of issue 14; tests/memory holds a connection under a kibibyte.
            suite.add(Row::new(name, "bytes", vec![bytes[0]]).against("r2d2", &bytes[1..], None));
        }
    }
}
