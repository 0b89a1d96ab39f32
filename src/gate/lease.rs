//! A connection in its place, with what the pool knows of it.

use std::any::Any;
use std::sync::Arc;

use crate::base::sync::Instant;
use crate::contract::connection_info::ConnectionInfo;
use crate::contract::driver::Manager;
use crate::contract::extensions::Extensions;
use crate::contract::hooks::Customizer;
use crate::gate::berths::{self, BayRef};
use crate::gate::places::Place;
use crate::gate::role::Login;
use crate::gate::verdict::Verdict;

/// A connection in its place. If it is dropped, the connection is closed and the place is given back.
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

    /// Parts the connection from its place, which stays taken.
    pub(crate) fn empty(mut self) -> (Place, Box<Live<M>>) {
        let place = self.0.place.take().expect("bug: a lease without a place");
        (place, self.0)
    }
}

/// The pool itself, kept alive by a connection that is out. It stays with a connection that is parked in a bay: to count a
/// reference at each checkout would make all threads write to the same memory. The gate does not know the pool's type.
pub(crate) type Keeper = Arc<dyn Any + Send + Sync>;

/// A driver's connection with what the pool knows of it.
pub(crate) struct Live<M: Manager> {
    /// What users keep with it, if anything. Declared before the connection, so that it is dropped first.
    pub(crate) extensions: Option<Box<Extensions>>,
    pub(crate) connection: M::Connection,
    /// `Some` while it is in a [`Lease`]. Declared after the connection, so that it is given back last.
    place: Option<Place>,
    pub(crate) info: ConnectionInfo,
    /// The customizer that has acquired it and is to release it.
    pub(crate) customizer: Option<Customizer<M>>,
    /// The pool's generation when the connect started.
    pub(crate) generation: u64,
    /// The pool's count of doubts when it last answered.
    pub(crate) doubts: u64,
    /// When it is too old; `None` for never.
    pub(crate) expires: Option<Instant>,
    /// When it was last proved alive: opened, reset, pinged, or returned after an answer.
    pub(crate) proven: Instant,
    /// It has neither been handed out nor been idle since it was opened. The caller it was opened for gets it without a ping and
    /// whatever its age.
    pub(crate) unused: bool,
    /// What its holder's errors have said of it.
    pub(crate) verdict: Verdict,
    /// Counts it among those whose login said the same of their server.
    pub(crate) login: Option<Login>,
    /// When its server was last asked whether it is read-only, and was not.
    pub(crate) refuted: Option<Instant>,
    /// A write was refused on it, and whoever has been refused waits until a login has shown where logins lead now.
    pub(crate) awaits_writes: bool,
    /// `Some` while it is out or parked.
    pub(crate) keeper: Option<Keeper>,
    /// The bay of the thread that took it last, where its holder is noted and where it comes back to; `None` before the first.
    pub(super) bay: Option<BayRef<M>>,
    /// The number of its holder's record there.
    pub(super) holder: usize,
    /// Its holder's thread was panicking already when it took it.
    pub(crate) panicking_at_checkout: bool,
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
            extensions: None,
            connection,
            place: None,
            info,
            customizer,
            generation,
            doubts,
            expires,
            proven: opened,
            unused: true,
            verdict: Verdict::Sound,
            login: None,
            refuted: None,
            awaits_writes: false,
            keeper: None,
            bay: None,
            holder: 0,
            panicking_at_checkout: false,
        })
    }

    /// The bay of the thread that has taken it.
    #[inline]
    pub(crate) fn bay(&self) -> BayRef<M> {
        let bay = self.bay.as_ref();
        berths::same(bay.expect("bug: it was never taken"))
    }

    /// Whether its close runs what users wrote, which may take any time.
    pub(crate) fn runs_others_code(&self) -> bool {
        self.customizer.is_some() || self.extensions.is_some()
    }

    /// It is about to be handed out. One that was opened for its caller has not been idle.
    pub(crate) fn taken_at(&mut self, at: Instant) {
        if self.unused {
            self.info.idle_since = at;
        }
        self.info.taken = Some(at);
    }

    pub(crate) fn as_hooks_see_it(&mut self) -> (&mut M::Connection, &ConnectionInfo) {
        (&mut self.connection, &self.info)
    }
}
