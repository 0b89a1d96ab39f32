//! Opening connections: on behalf of the oldest waiters, on threads of the pool's own, as many as there is room for.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::attempt::Stage;
use crate::base::clock::later;
use crate::base::panics::words;
use crate::base::slot::Slot;
use crate::base::sync::Instant;
use crate::closing::CLOSE_LIMIT;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::{Call, ErrorClass, Manager};
use crate::contract::hooks::{Customizer, HookFailure};
use crate::error::{Error, ErrorKind};
use crate::places::{Lease, Live, Place};
use crate::pool::Inner;
use crate::queue::{Queue, Signal, YOUNG};
use crate::settings::Mode;

/// Why an attempt brought no connection.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the retry policy applies.
    pub(crate) transient: bool,
    /// A connect hook's panic, to be resumed in the caller.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    /// How many connects had succeeded by then: after another success nobody sleeps.
    pub(crate) successes: u64,
}

impl Failure {
    fn new(error: Error, transient: bool) -> Self {
        Failure {
            error,
            transient,
            panic: None,
            successes: 0,
        }
    }

    pub(crate) fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure::new(Error::new(kind, message), false)
    }

    fn panicked(panic: &(dyn Any + Send)) -> Self {
        let message = format!("the driver panicked while connecting: {}", words(panic));
        Failure::permanent(ErrorKind::Connect, message)
    }

    fn transient(message: impl Into<String>) -> Self {
        Failure::new(Error::new(ErrorKind::Connect, message), true)
    }

    pub(crate) fn of_hook(hook: &str, failure: HookFailure) -> Self {
        match failure {
            HookFailure::Refused(source) => {
                let message = format!("the {hook} hook refused the connection: {source}");
                let error = Error::new(ErrorKind::Hook, message).with_source(Arc::from(source));
                Failure::new(error, false)
            }
            HookFailure::Panicked(panic) => {
                let message = format!("the {hook} hook panicked: {}", words(&*panic));
                Failure {
                    panic: Some(panic),
                    ..Failure::permanent(ErrorKind::Hook, message)
                }
            }
        }
    }
}

impl<M: Manager> Inner<M> {
    /// Lets the oldest waiters without a connect of their own have one, as long as there is room; then fills up min_pool_size.
    pub(crate) fn open_for_waiters(self: &Arc<Self>, queue: &mut Queue<M>) {
        if queue.closed {
            return;
        }
        let now = Instant::now();
        let mut position = 0;
        while position < queue.waiters.len() {
            if !queue.waiters[position].wants_attempt(now) {
                position += 1;
                continue;
            }
            if queue.adopt(position, now) {
                self.wake_timer(queue, now + queue.patience.limit());
                position += 1;
                continue;
            }
            if !queue.may_start(now) {
                self.wake_timer(queue, now + YOUNG);
                return;
            }
            if let Some(look_again) = queue.enough_are_opening(now, self.clock.at(now)) {
                self.wake_timer(queue, look_again);
                return;
            }
            if self.too_many_hang(queue) {
                // They wait for what comes back, or until one of those calls ends.
                return;
            }
            let Some(place) = self.places.try_take().or_else(|| queue.displace(now)) else {
                return;
            };
            if self.facts.is_bounded(Call::Connect) {
                let waiting = queue
                    .waiters
                    .remove(position)
                    .expect("bug: the position was just looked at");
                let attempt = queue.add_attempt(place, Some(waiting.ticket), now).id;
                waiting.waiter.post(Signal::Open(attempt));
            } else {
                let owner = queue.waiters[position].ticket;
                let attempt = queue.add_attempt(place, Some(owner), now).id;
                queue.waiters[position].attempt = Some(attempt);
                self.start(queue, attempt);
                position += 1;
            }
        }
        self.restock(queue, now);
    }

    /// Opens towards min_pool_size, for nobody in particular.
    fn restock(self: &Arc<Self>, queue: &mut Queue<M>, now: Instant) {
        let wanted = self.settings.min_pool_size as usize;
        // Looked at each time: a start that fails at once sets restock_after.
        while wanted > 0 && queue.restock_after.is_none_or(|after| after <= now) {
            let open = queue.counters.total() as usize + queue.opening();
            if open >= wanted
                || !queue.waiters.is_empty()
                || !queue.may_start(now)
                || queue.hung > 0
            {
                return;
            }
            let Some(place) = self.places.try_take() else {
                return;
            };
            let attempt = queue.add_attempt(place, None, now);
            attempt.stock = true;
            let id = attempt.id;
            self.start(queue, id);
        }
    }

