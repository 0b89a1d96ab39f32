//! Places and leases: the strict count of connections, which is what `r2d2::Pool` is used for.
//!
//! A connection that is being opened, is open, or is being closed sits in one place for all that time. r2d2 holds
//! the empty places and hands out no more of them than there are; it never sees a connection, and so never does I/O.

use std::convert::Infallible;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::base::timer::TIMER;
use crate::contract::connection_info::ConnectionInfo;
use crate::contract::driver::Manager;
use crate::contract::hooks::Customizer;
use crate::error::{Error, ErrorKind};
use crate::verdict::Verdict;

/// The r2d2 manager of places: there is nothing in them that could break.
struct PlaceMaker;

/// What r2d2 sees of a place.
struct Room;

impl r2d2::ManageConnection for PlaceMaker {
    type Connection = Room;
    type Error = Infallible;

    fn connect(&self) -> Result<Room, Infallible> {
        Ok(Room)
    }

    fn is_valid(&self, _: &mut Room) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Room) -> bool {
        false
    }
}

/// Room for one connection, taken. Dropping it gives it back.
pub(crate) struct Place {
    _room: r2d2::PooledConnection<PlaceMaker>,
}

/// A connection in its place. Were it dropped, the connection would be closed and the place given back.
pub(crate) struct Lease<M: Manager>(Box<Live<M>>);

impl<M: Manager> Lease<M> {
    pub(crate) fn new(place: Place, mut live: Box<Live<M>>) -> Self {
        live.place = Some(place);
        Lease(live)
    }

    pub(crate) fn live(&self) -> &Live<M> {
        &self.0
    }

    pub(crate) fn live_mut(&mut self) -> &mut Live<M> {
        &mut self.0
    }

    /// Takes the connection out; the place stays taken.
    pub(crate) fn empty(mut self) -> (Place, Box<Live<M>>) {
        let place = self.0.place.take().expect("bug: a lease without a place");
        (place, self.0)
    }
}

/// A driver's connection with what the pool knows of it.
pub(crate) struct Live<M: Manager> {
    pub(crate) connection: M::Connection,
    /// `Some` while it is in a [`Lease`]. After the connection, so that it is given back last.
    place: Option<Place>,
    pub(crate) info: ConnectionInfo,
    /// Has acquired it, and is to release it.
    pub(crate) customizer: Option<Customizer<M>>,
    /// The pool's generation when the connect started.
    pub(crate) generation: u64,
    /// How many doubts there were when it last answered.
    pub(crate) doubts: u64,
    /// When it is too old; `None` for never.
    pub(crate) expires: Option<Instant>,
    /// When it was last proved alive: opened, reset, pinged, or returned after use.
    pub(crate) proven: Instant,
    /// When it last became idle.
    pub(crate) idle_since: Instant,
    /// Opened, and neither handed out nor idle since: neither pinged nor too old for the caller it was opened for.
    pub(crate) unused: bool,
    /// What its holder's errors have said of it.
    pub(crate) verdict: Verdict,
}

impl<M: Manager> Live<M> {
    pub(crate) fn new(
        connection: M::Connection,
        info: ConnectionInfo,
        customizer: Option<Customizer<M>>,
        generation: u64,
        doubts: u64,
        expires: Option<Instant>,
    ) -> Box<Self> {
        let opened = info.opened;
        Box::new(Live {
            connection,
            place: None,
            info,
            customizer,
            generation,
            doubts,
            expires,
            proven: opened,
            idle_since: opened,
            unused: true,
            verdict: Verdict::Sound,
        })
    }

    pub(crate) fn as_hooks_see_it(&mut self) -> (&mut M::Connection, &ConnectionInfo) {
        (&mut self.connection, &self.info)
    }
}

/// All places of one pool.
pub(crate) struct Places(r2d2::Pool<PlaceMaker>);

impl Places {
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
            .build(PlaceMaker)
            .map(Places)
            .map_err(|_| {
                Error::new(
                    ErrorKind::Connect,
                    "the pool's places were not made within 30 s: the machine is overloaded",
                )
            })
    }

    /// Is there room?
    pub(crate) fn try_take(&self) -> Option<Place> {
        self.0.try_get().map(|room| Place { _room: room })
    }
}
