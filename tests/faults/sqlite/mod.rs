//! SQLite under faults: queuepool in both modes and r2d2 go through the same fault one after the other.

mod corrupt;
mod full;
mod gone;
mod load;
mod lock;
mod process;
mod read_only;
mod seen;
mod subjects;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use queuepool::Mode;

use crate::table::{Recovery, Row, record};
use load::{Load, RECOVERY_LIMIT, through};
use process::outside;
use seen::Seen;
use subjects::{Subject, ours, r2d2};

pub const TABLE: &str = "CREATE TABLE row (number INTEGER)";

/// A fault: it strikes, is noticed, and is mended again.
pub trait Fault {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path);

    /// What the callers of queuepool may be told besides "ok".
    fn may_be_told(&self, mode: Mode) -> &'static [&'static str];
}

/// Puts three pools through the fault, each on a file of its own in this folder.
pub fn put_through(folder: &Path, parameters: &str, fault: &impl Fault) -> [Seen; 3] {
    let ours = |mode: Mode| {
        let path = database(folder, &format!("{mode:?}"));
        let seen = through(ours(&path, mode, parameters), &path, |load| {
            fault.happen(load, &path);
        });
        eprintln!("{mode:?}: {seen:?}");
        seen.assert_whole(fault.may_be_told(mode));
        seen
    };
    let (null, queue) = (ours(Mode::Null), ours(Mode::Queue));
    let path = database(folder, "r2d2");
    let bare = through(r2d2(&path, parameters), &path, |load| {
        fault.happen(load, &path);
    });
    eprintln!("r2d2: {bare:?}");
    [null, queue, bare]
}

pub fn note(fault: &'static str, seen: &[Seen; 3]) {
    note_with(fault, ["", ""], seen);
}

/// Records a fault for which the test called [`Subject::start_afresh`]. r2d2 cannot be helped in this way, so its row must
/// say so wherever the two are compared.
pub fn note_helped(fault: &'static str, seen: &[Seen; 3]) {
    let (ours, bare) = (
        ", told by `invalidate_all`",
        ", not told: it has no such call",
    );
    note_with(fault, [ours, bare], seen);
}

fn note_with(fault: &'static str, [ours, bare]: [&str; 2], seen: &[Seen; 3]) {
    let subjects = [
        ("SQLite, null mode", "queuepool", ours),
        ("SQLite, queue mode", "queuepool", ours),
        ("SQLite, queue mode", "r2d2", bare),
    ];
    for ((server, pool, help), seen) in subjects.into_iter().zip(seen) {
        record(&Row {
            fault,
            server,
            pool,
            load: format!("4 threads on 3 connections{help}"),
            callers_saw: seen.words(),
            recovery: match seen.recovery {
                _ if seen.told.keys().eq(["ok"]) => Recovery::NoOutage,
                Some(time) => Recovery::After(time),
                None => Recovery::NotWithin(RECOVERY_LIMIT),
            },
            lost: seen.lost,
            doubled: seen.doubled,
            leaked: seen.leaked,
        });
    }
}

/// A database in a folder of its own, closed, with the table that the load needs.
pub fn database(folder: &Path, name: &str) -> PathBuf {
    let own = folder.join(name);
    std::fs::create_dir(&own).unwrap();
    let path = own.join("app.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(TABLE).unwrap();
    path
}

/// SQLite keeps the mode for whoever opens the file next.
pub fn in_wal_mode(path: PathBuf) -> PathBuf {
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    path
}

pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub fn remove(path: &Path) {
    let files = ["", "-wal", "-shm", "-journal"].map(|ending| beside(path, ending));
    let force: &OsStr = "-f".as_ref();
    outside(
        "rm",
        std::iter::once(force).chain(files.iter().map(|file| file.as_os_str())),
    );
}
