//! Whether a connection may be used again: same generation, not too old, proved alive.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::panics::let_go;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::{Error, ErrorKind};
use crate::gate::failure::Failure;
use crate::gate::lease::{Lease, Live};
use crate::lifecycle::shared::Shared;
use crate::lifecycle::verdict::Fault;
use crate::settings::PrePing;

/// How a ping ended.
pub(crate) enum Pinged<M: Manager> {
    Alive(Lease<M>),
    /// It is alive, but its server has become read-only, and it has been closed.
    Unsuited,
    /// The server refuses the validation_query itself; that says nothing about the connection.
    QueryRefused(Lease<M>, Error),
    Failed(Lease<M>, Fault),
    /// There was no answer within the limit; the connection has been abandoned.
    NoAnswer,
}

impl<M: Manager> Shared<M> {
    /// Why a connection may not be used again, no matter what a ping would say.
    pub(crate) fn staleness(&self, live: &Live<M>, now: Instant) -> Option<CloseReason> {
        if live.generation != self.generation.load(Ordering::Acquire) {
            return Some(CloseReason::Invalidated);
        }
        // A full server might not let the successor in.
        live.expires
            .is_some_and(|expires| now > expires && !self.gate.is_server_full())
            .then_some(CloseReason::Recycled)
    }

    /// As [`staleness`](Shared::staleness), except that a new connection is handed out once to the caller it was opened for even if
    /// it is stale by then, because the next one would be stale too.
    pub(crate) fn staleness_before_use(&self, live: &Live<M>, now: Instant) -> Option<CloseReason> {
        match live.unused {
            true => None,
            false => self.staleness(live, now),
        }
    }

    /// When a connection opened at `birth` is too old: `recycle`, shortened by a jitter drawn now and once.
    pub(crate) fn expiry(&self, birth: Instant) -> Option<Instant> {
        let shortened = self.settings.recycle_jitter * fastrand::f64();
        (self.settings.recycle != Duration::MAX)
            .then(|| later(birth, self.settings.recycle.mul_f64(1.0 - shortened)))
    }

    pub(crate) fn ping_is_due(&self, live: &Live<M>, now: Instant) -> bool {
        match self.settings.pre_ping {
            _ if live.unused => false,
            // Another connection was lost, and perhaps the server has gone.
            _ if self.is_doubted(live) => true,
            PrePing::Never => false,
            PrePing::Always => true,
            // An addition takes half the time of a subtraction.
            PrePing::IdleFor(window) => {
                let due = live.proven.checked_add(window);
                due.is_some_and(|due| now > due)
            }
        }
    }

    /// Runs the driver's ping within `limit`.
    pub(crate) fn ping(self: &Arc<Self>, lease: Lease<M>, limit: Duration) -> Pinged<M> {
        let doubts = self.doubts.load(Ordering::Acquire);
        let called = self.call(
            Call::Ping,
            lease,
            limit,
            CloseReason::ValidationFailed,
            move |shared, live| {
                let pinged = shared
                    .driver
                    .ping(&shared.manager, &mut live.connection, limit);
                pinged.and_then(|()| shared.ask_role_if_in_doubt(live, false))
            },
        );
        let (mut lease, result) = match called {
            Some(ended) => ended,
            None => return Pinged::NoAnswer,
        };
        let failed = match result {
            Ok(Ok(role)) => {
                let live = lease.live_mut();
                live.proven = self.clock.now();
                live.doubts = doubts;
                self.gate.lock().note_answer();
                if let Some(reason) = self.follow_role(&mut lease, role, false) {
                    self.close_lease(lease, reason);
                    return Pinged::Unsuited;
                }
                return Pinged::Alive(lease);
            }
            Ok(Err(error)) if self.refuses_query(&error) => match self.note_refused_query(&error) {
                Some(refusal) => {
                    let_go(error);
                    return Pinged::QueryRefused(lease, refusal);
                }
                None => Ok(error),
            },
            Ok(Err(error)) => Ok(error),
            Err(panic) => Err(panic),
        };
        let mut fault = self.fault(&lease, failed);
        fault.verdict = fault.verdict.found_by_ping();
        Pinged::Failed(lease, fault)
    }

    /// The error to report if the server refuses the validation_query itself, which says nothing about the connection. `None` if
    /// the query has succeeded before: then the connection is at fault.
    fn note_refused_query(&self, error: &M::Error) -> Option<Error> {
        let query = self
            .settings
            .validation_query
            .as_deref()
            .unwrap_or_default();
        let message = format!(
            "the validation_query {query:?} was refused: {}; expected SQL that this database runs and this user may run",
            self.describe(error).1
        );
        let error = Error::new(ErrorKind::Validation, message).with_transience(false);
        if !self.gate.lock().note_refused_query(&error) {
            return None;
        }
        Some(error)
    }

    /// Pings a connection that a health check has opened, if that check still waits. A successful connect alone proves nothing,
    /// because something in front of the database, such as PgBouncer, may let clients in without it. If the ping fails, only this
    /// connection is closed.
    pub(crate) fn prove_to_check(
        self: &Arc<Self>,
        attempt: u64,
        lease: Lease<M>,
    ) -> Result<Lease<M>, Failure> {
        let until = self.gate.lock().check_until(attempt);
        let left = until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Ok(lease);
        }
        let failure = |message: String| Failure::transient(ErrorKind::Validation, message);
        let connection = lease.live().info.id;
        let (lease, fault) = match self.ping(lease, left) {
            Pinged::Alive(lease) => return Ok(lease),
            Pinged::QueryRefused(lease, error) => {
                self.put_back(lease);
                return Err(Failure {
                    error,
                    ..failure(String::new())
                });
            }
            Pinged::Failed(lease, fault) => (lease, fault),
            Pinged::Unsuited => {
                return Err(failure(
                    "a new connection leads to a server that is read-only now".to_owned(),
                ));
            }
            Pinged::NoAnswer => {
                self.gate.lock().note_check_abandoned(connection);
                return Err(failure(format!(
                    "a new connection gave no answer within {left:?}"
                )));
            }
        };
        let reason = fault.close_reason(CloseReason::ValidationFailed);
        self.close_lease_and_settle(lease, reason);
        Err(failure(format!(
            "a new connection failed its ping: {}",
            fault.words
        )))
    }
}
