//! Runs the suite in a process of its own, with a temporary folder of its own, so that nothing is left behind however it ends.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, thread};

/// Set for the process that measures.
const MARK: &str = "QUEUEPOOL_SUITE_FOLDER";

/// Runs `measure` in a child of this process. A key press that ends this process does not reach the child, which has a process
/// group of its own; it notices the end of its input, and stops. The servers stop then too, since their input ends with it.
pub fn run(measure: impl FnOnce() -> ExitCode) -> ExitCode {
    if let Some(folder) = env::var_os(MARK) {
        stop_with_the_parent(folder.into());
        return measure();
    }
    let folder = tempfile::Builder::new()
        .prefix("queuepool-suite-")
        .tempdir()
        .expect("a temporary folder");
    // As the system's own, because servers have users of their own.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).expect("our own folder");
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(env::args_os().skip(1))
        .env(MARK, folder.path())
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("this program, once more");
    // Waiting for a child would close its input first.
    let input = child.stdin.take();
    let status = child.wait().expect("a child");
    drop(input);
    if let Some(signal) = status.signal() {
        eprintln!("the suite was ended by signal {signal}");
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    remove(&folder.keep());
    ExitCode::from(code.unwrap_or(1))
}

fn stop_with_the_parent(folder: PathBuf) {
    thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        // Nobody reads the output any more, perhaps.
        remove_when_free(&folder);
        std::process::exit(1);
    });
}

/// The servers remove their own folders when they have ended, which they do once this process has. So a child of the shell waits
/// for that, and removes the rest.
fn remove_when_free(folder: &PathBuf) {
    let wait = r#"sleep 1; for turn in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && [ ! -e "$1" ] && exit; sleep 1; done"#;
    let _ = Command::new("sh")
        .args(["-c", wait, "sh"])
        .arg(folder)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn();
}

fn remove(folder: &PathBuf) {
    if fs::remove_dir_all(folder).is_err() {
        remove_when_free(folder);
    }
}
