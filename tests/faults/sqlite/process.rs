//! Other processes: one that holds a lock, and copies of this program that run one test again where the fault is possible.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const LOCK: &str = "QUEUEPOOL_TEST_LOCK";
const AGAIN: &str = "QUEUEPOOL_TEST_AGAIN";
const NOBODY: u32 = 65534;

/// A process that holds a lock on an SQLite file until this value is dropped or this process ends.
pub struct Locked {
    process: Child,
    input: Option<ChildStdin>,
    /// Kept open, because a process that cannot write its output fails.
    _output: BufReader<ChildStdout>,
}

impl Locked {
    /// Starts this program again with only this test, which must begin with `be_the_locking_process`.
    pub fn by(test: &str, path: &Path, begin: &str) -> Locked {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("sqlite::{test}"), "--nocapture"])
            .env(LOCK, format!("{begin}\n{}", path.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let locked = output
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains(LOCK));
        assert!(locked, "the process does not lock the file");
        let input = process.stdin.take();
        Locked {
            process,
            input,
            _output: output,
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.input = None;
        // All it has left to do is to end.
        let _status = self.process.wait();
    }
}

/// Returns true in the process that `Locked` started, once its lock is no longer wanted.
pub fn be_the_locking_process() -> bool {
    let Ok(wanted) = std::env::var(LOCK) else {
        return false;
    };
    let (begin, path) = wanted.split_once('\n').unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(begin).unwrap();
    println!("{LOCK} is held");
    // Standard input ends when the other process wants it to, or dies.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    connection.execute_batch("ROLLBACK").unwrap();
    true
}

/// Runs a test again in a process with the properties the test needs. Returns `None` in that process, once the body has
/// run, and what the body returned in the process that started it.
pub fn again(
    test: &str,
    command: impl FnOnce(&Path) -> Command,
    body: impl FnOnce(&Path) -> String,
) -> Option<String> {
    if let Some(folder) = std::env::var_os(AGAIN) {
        let returned = body(Path::new(&folder));
        println!("{AGAIN}={returned}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path())
        .args(["--exact", &format!("sqlite::{test}"), "--nocapture"])
        .env(AGAIN, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let (_, returned) = text
        .split_once(&format!("{AGAIN}="))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(output.status.success(), "{text}");
    Some(returned.lines().next().unwrap().to_owned())
}

/// A process in which a file that grows beyond the limit is an error and does not end the process.
pub fn without_the_signal(_folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    command
}

/// A process in which the folder is a file system of 2 MiB, in a mount namespace that ends with the process. This needs no
/// root, only a system that allows users to have namespaces; elsewhere it is `without_the_signal`.
pub fn on_a_small_disk(folder: &Path) -> Command {
    if !mounting_is_allowed(folder) {
        return without_the_signal(folder);
    }
    let mut command = unshare(folder, "exec \"$@\"");
    command.arg(std::env::current_exe().unwrap());
    command
}

fn unshare(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("mount -t tmpfs -o size=2m none \"$0\" && {script}"));
    command.arg(folder);
    command
}

pub fn mounting_is_allowed(folder: &Path) -> bool {
    let trial = unshare(folder, "true").output();
    trial.is_ok_and(|trial| trial.status.success())
}

/// Whether something is mounted on this folder.
pub fn is_a_disk_of_its_own(folder: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    device(folder) != device(folder.parent().unwrap())
}

/// A process whose user is bound by permissions, as root is not.
pub fn where_permissions_count(folder: &Path) -> Command {
    let probe = folder.join("probe");
    fs::write(&probe, "").unwrap();
    allow(&probe, 0o444);
    let bound = fs::File::options().write(true).open(&probe).is_err();
    fs::remove_file(&probe).unwrap();
    if bound {
        return Command::new(std::env::current_exe().unwrap());
    }
    allow(folder, 0o777);
    let mut command = Command::new(copy_of_this_program(folder));
    command.current_dir(folder).uid(NOBODY).gid(NOBODY);
    command
}

fn copy_of_this_program(folder: &Path) -> PathBuf {
    let program = folder.join("program");
    // Not copied by this process: a test that forks meanwhile would inherit the open file, and the copy could not be
    // started ("text file busy").
    outside(
        "cp",
        [
            std::env::current_exe().unwrap().as_os_str(),
            program.as_os_str(),
        ],
    );
    allow(&program, 0o755);
    program
}

pub fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs another program. Whatever touches the file of a database that is open here is done by another program: opening and
/// closing the file in this process would drop SQLite's locks on it.
pub fn outside<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}
