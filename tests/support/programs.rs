//! The example programs of queuepool, which cargo builds together with the tests.

use std::path::{Path, PathBuf};

/// The path of this example's program.
pub fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the program's path");
    let folder = own.parent().and_then(Path::parent).expect("target/debug");
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is missing: `cargo test --workspace` builds it, and so does `cargo build --examples`",
        program.display()
    );
    program
}
