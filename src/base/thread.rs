//! What a thread is known by: its number, its name, and which bay of each pool is its own.

use std::sync::Arc;

#[cfg(queuepool_loom)]
pub(crate) use crate::base::loom::own_bay;
#[cfg(not(queuepool_loom))]
pub(crate) use cells::own_bay;
pub(crate) use cells::{move_on, thread_number};

mod cells {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(1);

    // Without a destructor they are there until the thread has ended.
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
        static MOVES: Cell<u64> = const { Cell::new(0) };
    }

    /// A number of this thread that no other thread of the process has or had.
    #[inline]
    pub(crate) fn thread_number() -> u64 {
        NUMBER.with(|number| {
            if number.get() == 0 {
                number.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            number.get()
        })
    }

    /// A number that tells which bay is this thread's.
    #[cfg(not(queuepool_loom))]
    #[inline]
    pub(crate) fn own_bay() -> u64 {
        thread_number().wrapping_add(MOVES.get())
    }

    /// Gives this thread the next bay, because it has met another thread in its own: threads that are busy at the same time part.
    #[cold]
    pub(crate) fn move_on() {
        MOVES.set(MOVES.get().wrapping_add(1));
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
