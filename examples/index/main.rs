//! Indexes a directory tree into a database: worker threads read every file and store what they find through the pool.
//!
//! `cargo run --release --example index -- src`; in full, `-- [--threads N] [--database URL] [DIR]`, where DIR is the
//! current directory by default.
//!
//! The database is an SQLite file in a temporary folder, deleted at the end, unless `--database` or `DATABASE_URL` names
//! another one. In that case the table `files` is kept, and a second run updates it. The pool's settings come from the
//! environment (`DB_POOL_SIZE=4` and the like).

mod store;

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use queuepool::{Database, Settings};
use walkdir::WalkDir;

/// How many files are stored in one transaction.
const BATCH: usize = 100;

/// One file as it is stored; its lines and hash are unknown if it cannot be read.
pub struct Entry {
    key: String,
    path: String,
    size: i64,
    modified: i64,
    lines: Option<i64>,
    hash: Option<String>,
}

pub type Failure = Box<dyn Error + Send + Sync>;

struct Arguments {
    dir: PathBuf,
    threads: usize,
    database: Option<String>,
}

fn arguments() -> Result<Arguments, lexopt::Error> {
    use lexopt::prelude::*;
    let threads = thread::available_parallelism().map_or(4, |cores| cores.get() * 2);
    let mut arguments = Arguments {
        dir: PathBuf::from("."),
        threads,
        database: std::env::var("DATABASE_URL").ok(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("threads") => {
                arguments.threads = parser.value()?.parse::<std::num::NonZero<usize>>()?.get()
            }
            Long("database") => arguments.database = Some(parser.value()?.string()?),
            Long("help") => {
                println!("index [--threads N] [--database URL] [DIR]");
                std::process::exit(0);
            }
            Value(dir) => arguments.dir = dir.into(),
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    let Arguments {
        dir,
        threads,
        database,
    } = arguments()?;
    let folder = tempfile::tempdir()?;
    let url = database
        .unwrap_or_else(|| format!("sqlite:///{}", folder.path().join("index.db").display()));
    let database = Database::open_with(&url, Settings::from_env()?)?;
    store::create_table(&database)?;

    let (files, unreadable_folders) = list(&dir)?;
    let run = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let bar = ProgressBar::new(files.len() as u64).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} files, {per_sec}, {eta} left",
    )?);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || -> Result<(), Failure> {
            loop {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                let Some(rest) = files.get(from..) else {
                    return Ok(());
                };
                let batch: Vec<Entry> = rest
                    .iter()
                    .take(BATCH)
                    .map(|path| read(path, &bar))
                    .collect();
                store::save(&database, run, batch)?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;
    bar.finish();

    report(&database, run, unreadable_folders)?;
    print!("\n{}", database.status());
    Ok(())
}

/// All regular files below `dir`, and the number of folders that could not be read.
fn list(dir: &Path) -> Result<(Vec<PathBuf>, usize), Failure> {
    let root = dir
        .canonicalize()
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut files = Vec::new();
    let mut unreadable = 0;
    for entry in WalkDir::new(root) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => {
                eprintln!("cannot read: {error}");
                unreadable += 1;
            }
        }
    }
    Ok((files, unreadable))
}

/// Size, time, lines and hash of one file. A file that cannot be read is reported, and stored without the last two.
fn read(path: &Path, bar: &ProgressBar) -> Entry {
    let metadata = path.symlink_metadata().ok();
    let modified = metadata
        .as_ref()
        .and_then(|metadata| metadata.modified().ok());
    let contents = contents(path)
        .map_err(|error| bar.suspend(|| eprintln!("cannot read {}: {error}", path.display())));
    bar.inc(1);
    Entry {
        key: blake3::hash(path.as_os_str().as_encoded_bytes()).to_string(),
        path: path.to_string_lossy().into_owned(),
        size: contents.as_ref().map_or(
            metadata.map_or(0, |metadata| metadata.len() as i64),
            |contents| contents.0,
        ),
        modified: modified
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_secs() as i64),
        lines: contents.as_ref().ok().map(|contents| contents.1),
        hash: contents.ok().map(|contents| contents.2),
    }
}

/// Bytes, lines (as `wc -l` counts them) and hash.
fn contents(path: &Path) -> std::io::Result<(i64, i64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let (mut bytes, mut lines) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, lines, hasher.finalize().to_string()));
        }
        bytes += read as i64;
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as i64;
        hasher.update(&buffer[..read]);
    }
}

/// Prints the totals of this run, computed in SQL.
fn report(database: &Database, run: i64, unreadable_folders: usize) -> Result<(), Failure> {
    let mut connection = database.get()?;
    let mut total =
        |what: &str| connection.query_i64(&format!("SELECT {what} FROM files WHERE seen = {run}"));
    println!("files: {}", total("count(*)")?);
    println!("bytes: {}", total("coalesce(sum(size), 0)")?);
    println!("lines: {}", total("coalesce(sum(line_count), 0)")?);
    println!(
        "unreadable: {} files, {unreadable_folders} folders",
        total("count(*) - count(hash)")?
    );

    println!("\nlargest files:");
    let largest =
        format!("SELECT path, size FROM files WHERE seen = {run} ORDER BY size DESC, path LIMIT 5");
    for row in connection.query(&largest, &[])? {
        let (path, size): (String, i64) = (row.get("path")?, row.get("size")?);
        println!("  {:>12}  {path}", HumanBytes(size as u64).to_string());
    }
    println!("\nduplicate contents, the five most frequent:");
    let duplicates = format!(
        "SELECT min(path), count(*) FROM files WHERE seen = {run} AND size > 0 AND hash IS NOT NULL \
         GROUP BY hash HAVING count(*) > 1 ORDER BY count(*) DESC, min(path) LIMIT 5"
    );
    for row in connection.query(&duplicates, &[])? {
        let (path, copies): (String, i64) = (row.get(0)?, row.get(1)?);
        println!("  {copies:>5} copies of {path}");
    }
    Ok(())
}
