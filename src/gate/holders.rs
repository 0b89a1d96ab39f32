//! Who holds which connection since when, and where it was taken.

use std::panic::Location;
use std::sync::Arc;

use crate::base::sync::Instant;

/// Who holds a connection: written at hand-out, removed when the guard ends.
#[derive(Clone)]
pub(crate) struct HolderRecord {
    pub(crate) thread: Arc<str>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) since: Instant,
    pub(crate) connection_id: u64,
    /// `holder_warn_after` was logged.
    pub(crate) warned: bool,
}

/// The records of all holders, at stable positions.
#[derive(Default)]
pub(crate) struct Holders {
    records: Vec<Option<HolderRecord>>,
    free: Vec<usize>,
}

impl Holders {
    #[inline]
    pub(crate) fn add(&mut self, record: HolderRecord) -> usize {
        match self.free.pop() {
            Some(position) => {
                self.records[position] = Some(record);
                position
            }
            None => {
                self.records.push(Some(record));
                self.records.len() - 1
            }
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, position: usize) -> HolderRecord {
        self.free.push(position);
        self.records[position]
            .take()
            .expect("bug: a holder left twice")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HolderRecord> {
        self.records.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HolderRecord> {
        self.records.iter_mut().flatten()
    }
}

thread_local! {
    static THREAD_NAME: Arc<str> = {
        let thread = std::thread::current();
        match thread.name() {
            // The name goes to terminals and logs, where a line break in it would begin a new line.
            Some(name) if name.contains(char::is_control) => {
                Arc::from(name.replace(char::is_control, " "))
            }
            Some(name) => Arc::from(name),
            None => Arc::from(format!("{:?}", thread.id())),
        }
    };
}

/// This thread's name, or its id where it has none.
#[inline]
pub(crate) fn thread_name() -> Arc<str> {
    THREAD_NAME
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::from("a thread that is ending"))
}
