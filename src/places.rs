//! Places and leases: the strict count of connections, which is what `r2d2::Pool` is used for.
//!
//! A connection that is being opened, is open, or is being closed sits in one place for all that time. r2d2 holds
//! the empty places and hands out no more of them than there are; it never sees a connection, and so never does I/O.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use scheduled_thread_pool::ScheduledThreadPool;

use crate::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::hooks::ConnectionInfo;

/// The one timer thread of the process. It makes places and fires timers, all of which are short and never block.
pub(crate) static TIMER: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| {
    Arc::new(
        ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern("queuepool-timer")
            .build(),
    )
});

/// The r2d2 manager of empty places.
pub(crate) struct PlaceMaker<M>(PhantomData<fn() -> M>);

/// Room for one connection. It goes back into r2d2 only empty.
pub(crate) struct Room<M: Manager>(Option<Box<Live<M>>>);

impl<M: Manager> r2d2::ManageConnection for PlaceMaker<M> {
    type Connection = Room<M>;
    type Error = Infallible;

    fn connect(&self) -> Result<Room<M>, Infallible> {
        Ok(Room(None))
    }

    fn is_valid(&self, _: &mut Room<M>) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, room: &mut Room<M>) -> bool {
        debug_assert!(
            room.0.is_none(),
            "bug: a place went back with a connection in it"
        );
        false
    }
}

/// An empty place that is taken. Dropping it gives it back.
pub(crate) struct Place<M: Manager>(r2d2::PooledConnection<PlaceMaker<M>>);

impl<M: Manager> Place<M> {
    pub(crate) fn fill(mut self, live: Box<Live<M>>) -> Lease<M> {
        self.0.0 = Some(live);
        Lease(self.0)
    }
}

/// A place with a connection in it.
pub(crate) struct Lease<M: Manager>(r2d2::PooledConnection<PlaceMaker<M>>);

impl<M: Manager> Lease<M> {
    pub(crate) fn live(&self) -> &Live<M> {
        self.0
            .0
            .as_deref()
            .expect("bug: a lease without a connection")
    }

    pub(crate) fn live_mut(&mut self) -> &mut Live<M> {
        self.0
            .0
            .as_deref_mut()
            .expect("bug: a lease without a connection")
    }

    /// Takes the connection out; the place stays taken.
    pub(crate) fn empty(mut self) -> (Place<M>, Box<Live<M>>) {
        let live = self.0.0.take().expect("bug: a lease without a connection");
        (Place(self.0), live)
    }
}

/// A driver's connection with what the pool knows of it.
pub(crate) struct Live<M: Manager> {
    pub(crate) connection: M::Connection,
    pub(crate) info: ConnectionInfo,
    /// The pool's generation when the connect started.
    pub(crate) generation: u64,
    /// When it is too old; `None` for never.
    pub(crate) expires: Option<Instant>,
    /// When it was last proved alive: opened, reset, pinged, or returned after use.
    pub(crate) proven: Instant,
    /// When it last became idle.
    pub(crate) idle_since: Instant,
    /// Opened and not yet handed out: never pinged.
    pub(crate) unused: bool,
}

/// All places of one pool.
pub(crate) struct Places<M: Manager>(r2d2::Pool<PlaceMaker<M>>);

impl<M: Manager> Places<M> {
    pub(crate) fn new(capacity: u32) -> Result<Self, Error> {
        r2d2::Pool::builder()
            .max_size(capacity)
            .min_idle(None)
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(Duration::from_secs(30))
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .thread_pool(TIMER.clone())
            .build(PlaceMaker(PhantomData))
            .map(Places)
            .map_err(|_| {
                Error::new(
                    ErrorKind::Connect,
                    "the pool's places were not made within 30 s: the machine is overloaded",
                )
            })
    }

    /// Is there room?
    pub(crate) fn try_take(&self) -> Option<Place<M>> {
        self.0.try_get().map(Place)
    }
}
