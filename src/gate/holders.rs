//! Who holds which connection since when, and where it was taken.

use std::panic::Location;
use std::sync::Arc;

use crate::base::sync::Instant;
use crate::base::thread::{thread_name, thread_number};

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

/// A record that is free keeps the name of its last thread, which is likely to be the next one: a clone of it and a drop would be
/// two writes to memory that all threads of that name share.
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

    #[inline]
    pub(crate) fn since(&self, position: usize) -> Instant {
        self.slots[position].record.since
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HolderRecord> {
        let out = self.slots.iter_mut().filter(|slot| slot.is_out);
        out.map(|slot| &mut slot.record)
    }
}