    /// Runs the attempt on a helper thread.
    pub(crate) fn start(self: &Arc<Self>, queue: &mut Queue<M>, id: u64) {
        self.wake_timer(queue, later(Instant::now(), self.settings.connect_timeout));
        let inner = self.clone();
        let started = self.helpers.run(move || {
            if inner.is_wanted(id) {
                let result = inner.open(id, inner.settings.connect_timeout);
                let result = result.map(|opened| inner.prove_to_check(id, opened?));
                inner.attempt_ended(id, result);
            }
        });
        if let Err(unrun) = started {
            let failure = Failure::transient(format!(
                "no thread could be started to connect on: {}",
                unrun.error
            ));
            self.fail(queue, id, failure);
        }
    }

    /// A connect whose demand is gone is not started.
    fn is_wanted(self: &Arc<Self>, id: u64) -> bool {
        let mut queue = self.queue.lock();
        let closed = queue.closed;
        let wanted = queue.attempt(id).is_some_and(|attempt| {
            !closed
                && (attempt.owner.is_some() || attempt.stock)
                && !matches!(attempt.stage, Stage::Abandoned)
        });
        if !wanted {
            queue.end_attempt(id);
            self.open_for_waiters(&mut queue);
            self.drained.notify_all();
        }
        wanted
    }

