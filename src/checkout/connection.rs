//! The guard of a checked-out connection.

use std::error::Error as StdError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::base::sync::Instant;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::contract::extensions::Extensions;
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
    /// more, which the server may run in pieces; [`invalidate`](Connection::invalidate) such a connection instead. Its
    /// [extensions](Connection::extensions) are dropped; take out with [`remove`](Extensions::remove) what is to live on.
    #[must_use = "the connection is closed when it is dropped"]
    pub fn detach(mut this: Self) -> M::Connection {
        let (pool, lease) = this.end();
        if !pool.home.is_left() {
            pool.speak_for_others(lease.live(), lease.live().verdict);
        }
        let (place, mut live) = lease.empty();
        let extensions = live.extensions.take();
        if pool.home.is_left() {
            pool.forget((place, extensions));
            return live.connection;
        }
        pool.event(format_args!("connection {} is detached", live.info.id));
        let mut gate = pool.gate.lock();
        gate.count_checkin(&live, Instant::now());
        gate.count_detached(place);
        drop(gate);
        drop(extensions);
        live.connection
    }

    /// What is kept with this connection for as long as it is open, checkout after checkout: prepared statements, caches, a note of
    /// what has been set up. One value of each type; empty at first, and without cost where nobody asks for it.
    ///
    /// The values are dropped before the driver's connection is, and also when the connection is [detached](Connection::detach). A
    /// reset with `reset_on_return = full`, or after a holder's panic, drops them too, because the session is then as new:
    ///
    /// - PostgreSQL: the driver's own prepared statements would outlive that reset; statements prepared by SQL, temporary tables and
    ///   session settings would not.
    /// - MySQL and MariaDB: the server drops all prepared statements of the session.
    /// - SQLite: the reset opens another connection. In null mode, the default there, every connection is closed when it comes
    ///   back, and the values with it.
    ///
    /// With `rollback`, the default, and with `never` they stay. A prepared statement has to be cloned out, because it is used
    /// together with the connection:
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use queuepool::{Connection, postgres::PostgresPool, postgres::postgres::Statement};
    /// # let pool = PostgresPool::builder("postgresql://app@localhost/orders")?.build()?;
    /// struct FindOrder(Statement); // a type of its own for each value
    ///
    /// let mut connection = pool.get()?;
    /// let kept = Connection::extensions(&mut connection).get::<FindOrder>();
    /// let statement = match kept.map(|kept| kept.0.clone()) {
    ///     Some(statement) => statement,
    ///     None => {
    ///         let statement = connection.prepare("SELECT total FROM orders WHERE id = $1")?;
    ///         Connection::extensions(&mut connection).insert(FindOrder(statement.clone()));
    ///         statement
    ///     }
    /// };
    /// let row = connection.query_opt(&statement, &[&42_i64])?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "postgres"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn extensions(this: &mut Self) -> &mut Extensions {
        let lease = this.lease.as_mut().expect("bug: a guard without a lease");
        lease.live_mut().extensions.get_or_insert_default()
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
