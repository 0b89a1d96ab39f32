//! Runs promtool, which is in Debian's package prometheus.

use std::io::Write;
use std::process::{Command, Stdio};

/// Whether promtool was satisfied, and everything it said.
pub fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut promtool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, which is in Debian's package prometheus");
    let mut stdin = promtool.stdin.take().expect("piped above");
    stdin
        .write_all(input.as_bytes())
        .expect("promtool reads its input");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}
