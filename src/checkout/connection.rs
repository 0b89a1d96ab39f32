//! The guard of a checked-out connection.

use std::error::Error as StdError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::base::sync::Instant;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::error::chain;
use crate::gate::lease::Lease;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;

/// A checked-out connection. It dereferences to the driver's own and goes back to the pool when dropped: an open
/// transaction is rolled back first (setting `reset_on_return`).
///
/// A guard dropped by a panicking thread is reset in full or closed. A guard that is leaked (`mem::forget`) keeps its
/// place for ever.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct Connection<M: Manager> {
    /// `None` only while the guard ends. The pool is in it, as its keeper. There is nothing beside it, so that a guard and its
    /// `Result` are returned in registers.
    lease: Option<Lease<M>>,
}

impl<M: Manager> Connection<M> {
    /// The lease has its keeper.
    #[inline]
    pub(crate) fn new(mut lease: Lease<M>) -> Self {
        lease.live_mut().panicking_at_checkout = std::thread::panicking();
        Connection { lease: Some(lease) }
    }

    /// What the pool knows of this connection.
    #[must_use]
    pub fn info(this: &Self) -> &ConnectionInfo {
        &this.lease().live().info
    }

    /// Closes this connection instead of returning it: its place is freed and a waiter is served. For a connection
    /// that the holder knows to be unfit.
    pub fn invalidate(mut this: Self) {
        let (pool, mut lease) = this.end();
        if pool.home.is_left() {
            return pool.forget(lease);
        }
        pool.gate.lock().count_checkin(lease.live(), Instant::now());
        pool.speak_for_others(lease.live(), lease.live().verdict);
        pool.prepare_to_close(&mut lease.live_mut().connection);
        // Its failure is counted and logged; the connection is closed in any case.
        let _ = pool.run_hook("invalidate", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.invalidating(connection, info)
        });
        pool.close_lease_and_settle(lease, CloseReason::Invalidated);
    }

    /// Takes the driver's connection out of the pool for good: its place is free, and no hook of the pool sees it again. What is
    /// wrong with it is the new owner's: on MySQL, one whose statement a `write_timeout` cut off sends that statement once
    /// more, which the server may run in pieces; [`invalidate`](Connection::invalidate) such a connection instead.
    #[must_use = "the connection is closed when it is dropped"]
    pub fn detach(mut this: Self) -> M::Connection {
        let (pool, lease) = this.end();
        if !pool.home.is_left() {
            pool.speak_for_others(lease.live(), lease.live().verdict);
        }
        let (place, live) = lease.empty();
        if pool.home.is_left() {
            pool.forget(place);
            return live.connection;
        }
        pool.event(format_args!("connection {} is detached", live.info.id));
        let mut gate = pool.gate.lock();
        gate.count_checkin(&live, Instant::now());
        gate.count_detached(place);
        drop(gate);
        live.connection
    }

    /// Tells the pool of an error that a statement on this connection ended with, and returns what it means: by the
    /// [error hooks](crate::Builder::on_error), else by the driver. Acted on when the connection comes back: one that is lost is
    /// closed, and those opened before it are replaced or pinged before their next use ([`Extent`](crate::Extent)); one on which
    /// an answer is still owed is closed. Any other error changes nothing, and of several the gravest counts.
    ///
    /// Without it the pool finds most of this out for itself, later: at the return, by the reset, or by the next ping. To
    /// note errors spares other callers an error of their own when a server goes away. `error` may be the driver's own, or
    /// have it beneath as a [source](StdError::source). An `AnyConnection` notes its own errors.
    ///
    /// ```
    /// # use queuepool::{Connection, sqlite::SqlitePool};
    /// # let pool = SqlitePool::builder("sqlite::memory:")?.build()?;
    /// let mut connection = pool.get()?;
    /// if let Err(error) = connection.execute("INSERT INTO nowhere VALUES (1)", ()) {
    ///     let class = Connection::note_error(&mut connection, &error);
    ///     assert_eq!(class, queuepool::ErrorClass::Statement); // the connection stays in use
    /// }
    /// # Ok::<(), queuepool::Error>(())
    /// ```
    pub fn note_error(this: &mut Self, error: &(dyn StdError + 'static)) -> ErrorClass {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        let pool = Shared::kept(lease.live());
        pool.note_error(lease.live_mut(), error)
    }

    /// Whether an answer may still be owed on it, which its next statement could be given.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn is_owed_an_answer(this: &Self) -> bool {
        this.lease().live().verdict == Verdict::Owed
    }

    /// The driver's ping, on this thread.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn ping(this: &mut Self) -> Result<(), M::Error> {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        let pool = Shared::kept(lease.live());
        let limit = pool.settings.health_check_timeout;
        pool.driver
            .ping(&pool.manager, &mut lease.live_mut().connection, limit)
    }

    /// Whether an error of the ping tells of the validation_query and not of the connection.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn refuses_query(this: &Self, error: &M::Error) -> bool {
        Shared::kept(this.lease().live()).refuses_query(error)
    }

    /// What the driver's error says, without the pool's own password.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    pub(crate) fn words(this: &Self, error: &M::Error) -> String {
        let pool = Shared::kept(this.lease().live());
        pool.mask(chain(error))
    }

    fn lease(&self) -> &Lease<M> {
        self.lease.as_ref().expect("bug: a guard without a lease")
    }

    fn end(&mut self) -> (Arc<Shared<M>>, Lease<M>) {
        let mut lease = self.lease.take().expect("bug: a guard ended twice");
        (Shared::end_keeping(lease.live_mut()), lease)
    }
}

impl<M: Manager> Deref for Connection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.lease().live().connection
    }
}

impl<M: Manager> DerefMut for Connection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self
            .lease
            .as_mut()
            .expect("bug: a guard without a lease")
            .live_mut()
            .connection
    }
}

impl<M: Manager> Drop for Connection<M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut lease) = self.lease.take() {
            let pool = Shared::end_keeping(lease.live_mut());
            if pool.home.is_left() {
                return pool.forget(lease);
            }
            let panicked = std::thread::panicking() && !lease.live().panicking_at_checkout;
            pool.check_in(lease, panicked);
        }
    }
}

impl<M: Manager> fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("info", Connection::info(self))
            .finish_non_exhaustive()
    }
}
