//! The example `index`, run as a program on a tree with all kinds of files and compared with `find` and `wc`.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use queuepool::Database;
use support::programs::example;
use support::servers::{MariaDb, Postgres};

const NOBODY: u32 = 65534;

struct Tree {
    folder: tempfile::TempDir,
    /// If permissions do not restrict this process, this is a copy that the user nobody may run.
    program: PathBuf,
    as_nobody: bool,
}

/// What a run reports about all files.
#[derive(Debug, PartialEq)]
struct Totals {
    files: u64,
    bytes: u64,
    lines: u64,
    unreadable: String,
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

impl Tree {
    fn new() -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        let write = |name: &str, contents: &[u8]| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        };
        write("empty", b"");
        write("one line.txt", b"one\n");
        write("no newline at the end.txt", b"one\ntwo\nthree");
        write("a/b/c/d/deep.txt", b"deep\n");
        write("a/binary", b"\0\0\n\xff\xfe\0\n\0");
        write("a/copy 1", b"the same contents\n");
        write("a/b/copy 2", b"the same contents\n");
        write("copy 3", b"the same contents\n");
        write("quote's \"and\" back\\slash", b"'\n");
        write("new\nline in the name", b"\n");
        write("äöü/日本語 🦀", b"utf-8\n");
        write("large", &b"0123456789abcde\n".repeat(20_000));
        fs::write(
            root.join(OsStr::from_bytes(b"not \xff\xfe utf-8")),
            b"bytes\n",
        )
        .unwrap();
        // The two names differ only in bytes that cannot be displayed.
        fs::write(
            root.join(OsStr::from_bytes(b"not \xff\xfd utf-8")),
            b"other\n",
        )
        .unwrap();
        fs::create_dir(root.join("an empty folder")).unwrap();
        for number in 0..250 {
            write(&format!("many/{number}"), format!("{number}\n").as_bytes());
        }
        symlink("one line.txt", root.join("link to a file")).unwrap();
        symlink("a", root.join("link to a folder")).unwrap();
        symlink("..", root.join("a/link upwards")).unwrap();
        symlink("nowhere", root.join("link to nothing")).unwrap();
        write("secret", b"cannot be read\n");
        allow(&root.join("secret"), 0o000);

        let as_nobody = fs::File::open(root.join("secret")).is_ok();
        let mut program = example("index");
        allow(folder.path(), 0o755);
        if as_nobody {
            let copy = folder.path().join("index");
            // Not copied by this process: a test that forks meanwhile would keep the copy open for writing ("text file
            // busy").
            let copied = Command::new("cp").args([&program, &copy]).status();
            assert!(copied.unwrap().success());
            allow(&copy, 0o755);
            program = copy;
            let tmp = folder.path().join("tmp");
            fs::create_dir(&tmp).unwrap();
            allow(&tmp, 0o777);
        }
        Tree {
            folder,
            program,
            as_nobody,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg(self.root())
            .env_remove("DATABASE_URL")
            .env("RUST_LOG", "warn");
        if self.as_nobody {
            command
                .uid(NOBODY)
                .gid(NOBODY)
                .env("TMPDIR", self.folder.path().join("tmp"))
                .current_dir(self.folder.path().join("tmp"));
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// What `find` and `wc` report. As root they can read what the program cannot, so that file is left out of the lines.
    fn expected(&self) -> Totals {
        let number = |script: &str| -> u64 {
            let output = Command::new("sh")
                .args(["-c", script])
                .current_dir(self.root())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            text.trim().parse().unwrap()
        };
        Totals {
            files: number("find . -type f -printf x | wc -c"),
            bytes: number("find . -type f -printf '%s\\n' | awk '{sum += $1} END {print sum}'"),
            lines: number("find . -type f ! -name secret -print0 | xargs -0 cat | wc -l"),
            unreadable: "1 files, 0 folders".to_owned(),
        }
    }

    /// Indexes into the database twice, and checks the output and the table.
    fn index_twice(&self, url: &str) {
        let expected = self.expected();
        assert_eq!(expected.files, 265);
        for run in 1..=2 {
            let output = self.run(&["--threads", "4", "--database", url]);
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(totals(&text), expected, "run {run}: {text}");
            assert!(text.contains("3 copies of "), "{text}");
            assert!(text.contains("Checked Out: 0"), "{text}");
            assert!(text.contains("312.50 KiB"), "{text}");
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(complaints.contains("cannot read"), "{complaints}");
            assert!(complaints.contains("secret"), "{complaints}");
        }
        let database = Database::open(url).unwrap();
        let mut connection = database.get().unwrap();
        let mut query = |sql: &str| connection.query_i64(sql).unwrap() as u64;
        assert_eq!(query("SELECT count(*) FROM files"), expected.files);
        assert_eq!(query("SELECT sum(size) FROM files"), expected.bytes);
        assert_eq!(query("SELECT sum(line_count) FROM files"), expected.lines);
        assert_eq!(query("SELECT count(DISTINCT seen) FROM files"), 1);
        assert_eq!(query("SELECT count(*) FROM files WHERE hash IS NULL"), 1);
        assert_eq!(
            query("SELECT count(*) FROM files WHERE path LIKE '%link %'"),
            0
        );
    }
}

fn totals(text: &str) -> Totals {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().to_owned()
    };
    Totals {
        files: value("files:").parse().unwrap(),
        bytes: value("bytes:").parse().unwrap(),
        lines: value("lines:").parse().unwrap(),
        unreadable: value("unreadable:"),
    }
}

#[test]
fn into_an_sqlite_file() {
    let tree = Tree::new();
    let folder = tree.folder.path().join("database");
    fs::create_dir(&folder).unwrap();
    allow(&folder, 0o777);
    tree.index_twice(&format!("sqlite:///{}/index.db", folder.display()));
}

#[test]
fn into_a_temporary_database_when_none_is_named() {
    let tree = Tree::new();
    let output = tree.run(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(totals(&text), tree.expected(), "{text}");
    assert!(text.contains("Pool Type: NullPool"), "{text}");
}

#[test]
fn into_postgres() {
    let server = Postgres::start();
    Tree::new().index_twice(&server.url());
}

#[test]
fn into_mariadb() {
    let server = MariaDb::start();
    Tree::new().index_twice(&server.url());
}

#[test]
fn a_file_that_changes_or_goes_between_two_runs_is_updated_or_not_counted() {
    let tree = Tree::new();
    let folder = tree.folder.path().join("database");
    fs::create_dir(&folder).unwrap();
    allow(&folder, 0o777);
    let url = format!("sqlite:///{}/index.db", folder.display());
    tree.run(&["--database", &url]);
    fs::write(tree.root().join("copy 3"), "one\nmore\nline\n").unwrap();
    fs::remove_file(tree.root().join("empty")).unwrap();
    let output = tree.run(&["--database", &url]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(totals(&text), tree.expected(), "{text}");
    assert!(text.contains("2 copies of "), "{text}");
}