    /// Connects, counts the connection and runs the connect hook. `None`: nobody has room for it any more.
    pub(crate) fn open(
        self: &Arc<Self>,
        id: u64,
        limit: Duration,
    ) -> Option<Result<Lease<M>, Failure>> {
        let live = match self.connect(limit) {
            Ok(live) => live,
            Err(failure) => {
                self.event(format_args!("{}", failure.error));
                return Some(Err(failure));
            }
        };
        let Some(place) = self.admit(id) else {
            log::debug!(target: &self.target, "connection {} came too late and is closed", live.info.id);
            self.close_uncounted(live);
            return None;
        };
        let mut lease = Lease::new(place, live);
        self.event(format_args!("connection {} opened", lease.live().info.id));
        if let Err(failure) = self.run_hook("connect", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.connected(connection, info)
        }) {
            self.close_lease(lease, CloseReason::HookFailed);
            return Some(Err(Failure::of_hook("connect", failure)));
        }
        match self.finish_connecting(&mut lease) {
            Ok(()) => Some(Ok(lease)),
            Err(failure) => {
                self.close_lease(lease, CloseReason::ValidationFailed);
                Some(Err(failure))
            }
        }
    }

    /// The driver's last word on a new connection.
    fn finish_connecting(&self, lease: &mut Lease<M>) -> Result<(), Failure> {
        let connection = &mut lease.live_mut().connection;
        let finish = AssertUnwindSafe(|| self.driver.connected(&self.manager, connection));
        match catch_unwind(finish) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.refused("connecting failed", error)),
            Err(panic) => Err(Failure::panicked(&*panic)),
        }
    }

    fn connect(self: &Arc<Self>, limit: Duration) -> Result<Box<Live<M>>, Failure> {
        // Stamped before the connect starts: what is found lost meanwhile makes this one suspect too.
        let generation = self.generation.load(Ordering::Acquire);
        let doubts = self.doubts.load(Ordering::Acquire);
        let connection = match catch_unwind(AssertUnwindSafe(|| {
            self.driver.connect(&self.manager, limit)
        })) {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.refused("connecting failed", error)),
            Err(panic) => return Err(Failure::panicked(&*panic)),
        };
        let id = {
            let mut queue = self.queue.lock();
            queue.next_connection += 1;
            queue.next_connection - 1
        };
        let (connection, customizer) = match self.hooks.has_customizer {
            true => self.customize(connection, limit)?,
            false => (connection, None),
        };
        let now = self.clock.now();
        let info = ConnectionInfo {
            id,
            pool: self.name.clone(),
            opened: now,
            clock: self.clock.clone(),
            checkouts: 0,
        };
        let expires = self.expiry(now);
        Ok(Live::new(
            connection, info, customizer, generation, doubts, expires,
        ))
    }

    fn refused(&self, what: &str, error: M::Error) -> Failure {
        let (class, words) = self.describe(&error);
        let transient = matches!(
            class,
            ErrorClass::Lost | ErrorClass::Owed | ErrorClass::Transient
        );
        let mut message = format!("{what}: {words}");
        if let Some(explanation) = self.explain(&error) {
            message.push_str("; ");
            message.push_str(&explanation);
        }
        let error = Error::new(ErrorKind::Connect, message).with_source(Arc::new(error));
        Failure::new(error, transient)
    }

    /// The customizer's on_acquire, as r2d2 has it: a part of connecting, and one that fails is a connect that failed.
    fn customize(
        self: &Arc<Self>,
        mut connection: M::Connection,
        limit: Duration,
    ) -> Result<(M::Connection, Option<Customizer<M>>), Failure> {
        let mut customizer = None;
        let mut refusal = None;
        let ran = self.run_hook("on_acquire", |hooks| {
            customizer.clone_from(&hooks.customizer);
            if let Some(customizer) = &customizer {
                refusal = customizer.on_acquire(&mut connection).err();
            }
            Ok(())
        });
        let failure = match (ran, refusal) {
            (Ok(()), None) => return Ok((connection, customizer)),
            (Ok(()), Some(error)) => self.refused("on_acquire failed", error),
            (Err(panic), _) => Failure::of_hook("on_acquire", panic),
        };
        // r2d2 releases none that it has not acquired. Its place is the attempt's, which ends when it is closed.
        if self.facts.is_bounded(Call::Close) || !self.facts.is_bounded(Call::Connect) {
            self.close_driver(connection);
        } else {
            // Connects run on callers' threads, and closes must not.
            let closed = Slot::new();
            let report = closed.clone();
            self.on_helper(move |inner| {
                inner.close_driver(connection);
                // Nobody may be waiting.
                let _ = report.fill(());
            });
            closed.wait(limit.min(CLOSE_LIMIT));
        }
        Err(failure)
    }

    /// Its author may have written it to panic.
    fn explain(&self, error: &M::Error) -> Option<String> {
        catch_unwind(AssertUnwindSafe(|| {
            self.driver.explain(&self.manager, error)
        }))
        .ok()
        .flatten()
    }

    /// Counts a new connection in, in the attempt's place, or, when that was taken from it, in another.
    fn admit(self: &Arc<Self>, id: u64) -> Option<Place> {
        let mut queue = self.queue.lock();
        let wanted = !queue.closed
            && (!queue.waiters.is_empty() || queue.idle.len() < self.settings.pool_size as usize);
        let attempt = queue.attempt(id)?;
        let took = attempt.started.elapsed();
        let place = match std::mem::replace(&mut attempt.stage, Stage::Admitted(Instant::now())) {
            Stage::Connecting(place) => place,
            Stage::Abandoned | Stage::Admitted(_) => {
                let place = if wanted { self.places.try_take() } else { None };
                queue.hung -= 1;
                let Some(place) = place else {
                    queue.end_attempt(id);
                    return None;
                };
                place
            }
        };
        queue.patience.note_connect(took);
        queue.counters.opened();
        self.note_fullness(&mut queue, self.clock.now());
        Some(place)
    }

    fn attempt_ended(self: &Arc<Self>, id: u64, result: Option<Result<Lease<M>, Failure>>) {
        let mut queue = self.queue.lock();
        let (leftover, report) = match result {
            None => {
                queue.end_attempt(id);
                (None, None)
            }
            Some(Ok(lease)) => {
                let report = queue.end_attempt(id).and_then(|attempt| attempt.report);
                self.connected(&mut queue);
                (self.give(&mut queue, lease), report)
            }
            Some(Err(failure)) => {
                self.fail(&mut queue, id, failure);
                (None, None)
            }
        };
        self.open_for_waiters(&mut queue);
        self.drained.notify_all();
        let closed = queue.closed;
        let notices = queue.take_notices();
        drop(queue);
        self.tell(notices);
        let leftover = match self.mode {
            // Nothing is ever idle to ask with.
            Mode::Null if !closed => leftover
                .and_then(|lease| self.ask_server_limit(lease, self.settings.health_check_timeout)),
            _ => leftover,
        };
        if let Some(report) = report {
            // A warm_up that has left does not hear.
            let _ = report.send(Ok(()));
        }
        if let Some(lease) = leftover {
            self.close_lease(lease, self.leftover_reason(closed));
        }
    }

    /// The place goes back and the error goes to the caller who started the attempt; another who relies on it may start
    /// its own.
    pub(crate) fn fail(self: &Arc<Self>, queue: &mut Queue<M>, id: u64, mut failure: Failure) {
        failure.successes = queue.successes;
        let blamed = queue.attempt(id).and_then(|attempt| attempt.blames());
        let Some(attempt) = queue.end_attempt(id) else {
            return;
        };
        if failure.error.kind() == ErrorKind::Connect && !matches!(attempt.stage, Stage::Abandoned)
        {
            queue.connect_failed(&failure.error);
        }
        if attempt.stock {
            let now = Instant::now();
            // Those that fail together count once.
            if queue.restock_after.is_none_or(|after| after <= now) {
                queue.restock_failures += 1;
            }
            let retry = &self.settings.retry;
            let delay = match failure.transient {
                true => retry.delay_after(queue.restock_failures),
                false => None,
            };
            let after = later(now, delay.unwrap_or(retry.max_delay));
            queue.restock_after = Some(after);
            self.wake_timer(queue, after);
        }
        if let Some(report) = attempt.report {
            let _ = report.send(Err((failure.error.clone(), failure.transient)));
        }
        let Some(starter) = blamed else {
            return;
        };
        if !failure.transient {
            // It has its answer, which nothing that comes later may replace.
            if let Some(waiting) = queue.leave(starter) {
                waiting.waiter.post(Signal::Failed(failure));
            }
        } else if let Some(waiting) = queue.find(starter) {
            waiting.deciding = true;
            waiting.waiter.post(Signal::Failed(failure));
        }
    }
}
