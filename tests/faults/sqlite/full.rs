//! There is no room left for what is written.

use std::io::Write;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use queuepool::Mode;

use super::load::Load;
use super::process::without_the_signal;
use super::process::{again, is_a_disk_of_its_own, mounting_is_allowed, on_a_small_disk};
use super::seen::Seen;
use super::subjects::Subject;
use super::{Fault, note, put_through};

/// Until the limit is lifted, no file of this process may grow beyond a fixed size.
struct Quota;

impl Fault for Quota {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, _: &Path) {
        let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        // The write-ahead log soon reaches this size.
        setrlimit(Resource::RLIMIT_FSIZE, 256 * 1024, most).unwrap();
        load.is_felt();
        setrlimit(Resource::RLIMIT_FSIZE, most, most).unwrap();
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        &["Statement (SystemIoFailure)"]
    }
}

/// Another file fills the disk and is deleted again. If no small disk may be mounted, this is a quota too.
struct FullDisk;

impl Fault for FullDisk {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        if !is_a_disk_of_its_own(path.ancestors().nth(2).unwrap()) {
            return Quota.happen(load, path);
        }
        let other = path.with_file_name("other");
        let mut file = std::fs::File::create(&other).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
        drop(file);
        load.is_felt();
        std::fs::remove_file(other).unwrap();
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        &["Statement (DiskFull)", "Statement (SystemIoFailure)"]
    }
}

#[test]
fn beyond_a_quota_statements_fail_and_nothing_acknowledged_is_lost() {
    let test = "full::beyond_a_quota_statements_fail_and_nothing_acknowledged_is_lost";
    let seen = again(test, without_the_signal, |folder| {
        Seen::write_down(&put_through(folder, "", &Quota))
    });
    if let Some(seen) = seen {
        note("SQLite: quota reached (RLIMIT_FSIZE)", &Seen::read(&seen));
    }
}

#[test]
fn on_a_full_disk_statements_fail_and_nothing_acknowledged_is_lost() {
    let test = "full::on_a_full_disk_statements_fail_and_nothing_acknowledged_is_lost";
    let seen = again(test, on_a_small_disk, |folder| {
        Seen::write_down(&put_through(folder, "", &FullDisk))
    });
    let Some(seen) = seen else {
        return;
    };
    if mounting_is_allowed(tempfile::tempdir().unwrap().path()) {
        note("SQLite: disk full (a tmpfs of 2 MiB)", &Seen::read(&seen));
    } else {
        eprintln!("no disk may be mounted here, so this was a quota again");
    }
}
