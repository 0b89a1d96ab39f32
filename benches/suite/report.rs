//! What is said and written at the end: the bars that are not kept, the results as JSON, and the charts.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::row::Row;
use crate::{Suite, charts};

/// A full run fails if a bar is not kept. A quick one only if a section failed: its figures mean little.
pub fn write(suite: &Suite) -> ExitCode {
    let rows = &suite.rows;
    let broken: Vec<String> = rows.iter().flat_map(Row::broken).collect();
    let bars: usize = rows.iter().map(Row::bar_count).sum();
    println!(
        "\n{} rows, {bars} bars, {} NOT KEPT",
        rows.len(),
        broken.len()
    );
    for text in &broken {
        println!("NOT KEPT: {text}");
    }
    for (name, how) in &suite.not_installed {
        println!("NOT INSTALLED: {name}: {how}");
    }
    for name in &suite.failures {
        println!("FAILED: {name}");
    }
    let options = &suite.options;
    write_file(&options.json, &format!("{:#}\n", results(suite)));
    for (name, svg) in charts::draw(rows, options.quick) {
        write_file(&options.charts.join(name), &svg);
    }
    let fails = !suite.failures.is_empty() || (!options.quick && !broken.is_empty());
    ExitCode::from(u8::from(fails))
}

fn write_file(path: &Path, text: &str) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).expect("a folder that can be made");
    }
    fs::write(path, text).expect("a file that can be written");
    let path = fs::canonicalize(path).expect("written above");
    println!("{}", path.display());
}

fn results(suite: &Suite) -> Value {
    let missing: Vec<Value> = suite
        .not_installed
        .iter()
        .map(|(name, how)| json!({ "row": name, "how": how }))
        .collect();
    json!({
        "quick": suite.options.quick,
        "machine": machine(suite),
        "rows": suite.rows.iter().map(Row::json).collect::<Vec<_>>(),
        "not_installed": missing,
        "failed": suite.failures,
    })
}

fn machine(suite: &Suite) -> Value {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "cores": cores,
        "processor": processor(),
        "beside": suite.peers,
        "pinning": suite.processors.text(),
        // Other work on the machine shows here.
        "load_average_before": suite.load_before,
        "rustc": said("rustc", &["--version"]),
        "commit": said("git", &["describe", "--always", "--dirty"]),
        "unix_time": seconds.map_or(0, |time| time.as_secs()),
        "date": said("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]),
    })
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, name)| name.to_owned())
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
