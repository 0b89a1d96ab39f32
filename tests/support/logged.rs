//! A logger that keeps what is logged. It belongs to the process, so under `cargo test` it also receives the other tests'
//! lines, and each test asks for the pools by names of its own.

use std::sync::{Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record};

#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    pub target: String,
    pub text: String,
}

struct Keeper;

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

impl Log for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = Line {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
        };
        LINES.lock().expect("no panic").push(line);
    }

    fn flush(&self) {}
}

/// Starts to keep what is logged at this level or above.
pub fn keep(level: LevelFilter) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keeper).expect("the only logger");
        log::set_max_level(level);
    });
}

/// Everything that has been logged, by anybody.
pub fn all() -> Vec<Line> {
    LINES.lock().expect("no panic").clone()
}

/// What has been logged about the pool with this name.
pub fn of(pool: &str) -> Vec<Line> {
    let target = format!("queuepool::{pool}");
    let mut lines = all();
    lines.retain(|line| line.target == target);
    lines
}

/// The texts of the lines about a pool at one level.
pub fn texts(pool: &str, level: Level) -> Vec<String> {
    let lines = of(pool).into_iter().filter(|line| line.level == level);
    lines.map(|line| line.text).collect()
}
