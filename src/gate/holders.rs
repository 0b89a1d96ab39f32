//! Who holds which connection since when, and where it was taken.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    slots: Vec<Slot>,
    free: Vec<usize>,
}

/// A record that is free keeps the name of its last thread, which is likely to be the next one: a clone of it and a drop would be two
/// writes to memory that all threads of that name share.
struct Slot {
    record: HolderRecord,
    thread: u64,
    is_out: bool,
}

impl Holders {
    #[inline]
    pub(crate) fn add(
        &mut self,
        connection_id: u64,
        location: &'static Location<'static>,
        since: Instant,
    ) -> usize {
        let thread = thread_number();
        let Some(position) = self.free.pop() else {
            let record = HolderRecord {
                thread: thread_name(),
                location,
                since,
                connection_id,
                warned: false,
            };
            self.slots.push(Slot {
                record,
                thread,
                is_out: true,
            });
            return self.slots.len() - 1;
        };
        let slot = &mut self.slots[position];
        slot.is_out = true;
        if slot.thread != thread {
            slot.thread = thread;
            slot.record.thread = thread_name();
        }
        slot.record.location = location;
        slot.record.since = since;
        slot.record.connection_id = connection_id;
        slot.record.warned = false;
        position
    }

    /// Returns since when it was held.
    #[inline]
    pub(crate) fn remove(&mut self, position: usize) -> Instant {
        let slot = &mut self.slots[position];
        let was_out = std::mem::replace(&mut slot.is_out, false);
        assert!(was_out, "bug: a holder left twice");
        self.free.push(position);
        slot.record.since
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HolderRecord> {
        let out = self.slots.iter().filter(|slot| slot.is_out);
        out.map(|slot| &slot.record)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HolderRecord> {
        let out = self.slots.iter_mut().filter(|slot| slot.is_out);
        out.map(|slot| &mut slot.record)
    }
}

/// A number of this thread that no other thread of the process has or had.
#[inline]
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    // Without a destructor it is there until the thread has ended.
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
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
fn thread_name() -> Arc<str> {
    THREAD_NAME
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::from("a thread that is ending"))
}
