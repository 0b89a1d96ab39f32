//! A process of its own for a test.

use std::any::type_name;
use std::env;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const CHILD: &str = "QUEUEPOOL_TEST_IS_ALONE";

/// Runs the whole body of a test in a process in which no other test runs, so that what the test sets, counts or measures
/// there is its own.
///
/// nextest gives every test such a process. `cargo test` does not, so there the test starts its program again for itself
/// alone, and while it waits, no other such test of the program runs.
pub fn alone<Body: FnOnce()>(body: Body) {
    let by_nextest =
        env::var("NEXTEST_EXECUTION_MODE").is_ok_and(|mode| mode == "process-per-test");
    if by_nextest || env::var_os(CHILD).is_some() {
        return body();
    }
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env::current_exe().expect("the program's path"))
        .args(["--exact", name_of::<Body>(), "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the program starts again");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{}", output.status);
    assert!(said.contains("1 passed"), "there is no such test");
}

/// The name of the test whose body this closure is, as the test program knows it. If the names of closures ever change, no
/// test is found, which is an error.
fn name_of<Body>() -> &'static str {
    let path = type_name::<Body>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_program, test)| test)
}
