//! Pools in other languages: a program that is told on its standard input what to do in a window, and answers with what it
//! showed. So it takes its turn in each round, with its pools open and its code compiled. It ends with its input.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::measure::{Entrant, Load, Sample};

/// Where the programs' sources are.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../beside");
/// Where Debian puts Java's libraries.
const JARS: [&str; 3] = [
    "/usr/share/java/HikariCP.jar",
    "/usr/share/java/slf4j-api.jar",
    "/usr/share/java/slf4j-nop.jar",
];

pub struct Peer {
    /// With its version.
    pub name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// A peer, or how to install it.
pub type Found = Result<Peer, String>;

/// HikariCP, compiled into `folder`.
pub fn hikari(folder: &Path) -> Found {
    let how = "apt-get install libhikaricp-java default-jdk-headless";
    if JARS.iter().any(|jar| !Path::new(jar).exists()) {
        return Err(how.to_owned());
    }
    let classes = JARS.join(":");
    let mut compiler = Command::new("javac");
    compiler
        .args(["-cp", &classes, "-d"])
        .arg(folder)
        .arg(PathBuf::from(BESIDE).join("HikariWindows.java"));
    let compiled = compiler.output().map_err(|_| how.to_owned())?;
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "javac: {errors}");
    let mut java = Command::new("java");
    java.arg("-cp")
        .arg(format!("{}:{classes}", folder.display()))
        .arg("HikariWindows")
        .arg(version());
    Peer::start(java, how)
}

/// Debian has the library under a second name, which ends with its version.
fn version() -> String {
    let files = std::fs::read_dir("/usr/share/java").into_iter().flatten();
    let mut names = files
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned());
    let name = names.find(|name| name.starts_with("HikariCP-"));
    name.as_deref()
        .and_then(|name| name.strip_suffix(".jar"))
        .unwrap_or("HikariCP")
        .to_owned()
}

/// SQLAlchemy's QueuePool, for this Python.
pub fn sqlalchemy(python: &str) -> Found {
    let how = "pip install sqlalchemy, in a venv with --python VENV/bin/python";
    let mut program = Command::new(python);
    // Python writes compiled modules beside its sources otherwise.
    program
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(PathBuf::from(BESIDE).join("sqlalchemy_windows.py"));
    Peer::start(program, how)
}

impl Peer {
    /// Its first line is its name and version, or it ends without one because a library is missing.
    fn start(mut program: Command, how: &str) -> Found {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|_| how.to_owned())?;
        let mut peer = Peer {
            name: String::new(),
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        };
        peer.name = peer.line();
        if peer.name.is_empty() {
            return Err(how.to_owned());
        }
        Ok(peer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }
}

impl Entrant for &mut Peer {
    fn window(&mut self, load: &Load) -> Sample {
        let (held, window) = (load.held.as_nanos(), load.window.as_nanos());
        let (threads, connections, timed) = (load.threads, load.connections, u8::from(load.timed));
        let input = self.input.as_mut().expect("open until the drop");
        writeln!(input, "{threads} {connections} {held} {window} {timed}").expect("the peer runs");
        let answer = self.line();
        let figures: Vec<f64> = answer
            .split(' ')
            .map(|figure| figure.parse().expect("four numbers"))
            .collect();
        let [cost, p50, p99, longest] = figures[..] else {
            panic!("the peer answered {answer:?}");
        };
        Sample {
            cost,
            p50,
            p99,
            longest,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it; one that hangs is killed.
        drop(self.input.take());
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
