//! The table in README.md: what the suite saw, with one row for each fault, server and pool.
//!
//! Each row is a file in the target directory. With `QUEUEPOOL_FAULT_TABLE=write`, every recorded row also rewrites the
//! table in `tests/faults/README.md` from all rows there; without it, nothing in the repository is touched.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every fault, in the order of the table.
const FAULTS: &[&str] = &[
    "server killed (SIGKILL) and started again",
    "server shut down cleanly and started again",
    "server frozen (SIGSTOP) for 3 s: in use",
    "server frozen (SIGSTOP) for 3 s: idle",
    "every session ended at once",
    "connection limit reached by others",
    "idle sessions ended by the server after 1 s",
    "delay of 50 ms: before login",
    "delay of 50 ms: during login",
    "delay of 50 ms: idle",
    "delay of 50 ms: in a query",
    "cut: before login",
    "cut: during login",
    "cut: idle",
    "cut: in a query",
    "half-closed towards the client: before login",
    "half-closed towards the client: during login",
    "half-closed towards the client: idle",
    "half-closed towards the client: in a query",
    "half-closed towards the server: before login",
    "half-closed towards the server: during login",
    "half-closed towards the server: idle",
    "half-closed towards the server: in a query",
    "swallowed: before login",
    "swallowed: during login",
    "swallowed: idle",
    "swallowed: in a query",
    "three connects hang for ever",
    "garbage: before login",
    "garbage: during login",
    "garbage: idle",
    "garbage: in a query",
    "SQLite: locked by another process for less than busy_timeout",
    "SQLite: locked by another process for longer",
    "SQLite: locked exclusively, without WAL",
    "SQLite: file removed",
    "SQLite: file removed in the middle of transactions",
    "SQLite: file replaced",
    "SQLite: quota reached (RLIMIT_FSIZE)",
    "SQLite: disk full (a tmpfs of 2 MiB)",
    "SQLite: read-only file",
    "SQLite: read-only directory",
    "SQLite: corrupt header",
    "SQLite: corrupt page",
    "ledger: faults at random",
];

const SERVERS: &[&str] = &[
    "PostgreSQL",
    "MariaDB",
    "SQLite, null mode",
    "SQLite, queue mode",
];
const POOLS: &[&str] = &["queuepool", "r2d2"];

/// How soon after the end of the fault a new caller was served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recovery {
    /// No caller noticed anything, or there was nothing to wait for.
    NoOutage,
    After(Duration),
    NotWithin(Duration),
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recovery::NoOutage => f.write_str("–"),
            Recovery::After(time) if *time < Duration::from_secs(1) => {
                write!(f, "{:.0} ms", time.as_secs_f64() * 1e3)
            }
            Recovery::After(time) => write!(f, "{:.1} s", time.as_secs_f64()),
            Recovery::NotWithin(limit) => write!(f, "not within {} s", limit.as_secs()),
        }
    }
}

/// What one pool went through. README.md explains the columns.
#[derive(Clone, Debug)]
pub struct Row {
    /// One of [`FAULTS`].
    pub fault: &'static str,
    /// One of [`SERVERS`].
    pub server: &'static str,
    /// One of [`POOLS`].
    pub pool: &'static str,
    pub load: String,
    pub callers_saw: String,
    pub recovery: Recovery,
    pub lost: u64,
    pub doubled: u64,
    pub leaked: u64,
}

/// Keeps the row for the table, and writes the table if that is asked for.
pub fn record(row: &Row) {
    eprintln!("{row:?}");
    for (what, word, known) in [
        ("fault", row.fault, FAULTS),
        ("server", row.server, SERVERS),
        ("pool", row.pool, POOLS),
    ] {
        assert!(known.contains(&word), "the table knows no {what} {word:?}");
    }
    let directory = rows();
    fs::create_dir_all(&directory).expect("the target directory");
    // All tests are in one binary, but nextest runs each in a process of its own.
    let lock = File::create(directory.join("lock")).expect("the target directory");
    lock.lock().expect("the lock on the lock file");
    let file = directory.join(file_name(row.fault, row.server, row.pool));
    fs::write(file, line(row)).expect("the target directory");
    if std::env::var("QUEUEPOOL_FAULT_TABLE").is_ok_and(|word| word == "write") {
        write_table(&directory);
    }
}

fn rows() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults")
}

fn file_name(fault: &str, server: &str, pool: &str) -> String {
    let name = format!("{fault} {server} {pool}").to_lowercase();
    let words: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-")
}

fn line(row: &Row) -> String {
    let Row {
        fault,
        server,
        pool,
        load,
        callers_saw,
        recovery,
        lost,
        doubled,
        leaked,
    } = row;
    format!(
        "| {fault} | {server} | {pool} | {load} | {callers_saw} | {recovery} | {lost} | {doubled} | {leaked} |\n"
    )
}

fn write_table(directory: &Path) {
    const BEGIN: &str = "<!-- rows: written by the suite -->\n";
    const END: &str = "<!-- end of rows -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    let mut table = String::from(
        "| fault | server | pool | load | callers saw | recovery | lost | doubled | leaked |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for fault in FAULTS {
        for server in SERVERS {
            for pool in POOLS {
                let row = fs::read_to_string(directory.join(file_name(fault, server, pool)));
                table.push_str(&row.unwrap_or_default());
            }
        }
    }
    fs::write(path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).expect("README.md");
}
