//! What the process says on its own: everybody's log lines, at trace, and what panics print.

use std::cell::Cell;
use std::panic;
use std::sync::{Mutex, Once};

/// A line in the log.
#[derive(Clone)]
pub struct Line {
    pub target: String,
    pub text: String,
}

impl Line {
    /// Whether it is this crate's line. The others come from the drivers and what they are built on.
    pub fn is_ours(&self) -> bool {
        self.target == "queuepool" || self.target.starts_with("queuepool::")
    }
}

struct Log;

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if MUTED.get() {
            return;
        }
        let line = Line {
            target: record.target().to_owned(),
            text: format!(
                "{} {} {} {}",
                record.level(),
                record.target(),
                record.module_path().unwrap_or_default(),
                record.args()
            ),
        };
        LINES.lock().expect("no panic").push(line);
    }

    fn flush(&self) {}
}

thread_local! {
    static MUTED: Cell<bool> = const { Cell::new(false) };
}

/// For what a test itself does with a password: what this thread logs meanwhile is not kept.
pub fn muted<T>(work: impl FnOnce() -> T) -> T {
    MUTED.set(true);
    let result = work();
    MUTED.set(false);
    result
}

pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Log).expect("the only logger");
        log::set_max_level(log::LevelFilter::Trace);
        let printing = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.lock().expect("no panic").push(info.to_string());
            printing(info);
        }));
    });
}

/// All lines so far, which always include those that the caller has caused.
pub fn lines() -> Vec<Line> {
    LINES.lock().expect("no panic").clone()
}

/// Everything that panics have printed so far.
pub fn panics() -> Vec<String> {
    PANICS.lock().expect("no panic").clone()
}
