//! Before hand-out: same generation, not too old, proved alive, accepted by the checkout hook.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::abort::Watch;
use crate::base::clock::later;
use crate::base::slot::Slot;
use crate::base::sync::Instant;
use crate::checkout::Turn;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::{Call, Manager};
use crate::contract::hooks::HookFailure;
use crate::error::{Error, ErrorKind};
use crate::opener::Failure;
use crate::places::{Lease, Live};
use crate::pool::Inner;
use crate::settings::PrePing;
use crate::verdict::Fault;

/// Connections that a checkout hook may refuse within one checkout.
const REFUSALS: u32 = 3;

/// A connection on its way to a helper thread: with a job that is never run, it is closed.
struct Carried<M: Manager>(Arc<Inner<M>>, Option<Box<Live<M>>>);

impl<M: Manager> Carried<M> {
    fn take(mut self) -> Box<Live<M>> {
        self.1.take().expect("bug: a connection taken twice")
    }
}

impl<M: Manager> Drop for Carried<M> {
    fn drop(&mut self) {
        if let Some(live) = self.1.take() {
            self.0.drop_connection(*live);
        }
    }
}

/// How a ping ended.
pub(crate) enum Pinged<M: Manager> {
    Alive(Lease<M>),
    /// The validation_query is wrong, and the connection no worse than it was.
    QueryRefused(Lease<M>, Error),
    Failed(Lease<M>, Fault),
    /// Not within its limit; the connection has been abandoned.
    NoAnswer,
}

/// What is known of the validation_query.
pub(crate) enum Validation {
    Untried,
    /// It succeeded once.
    Proved,
    Refused {
        at: Instant,
        error: Error,
    },
}

/// How long a refused validation_query is not asked again.
const REFUSAL_HOLDS: Duration = Duration::from_secs(1);

/// What became of a driver call on a connection.
pub(crate) type Called<T> = Result<T, Box<dyn Any + Send>>;

impl<M: Manager> Inner<M> {
    /// Makes a connection fit to be handed out, or closes it and returns `None`: the next is tried.
    pub(crate) fn make_ready(
        self: &Arc<Self>,
        lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        let now = self.clock.now();
        if let Some(reason) = self.staleness_before_use(lease.live(), now) {
            self.close_lease(lease, reason);
            return Ok(None);
        }
        let lease = if self.ping_is_due(lease.live(), now) {
            match self.test(lease, turn)? {
                Some(lease) => lease,
                None => return Ok(None),
            }
        } else {
            lease
        };
        if self.hooks.has_checkout {
            self.offer_to_hook(lease, turn)
        } else {
            Ok(Some(lease))
        }
    }

    /// Why a connection may not be used again, whatever a ping would say.
    pub(crate) fn staleness(&self, live: &Live<M>, now: Instant) -> Option<CloseReason> {
        if live.generation != self.generation.load(Ordering::Acquire) {
            return Some(CloseReason::Invalidated);
        }
        live.expires
            .is_some_and(|expires| now > expires)
            .then_some(CloseReason::Recycled)
    }

