//! A logger that keeps what is logged. It is the process': under `cargo test` it also hears the other tests of the program,
//! and each of them asks for the pools of its own names.

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

/// From here on what is logged at this level or above is kept.
pub fn keep(level: LevelFilter) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keeper).expect("the only logger");
        log::set_max_level(level);
    });
}

/// All that has been logged, by whomever.
pub fn all() -> Vec<Line> {
    LINES.lock().expect("no panic").clone()
}

/// What has been logged of the pool of this name.
pub fn of(pool: &str) -> Vec<Line> {
    let target = format!("queuepool::{pool}");
    let mut lines = all();
    lines.retain(|line| line.target == target);
    lines
}

/// The texts of a pool's lines at one level.
pub fn texts(pool: &str, level: Level) -> Vec<String> {
    let lines = of(pool).into_iter().filter(|line| line.level == level);
    lines.map(|line| line.text).collect()
}
