//! The table in README.md: what each trial saw, with one row for each server and pool.
//!
//! Each row is a file in the target directory. With `QUEUEPOOL_FLEET_TABLE=write`, every recorded row also rewrites the table
//! in `tests/fleet/README.md` from all rows there; without it, nothing in the repository is touched.

use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Every trial, in the order of the table.
const TRIALS: &[&str] = &[
    "swift: the old primary is back as a standby before the proxy notices",
    "fence: the old primary is read-only, its sessions are kept",
    "fence, lifted: the only primary is read-only for a while",
    "planned switch-over",
    "frozen first host of a list",
    "role full: 30 threads, room for 5",
    "500 callers, every connect refused for 6 s",
    "ten sessions killed",
    "Galera node without a quorum for 2 s",
    "twelve processes on 97 places",
];

pub struct Row<'a> {
    /// One of [`TRIALS`].
    pub trial: &'static str,
    pub server: &'static str,
    pub pool: &'a str,
    pub seen: &'a dyn Display,
    pub lost: usize,
    pub doubled: usize,
}

/// Keeps the row for the table, and writes the table if that is asked for.
pub fn record(row: &Row) {
    let place = TRIALS.iter().position(|trial| *trial == row.trial);
    let place = place.unwrap_or_else(|| panic!("the table knows no trial {:?}", row.trial));
    let line = format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        row.trial, row.server, row.pool, row.seen, row.lost, row.doubled
    );
    eprint!("{line}");
    let directory = rows();
    fs::create_dir_all(&directory).expect("the target directory");
    // nextest runs each test in a process of its own, and some at once.
    let lock = File::create(directory.join("lock")).expect("the target directory");
    lock.lock().expect("the lock on the lock file");
    // By their names the files are in the order of the table: trial, server, and queuepool before r2d2.
    let name = format!("{place:02} {} {}.row", row.server, row.pool);
    fs::write(directory.join(name), line).expect("the target directory");
    if std::env::var("QUEUEPOOL_FLEET_TABLE").is_ok_and(|word| word == "write") {
        write_table(&directory);
    }
}

/// In the folder of the build, which holds this program: `deps` or `examples`, in that of the profile.
fn rows() -> PathBuf {
    let program = std::env::current_exe().expect("the program's path");
    let target = program.ancestors().nth(3);
    target
        .expect("a program that Cargo has built")
        .join("tmp/fleet")
}

fn write_table(directory: &Path) {
    const BEGIN: &str = "<!-- rows: written by the suite -->\n";
    const END: &str = "<!-- end of rows -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fleet/README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    let files = fs::read_dir(directory)
        .expect("the target directory")
        .flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "row"));
    files.sort();
    let rows: String = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a row"))
        .collect();
    let table = format!(
        "| trial | server | pool | what was seen | lost | doubled |\n|---|---|---|---|---|---|\n{rows}"
    );
    fs::write(path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).expect("README.md");
}