    /// As [`staleness`](Inner::staleness), but a new connection is handed out once to whom it was opened for, even if it is
    /// too old by then: the next would be too.
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
            // Another was lost, and the server perhaps with it.
            _ if self.is_doubted(live) => true,
            PrePing::Never => false,
            PrePing::Always => true,
            PrePing::IdleFor(window) => now.saturating_duration_since(live.proven) > window,
        }
    }

    /// Pings. A lost connection may take those with it that were opened before; one that fails otherwise goes alone.
    pub(crate) fn test(
        self: &Arc<Self>,
        lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        let limit = self.settings.health_check_timeout.min(turn.remaining());
        if limit.is_zero() {
            self.put_back(lease);
            return Err(self.timed_out(turn, false));
        }
        if let Some(refused) = self.query_refused() {
            self.put_back(lease);
            return Err(refused);
        }
        match self.ping(lease, limit) {
            Pinged::Alive(lease) => Ok(Some(lease)),
            Pinged::QueryRefused(lease, error) => {
                self.put_back(lease);
                if !turn.is_probe {
                    self.queue.lock().counters.validation_failures += 1;
                }
                Err(error)
            }
            Pinged::Failed(lease, fault) => {
                let reason = fault.close_reason(CloseReason::ValidationFailed);
                self.speak_for_others(lease.live(), fault.verdict);
                self.close_lease(lease, reason);
                let cause = Error::new(ErrorKind::Validation, fault.words);
                self.validation_failed(
                    turn,
                    match fault.source {
                        Some(source) => cause.with_source(source),
                        None => cause,
                    },
                )
            }
            Pinged::NoAnswer => {
                let words = format!("no answer within {limit:?}");
                self.validation_failed(turn, Error::new(ErrorKind::Validation, words))
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
            move |inner, live| {
                inner
                    .driver
                    .ping(&inner.manager, &mut live.connection, limit)
            },
        );
        let (mut lease, result) = match called {
            Some(ended) => ended,
            None => return Pinged::NoAnswer,
        };
        let failed = match result {
            Ok(Ok(())) => {
                let live = lease.live_mut();
                live.proven = self.clock.now();
                live.doubts = doubts;
                let mut queue = self.queue.lock();
                queue.proven = Some(Instant::now());
                queue.validation = Validation::Proved;
                return Pinged::Alive(lease);
            }
            Ok(Err(error)) if self.refuses_query(&error) => match self.note_refused_query(&error) {
                Some(refusal) => return Pinged::QueryRefused(lease, refusal),
                None => Ok(error),
            },
            Ok(Err(error)) => Ok(error),
            Err(panic) => Err(panic),
        };
        let mut fault = self.fault(&lease, failed);
        fault.verdict = fault.verdict.found_by_ping();
        Pinged::Failed(lease, fault)
    }

    /// The error of a validation_query that was refused a moment ago: it is not asked again yet.
    pub(crate) fn query_refused(&self) -> Option<Error> {
        match &self.queue.lock().validation {
            Validation::Refused { at, error } if at.elapsed() < REFUSAL_HOLDS => {
                Some(error.clone())
            }
            _ => None,
        }
    }

    /// A validation_query that is wrong in itself tells nothing of the connection, unless it has succeeded before: then
    /// `None`.
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
        let error = Error::new(ErrorKind::Validation, message);
        let mut queue = self.queue.lock();
        if matches!(queue.validation, Validation::Proved) {
            return None;
        }
        let replaced = std::mem::replace(
            &mut queue.validation,
            Validation::Refused {
                at: Instant::now(),
                error: error.clone(),
            },
        );
        drop(queue);
        drop(replaced);
        Some(error)
    }

    fn validation_failed(
        self: &Arc<Self>,
        turn: &mut Turn<M>,
        cause: Error,
    ) -> Result<Option<Lease<M>>, Error> {
        if !turn.is_probe {
            self.queue.lock().counters.validation_failures += 1;
        }
        log::info!(target: &self.target, "a connection failed its test and is replaced: {cause}");
        turn.validation_failures += 1;
        if turn.remaining().is_zero() {
            self.count_timeout(turn);
        } else if turn.validation_failures < self.settings.max_validation_failures {
            return Ok(None);
        }
        let message = format!(
            "{} connections in a row failed their test, the last: {cause}",
            turn.validation_failures
        );
        let error = Error::new(ErrorKind::Validation, message);
        Err(match cause.shared_source() {
            Some(source) => error.with_source(source),
            None => error,
        })
    }

    pub(crate) fn close_idle_of_older_generations(self: &Arc<Self>) {
        let current = self.generation.load(Ordering::Acquire);
        let older = self
            .queue
            .lock()
            .take_idle_where(|lease| lease.live().generation != current);
        older
            .into_iter()
            .for_each(|lease| self.close_lease(lease, CloseReason::Invalidated));
    }

    fn offer_to_hook(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        turn: &mut Turn<M>,
    ) -> Result<Option<Lease<M>>, Error> {
        let called = self.run_hook("checkout", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.checking_out(connection, info)
        });
        let Err(failure) = called else {
            return Ok(Some(lease));
        };
        self.close_lease(lease, CloseReason::HookFailed);
        turn.refusals += 1;
        match failure {
            HookFailure::Panicked(panic) => resume_unwind(panic),
            refused if turn.refusals >= REFUSALS => {
                Err(Failure::of_hook("checkout", refused).error)
            }
            HookFailure::Refused(_) => Ok(None),
        }
    }

    /// Watches a call on this connection, if it can be aborted. A driver that panics when asked has none that can.
    fn watch(&self, lease: &Lease<M>, limit: Duration) -> Option<Watch> {
        let connection = &lease.live().connection;
        let abort = catch_unwind(AssertUnwindSafe(|| self.driver.abort_handle(connection)));
        Watch::begin(limit, abort.ok()??)
    }

    /// What ends, on the server, whatever this connection still waits for.
    fn cancel_handle(&self, lease: &Lease<M>) -> Option<Box<dyn FnOnce() + Send>> {
        let connection = &lease.live().connection;
        let asked = AssertUnwindSafe(|| self.driver.cancel_handle(&self.manager, connection));
        catch_unwind(asked).ok().flatten()
    }

    /// Runs a driver call on a connection: here if it ends by itself or can be aborted, else on a helper thread, awaited for
    /// `limit`. `None`: it did not end in time (or no thread could be had), and the connection is being closed for `reason`.
    pub(crate) fn call<T: Send + 'static>(
        self: &Arc<Self>,
        which: Call,
        mut lease: Lease<M>,
        limit: Duration,
        reason: CloseReason,
        work: impl FnOnce(&Inner<M>, &mut Live<M>) -> T + Send + 'static,
    ) -> Option<(Lease<M>, Called<T>)> {
        if self.facts.is_bounded(which) {
            let result = catch_unwind(AssertUnwindSafe(|| work(self, lease.live_mut())));
            return Some((lease, result));
        }
        if let Some(watch) = self.watch(&lease, limit) {
            let result = catch_unwind(AssertUnwindSafe(|| work(self, lease.live_mut())));
            if !watch.end() {
                return Some((lease, result));
            }
            self.overran(lease.live().info.id, which, limit);
            match which {
                Call::Reset => self.close_lease_and_settle(lease, reason),
                _ => self.close_lease(lease, reason),
            }
            return None;
        }
        let cancel = match which {
            Call::Reset => self.cancel_handle(&lease),
            _ => None,
        };
        let info = lease.live().info.clone();
        let (place, live) = lease.empty();
        let slot = Slot::new();
        let (inner, outcome) = (self.clone(), slot.clone());
        let carried = Carried(self.clone(), Some(live));
        let started = self.helpers.run(move || {
            let mut live = carried.take();
            let result = catch_unwind(AssertUnwindSafe(|| work(&inner, &mut live)));
            if let Err((live, _)) = outcome.fill((live, result)) {
                let id = live.info.id;
                inner.drop_connection(*live);
                inner.settle(id);
            }
        });
        let ran = started.is_ok();
        match started {
            Ok(()) => {
                if let Some((live, result)) = slot.wait(limit) {
                    return Some((Lease::new(place, live), result));
                }
            }
            Err(unrun) => {
                // Closed here, while its place is still taken.
                drop(unrun.job);
            }
        }
        self.overran(info.id, which, limit);
        // Abandoned under the queue's lock, so that a helper who comes too late finds the closing entry.
        let mut queue = self.queue.lock();
        if let Some((live, result)) = slot.abandon() {
            return Some((Lease::new(place, live), result));
        }
        self.abandon_in(&mut queue, info.id, which, place, reason);
        drop(queue);
        if !ran {
            self.settle(info.id);
        } else if let Some(cancel) = cancel {
            self.on_helper(|_| {
                // A driver's own; one that fails leaves the call as it is.
                let _cancelled = catch_unwind(AssertUnwindSafe(cancel));
            });
        }
        // Its failure is counted and logged.
        let _ = self.run_hook("close", |hooks| hooks.closing(&info, reason));
        None
    }
}
