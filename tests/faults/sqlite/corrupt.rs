//! Bytes of the file are overwritten and later restored.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use queuepool::Mode;

use super::load::Load;
use super::subjects::Subject;
use super::{Fault, note_helped, put_through};

/// The first bytes of the file are overwritten and later restored.
struct CorruptHeader;

impl Fault for CorruptHeader {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        load.between_transactions(|| {
            // Otherwise the header might be read from the write-ahead log.
            load.subject
                .run(&["PRAGMA wal_checkpoint(TRUNCATE)"])
                .ok()
                .unwrap();
            overwrite(path, 0, &[b'x'; 16]);
            load.subject.start_afresh();
        });
        load.rounds(20);
        load.between_transactions(|| overwrite(path, 0, b"SQLite format 3\0"));
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        &["Connect (NotADatabase)"]
    }
}

#[test]
fn a_corrupt_header_is_told_at_connect_until_it_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    note_helped(
        "SQLite: corrupt header",
        &put_through(folder.path(), "", &CorruptHeader),
    );
}

/// A page of another table is overwritten and later restored.
struct CorruptPage;

impl Fault for CorruptPage {
    fn happen<S: Subject>(&self, load: &Load<'_, S>, path: &Path) {
        const READ: &str = "SELECT sum(length(text)) FROM other";
        const FILL: &str = "CREATE TABLE other (text);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
            INSERT INTO other SELECT hex(randomblob(500)) FROM n";
        load.subject.run(&[FILL, READ]).ok().unwrap();
        let mut page = Vec::new();
        let mut at = 0;
        load.between_transactions(|| {
            load.subject
                .run(&["PRAGMA wal_checkpoint(TRUNCATE)"])
                .ok()
                .unwrap();
            at = a_leaf_of("other", path);
            page = read_page(path, at);
            overwrite(path, at, &[b'x'; PAGE]);
            load.subject.start_afresh();
        });
        for _ in 0..10 {
            let told = load.subject.run(&[READ]).unwrap_err();
            load.note(told.words);
        }
        // The other pages are intact.
        load.goes_on(20);
        load.between_transactions(|| {
            overwrite(path, at, &page);
            load.subject.start_afresh();
        });
        load.subject.run(&[READ]).ok().unwrap();
    }

    fn may_be_told(&self, _: Mode) -> &'static [&'static str] {
        &["Statement (DatabaseCorrupt)"]
    }
}

const PAGE: usize = 4096;

fn a_leaf_of(table: &str, path: &Path) -> usize {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = format!(
        "SELECT pageno FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf' LIMIT 1 OFFSET 5"
    );
    let number: u32 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    (number as usize - 1) * PAGE
}

fn read_page(path: &Path, at: usize) -> Vec<u8> {
    let output = Command::new("dd")
        .arg(format!("if={}", path.display()))
        .args([
            format!("bs={PAGE}"),
            format!("skip={}", at / PAGE),
            "count=1".to_owned(),
        ])
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), PAGE, "{output:?}");
    output.stdout
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut writer = Command::new("dd")
        .arg(format!("of={}", path.display()))
        .args(["conv=notrunc", "oflag=seek_bytes", "status=none"])
        .arg(format!("seek={at}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(writer.wait().unwrap().success());
}

#[test]
fn a_corrupt_page_fails_the_statements_that_read_it_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    note_helped(
        "SQLite: corrupt page",
        &put_through(folder.path(), "", &CorruptPage),
    );
}
