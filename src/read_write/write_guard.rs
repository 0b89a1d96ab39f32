//! A connection for writing, and what its end says to the reads that follow.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::read_write::endpoint::Endpoint;
use crate::read_write::{Moment, ReadWrite};

/// Stands for everything that the primary had at one moment: [`ReadWrite::mark`] makes one, and [`ReadWrite::read_after`] sees all of
/// it. It is cheap to copy and may go to another thread, but not to another process or another `ReadWrite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) Moment);

/// A connection to the primary. It dereferences to an `AnyConnection` or a
/// [`Connection`](crate::Connection), and goes back to its pool when it is dropped.
///
/// With [`read_your_writes`](crate::read_write::Builder::read_your_writes), the reads of the thread that drops it see from then on
/// what was written.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct WriteGuard<P: Endpoint> {
    /// `None` only while the guard ends.
    connection: Option<P::Connection>,
    of: ReadWrite<P>,
}

impl<P: Endpoint> WriteGuard<P> {
    pub(super) fn new(connection: P::Connection, of: ReadWrite<P>) -> Self {
        WriteGuard {
            connection: Some(connection),
            of,
        }
    }

    /// Takes the connection out of the guard, to [invalidate](crate::Connection::invalidate) or [detach](crate::Connection::detach)
    /// it. What is written with it from then on, this thread's reads need not see.
    #[must_use = "a connection that is dropped at once goes back unused"]
    pub fn into_inner(mut this: Self) -> P::Connection {
        this.connection
            .take()
            .expect("bug: a guard without a connection")
    }
}

impl<P: Endpoint> Drop for WriteGuard<P> {
    fn drop(&mut self) {
        // What is written is complete only once the connection is back: a hook of the checkin may commit.
        drop(self.connection.take());
        self.of.note_that_this_thread_wrote();
    }
}

impl<P: Endpoint> Deref for WriteGuard<P> {
    type Target = P::Connection;

    fn deref(&self) -> &P::Connection {
        let connection = self.connection.as_ref();
        connection.expect("bug: a guard without a connection")
    }
}

impl<P: Endpoint> DerefMut for WriteGuard<P> {
    fn deref_mut(&mut self) -> &mut P::Connection {
        let connection = self.connection.as_mut();
        connection.expect("bug: a guard without a connection")
    }
}

impl<P: Endpoint<Connection: fmt::Debug>> fmt::Debug for WriteGuard<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&self.connection).finish()
    }
}

thread_local! {
    /// When this thread last wrote, by the number of the `ReadWrite`.
    static WROTE: RefCell<Vec<(u64, Moment)>> = const { RefCell::new(Vec::new()) };
}

/// This thread has written at that moment.
pub(super) fn note_write(of: u64, at: Moment) {
    // A guard that is kept in a thread-local may end after this one has been destroyed. Then no read follows on this thread.
    let _ended = WROTE.try_with(|wrote| {
        let mut wrote = wrote.borrow_mut();
        wrote.retain(|(other, _)| *other != of);
        wrote.push((of, at));
    });
}

/// When this thread last wrote, if it did.
pub(super) fn last_write(of: u64) -> Option<Moment> {
    let found = WROTE.try_with(|wrote| {
        let wrote = wrote.borrow();
        let mut writes = wrote.iter();
        writes.find(|(other, _)| *other == of).map(|(_, at)| *at)
    });
    found.ok().flatten()
}
