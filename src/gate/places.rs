//! Places and leases: the strict count of connections, which is what `r2d2::Pool` is used for.
//!
//! A connection that is being opened, is open, or is being closed sits in one place for all that time. r2d2 holds
//! the empty places and hands out no more of them than there are; it never sees a connection, and so never does I/O.

use std::convert::Infallible;
use std::time::Duration;

use crate::base::timer::timer;
use crate::error::{Error, ErrorKind};

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
            .thread_pool(timer()?)
            .build(PlaceMaker)
            .map(Places)
            .map_err(|_| {
                Error::new(
                    ErrorKind::Resources,
                    "the pool's places were not made within 30 s: the machine is overloaded",
                )
            })
    }

    /// A place, if one is free.
    pub(crate) fn try_take(&self) -> Option<Place> {
        self.0.try_get().map(|room| Place { _room: room })
    }
}
