//! The pool: get, return, and what can be asked of it.

use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::builder::Source;
use crate::clock::{Clock, later};
use crate::connection::Connection;
use crate::counters::{HolderRecord, thread_name};
use crate::driver::{Driver, Manager};
use crate::error::{Error, ErrorKind};
use crate::helpers::Helpers;
use crate::hooks::{CloseReason, HookSet};
use crate::opener::Failure;
use crate::places::{Lease, Places};
use crate::queue::{Queue, Signal, Waiter};
use crate::settings::{Mode, Settings};

/// A pool of one driver's connections, shared by cloning and usable from any thread.
///
/// The last handle's drop closes the pool without waiting; connections still out are closed when they are returned.
pub struct Pool<M: Manager> {
    inner: Arc<Inner<M>>,
}

/// What all handles, guards and helper threads of one pool share.
pub(crate) struct Inner<M: Manager> {
    pub(crate) name: Arc<str>,
    /// The log target, `queuepool::<name>`.
    pub(crate) target: String,
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// pool_size + max_overflow.
    pub(crate) capacity: u64,
    pub(crate) manager: M,
    pub(crate) driver: Box<dyn Driver<M>>,
    pub(crate) hooks: HookSet<M>,
    pub(crate) places: Places,
    pub(crate) helpers: Helpers,
    pub(crate) clock: Clock,
    /// Raised when all connections opened so far must be replaced.
    pub(crate) generation: AtomicU64,
    /// Lock order: this one, then a waiter's own. r2d2's lock is taken inside it for an instant.
    pub(crate) queue: Mutex<Queue<M>>,
    /// Notified under `queue` whenever a connection or an attempt has ended.
    pub(crate) drained: Condvar,
    pub(crate) handles: AtomicUsize,
}

/// One checkout, from its call to its end.
pub(crate) struct Turn<M: Manager> {
    started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    /// Its arrival: kept when it has to try again.
    ticket: u64,
    waiter: Option<Arc<Waiter<M>>>,
    pub(crate) validation_failures: u32,
    pub(crate) refusals: u32,
    connect_failures: u32,
    last_connect_error: Option<Error>,
    counted_exhausted: bool,
    location: &'static Location<'static>,
}

impl<M: Manager> Turn<M> {
    fn new(timeout: Duration, location: &'static Location<'static>) -> Self {
        let started = Instant::now();
        Turn {
            started,
            deadline: later(started, timeout),
            timeout,
            ticket: 0,
            waiter: None,
            validation_failures: 0,
            refusals: 0,
            connect_failures: 0,
            last_connect_error: None,
            counted_exhausted: false,
            location,
        }
    }

    /// Until the deadline.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl<M: Manager> Inner<M> {
    /// The main path: the next connection whose turn it is, made ready, or the next; one deadline for all of it.
    fn checkout(self: &Arc<Self>, mut turn: Turn<M>) -> Result<Connection<M>, Error> {
        self.may_block_here("get")?;
        if let Some(connection) = self.take_ready(&mut turn) {
            return Ok(connection);
        }
        loop {
            let lease = self.next_lease(&mut turn)?;
            if let Some(lease) = self.make_ready(lease, &mut turn)? {
                return self.hand_out(lease, &turn);
            }
        }
    }

    /// The short way: an idle connection that needs neither a test nor a hook, under one lock. `None`: the long way.
    fn take_ready(self: &Arc<Self>, turn: &mut Turn<M>) -> Option<Connection<M>> {
        if self.hooks.has_checkout {
            return None;
        }
        let mut queue = self.queue.lock();
        turn.ticket = queue.take_ticket();
        let now = Instant::now();
        let at = self.clock.at(now);
        let live = queue.idle.last()?.live();
        if !queue.waiters.is_empty()
            || self.staleness(live, at).is_some()
            || self.ping_is_due(live, at)
        {
            return None;
        }
        let mut lease = queue.idle.pop()?;
        let holder = self.count_checkout(&mut queue, &mut lease, turn, now);
        drop(queue);
        Some(Connection::new(self.clone(), lease, holder))
    }

    /// An idle connection if nobody waits; else the first of: one handed over, one opened, an error, the deadline.
    fn next_lease(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Lease<M>, Error> {
        let waiter = {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(self.closed_error());
            }
            if turn.ticket == 0 {
                turn.ticket = queue.take_ticket();
            }
            if let Some(lease) = queue.take_idle(turn.ticket) {
                return Ok(lease);
            }
            if turn.remaining().is_zero() {
                drop(queue);
                return Err(self.timed_out(turn, false));
            }
            self.wait_in(&mut queue, turn)
        };
        loop {
            match waiter.wait(turn.deadline) {
                Some(Signal::Lease(lease)) => return Ok(lease),
                Some(Signal::Open(attempt)) => match self.open_here(attempt, turn) {
                    Ok(lease) => return Ok(lease),
                    Err(failure) => self.after_failure(turn, failure)?,
                },
                Some(Signal::Failed(failure)) => self.after_failure(turn, failure)?,
                Some(Signal::Closed) => return Err(self.closed_error()),
                None => {
                    let mut queue = self.queue.lock();
                    // The signal came at the last moment: it is out of the queue already, or its attempt has failed.
                    if queue
                        .find(turn.ticket)
                        .is_none_or(|waiting| waiting.deciding)
                    {
                        continue;
                    }
                    let Some(waiting) = queue.leave(turn.ticket) else {
                        continue;
                    };
                    if let Some(attempt) = waiting.attempt.and_then(|id| queue.attempt(id)) {
                        attempt.given_up = true;
                        self.open_for_waiters(&mut queue);
                    }
                    let connecting = waiting.attempt.is_some() || waiting.asleep_until.is_some();
                    drop(queue);
                    return Err(self.timed_out(turn, connecting));
                }
            }
        }
    }

    /// Joins the queue and starts a connect if there is room for one.
    fn wait_in(self: &Arc<Self>, queue: &mut Queue<M>, turn: &mut Turn<M>) -> Arc<Waiter<M>> {
        let waiter = turn.waiter.get_or_insert_with(Waiter::new).clone();
        queue.join(turn.ticket, &waiter, None);
        self.open_for_waiters(queue);
        let must_wait = queue
            .find(turn.ticket)
            .is_some_and(|waiting| waiting.attempt.is_none() && !waiting.deciding);
        if must_wait && !turn.counted_exhausted {
            turn.counted_exhausted = true;
            queue.counters.exhausted += 1;
        }
        waiter
    }

    /// Opens on the caller's own thread, for a driver whose connect is local.
    fn open_here(self: &Arc<Self>, attempt: u64, turn: &Turn<M>) -> Result<Lease<M>, Failure> {
        let limit = self.settings.connect_timeout.min(turn.remaining());
        let result = self.open(attempt, limit);
        let mut queue = self.queue.lock();
        let result = match result {
            Some(Ok(lease)) => {
                queue.wake_sleepers();
                Ok(lease)
            }
            Some(Err(failure)) => {
                // An abandoned one was counted when it was.
                let abandoned = queue
                    .attempt(attempt)
                    .is_none_or(|attempt| attempt.is_abandoned());
                if failure.error.kind() == ErrorKind::Connect && !abandoned {
                    queue.counters.connect_failed(&failure.error);
                }
                Err(failure)
            }
            None => Err(Failure {
                transient: true,
                ..Failure::permanent(
                    ErrorKind::Connect,
                    "connecting ended after connect_timeout, and its place was taken by then",
                )
            }),
        };
        queue.end_attempt(attempt);
        self.open_for_waiters(&mut queue);
        self.drained.notify_all();
        result
    }

    /// The caller's own attempt failed: asleep until the next, or out with the driver's error.
    fn after_failure(self: &Arc<Self>, turn: &mut Turn<M>, failure: Failure) -> Result<(), Error> {
        turn.connect_failures += 1;
        let retry = if failure.transient {
            self.settings.retry.delay_after(turn.connect_failures)
        } else {
            None
        };
        turn.last_connect_error = Some(failure.error.clone());
        let waiter = turn.waiter.get_or_insert_with(Waiter::new).clone();
        let mut queue = self.queue.lock();
        let late = waiter.take();
        if let (Some(delay), None, false) = (retry, &late, queue.closed) {
            // It was not in the queue while it opened on its own thread.
            if let Some(lease) = queue.take_idle(turn.ticket) {
                waiter.post(Signal::Lease(lease));
                return Ok(());
            }
            let until = later(Instant::now(), delay);
            queue.join(turn.ticket, &waiter, Some(until));
            self.wake_timer(&mut queue, until);
            return Ok(());
        }
        if late.is_some() && retry.is_some() {
            // Something came since the failure: it is looked at instead.
            late.into_iter().for_each(|signal| waiter.post(signal));
            return Ok(());
        }
        queue.leave(turn.ticket);
        let closed = queue.closed;
        self.open_for_waiters(&mut queue);
        drop(queue);
        if let Some(Signal::Lease(lease)) = late {
            self.put_back(lease);
        }
        if closed {
            return Err(self.closed_error());
        }
        match failure.panic {
            Some(panic) => resume_unwind(panic),
            None => Err(failure.error),
        }
    }

    /// Counts the checkout, notes the holder, and hands the guard out.
    fn hand_out(
        self: &Arc<Self>,
        mut lease: Lease<M>,
        turn: &Turn<M>,
    ) -> Result<Connection<M>, Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            self.close_lease(lease, CloseReason::PoolClosed);
            return Err(self.closed_error());
        }
        let holder = self.count_checkout(&mut queue, &mut lease, turn, Instant::now());
        drop(queue);
        Ok(Connection::new(self.clone(), lease, holder))
    }

    fn count_checkout(
        &self,
        queue: &mut Queue<M>,
        lease: &mut Lease<M>,
        turn: &Turn<M>,
        now: Instant,
    ) -> usize {
        let at = self.clock.at(now);
        let live = lease.live_mut();
        live.unused = false;
        live.info.checkouts += 1;
        queue.counters.checked_out(now - turn.started);
        queue.note_fullness(self.capacity, at);
        queue.holders.add(HolderRecord {
            thread: thread_name(),
            location: turn.location,
            since: at,
            connection_id: live.info.id,
            warned: false,
        })
    }

    /// To the oldest waiter, else idle, else back to the caller to be closed.
    pub(crate) fn give(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        mut lease: Lease<M>,
    ) -> Option<Lease<M>> {
        if queue.closed {
            return Some(lease);
        }
        if let Some(waiting) = queue.remove_waiter(0) {
            waiting.waiter.post(Signal::Lease(lease));
            if waiting.attempt.is_some() {
                self.open_for_waiters(queue);
            }
            return None;
        }
        if self.mode == Mode::Null || queue.idle.len() >= self.settings.pool_size as usize {
            return Some(lease);
        }
        lease.live_mut().unused = false;
        queue.idle.push(lease);
        None
    }

    /// Gives a connection that nobody used back to the queue.
    pub(crate) fn put_back(self: &Arc<Self>, lease: Lease<M>) {
        let mut queue = self.queue.lock();
        let leftover = self.give(&mut queue, lease);
        let reason = self.leftover_reason(queue.closed);
        drop(queue);
        if let Some(lease) = leftover {
            self.close_lease(lease, reason);
        }
    }

    /// The error of a checkout whose deadline has passed, counted and told to the hook. While the caller's own connect
    /// ran or between attempts it is a Connect error, else Timeout.
    pub(crate) fn timed_out(self: &Arc<Self>, turn: &Turn<M>, connecting: bool) -> Error {
        let evidence = self.evidence(&self.queue.lock());
        let seconds = turn.timeout.as_secs_f64();
        let error = match connecting {
            true => {
                let message = match &turn.last_connect_error {
                    Some(last) => format!(
                        "{last}; timeout {seconds:.2} passed before another attempt succeeded"
                    ),
                    None => format!(
                        "connecting did not finish, connection timed out, timeout {seconds:.2}"
                    ),
                };
                let error = Error::new(ErrorKind::Connect, message);
                match turn
                    .last_connect_error
                    .as_ref()
                    .and_then(Error::shared_source)
                {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            }
            false => Error::new(
                ErrorKind::Timeout,
                format!(
                    "QueuePool limit of size {} overflow {} reached, connection timed out, timeout {seconds:.2}{evidence}",
                    self.settings.pool_size, self.settings.max_overflow,
                ),
            ),
        };
        self.count_timeout(turn);
        error
    }

    /// A checkout has ended at its deadline: counted and told to the hook.
    pub(crate) fn count_timeout(&self, turn: &Turn<M>) {
        self.queue.lock().counters.connection_timeouts += 1;
        if self
            .hooks
            .run(|hooks| hooks.timed_out(turn.started.elapsed()))
            .is_err()
        {
            self.count_hook_failure("timeout");
        }
    }

    /// Who waits, who holds what longest and where, and the last connect error: the tail of a timeout's text.
    pub(crate) fn evidence(&self, queue: &Queue<M>) -> String {
        let mut text = String::new();
        if !queue.waiters.is_empty() {
            text += &format!("; {} others wait", queue.waiters.len());
        }
        let now = self.clock.now();
        let mut holders: Vec<_> = queue.holders.iter().collect();
        holders.sort_by_key(|holder| holder.since);
        for holder in holders.iter().take(3) {
            text += &format!(
                "; connection {} is held by {} at {}:{} for {:.1} s",
                holder.connection_id,
                holder.thread,
                holder.location.file(),
                holder.location.line(),
                now.saturating_duration_since(holder.since).as_secs_f64(),
            );
        }
        if let Some(last) = &queue.counters.last_error {
            let ago = last.at.elapsed().unwrap_or_default().as_secs_f64();
            text += &format!("; last connect error {ago:.1} s ago: {}", last.error);
        }
        text
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(
            ErrorKind::Closed,
            format!("the pool {} is closed", self.name),
        )
    }

    /// Calls that may wait are refused inside this pool's hooks and on an async runtime's own thread.
    pub(crate) fn may_block_here(&self, call: &str) -> Result<(), Error> {
        if self.hooks.inside() {
            return Err(Error::unsupported(format!(
                "{call} inside a hook of the same pool would wait for itself"
            )));
        }
        if on_async_runtime_thread() {
            return Err(Error::unsupported(format!(
                "{call} blocks, and this is a thread of an async runtime: call it in spawn_blocking or block_in_place"
            )));
        }
        Ok(())
    }

    /// A lifecycle event: debug, or info with echo_pool.
    pub(crate) fn event(&self, words: std::fmt::Arguments<'_>) {
        let level = if self.settings.echo_pool {
            log::Level::Info
        } else {
            log::Level::Debug
        };
        log::log!(target: &self.target, level, "{words}");
    }

    pub(crate) fn count_hook_failure(&self, hook: &str) {
        self.queue.lock().counters.hook_failures += 1;
        log::warn!(target: &self.target, "the {hook} hook failed");
    }
}

/// Whether blocking here would block an async runtime; `spawn_blocking` and `block_in_place` are fine. The postgres
/// driver aborts the process there.
pub(crate) fn on_async_runtime_thread() -> bool {
    let Ok(handle) = tokio::runtime::Handle::try_current() else {
        return false;
    };
    std::panic::catch_unwind(|| handle.block_on(std::future::ready(()))).is_err()
}

impl<M: Manager> Pool<M> {
    /// Starts to describe a pool: `Pool::builder(manager)` for any r2d2 manager; for a bundled driver also
    /// `PostgresPool::builder(url)?` and its like, which set the driver too.
    pub fn builder<S: Source<M>>(source: S) -> S::Output {
        source.into_builder()
    }

    pub(crate) fn from_inner(inner: Arc<Inner<M>>) -> Self {
        inner.handles.fetch_add(1, Ordering::Relaxed);
        Pool { inner }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner<M>> {
        &self.inner
    }

    /// A connection, within the setting `timeout`.
    ///
    /// # Errors
    /// Timeout at capacity; Connect with the driver's own error beneath; Validation; Closed; Hook; and Unsupported inside
    /// a hook of the same pool or on an async runtime's own thread.
    ///
    /// # Panics
    /// With a connect or checkout hook's own panic.
    #[track_caller]
    pub fn get(&self) -> Result<Connection<M>, Error> {
        self.get_timeout(self.inner.settings.timeout)
    }

    /// A connection, within `timeout`, everything included: waiting, connecting, pinging, retrying. With zero: an idle
    /// connection if no ping is due, else an error at once.
    ///
    /// # Errors
    /// As [`get`](Pool::get).
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn get_timeout(&self, timeout: Duration) -> Result<Connection<M>, Error> {
        self.inner.checkout(Turn::new(timeout, Location::caller()))
    }

    /// An idle connection, or `None`. Never waits for a connection and passes no waiter; a ping that is due is made,
    /// within `health_check_timeout`. In null mode a connection is opened if there is room and the driver's connect is local.
    ///
    /// # Errors
    /// As [`get`](Pool::get), without Timeout.
    ///
    /// # Panics
    /// As [`get`](Pool::get).
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<Connection<M>>, Error> {
        self.inner.try_checkout(Turn::new(
            self.inner.settings.health_check_timeout,
            Location::caller(),
        ))
    }

    /// Whether the database answers: takes a connection as a checkout would, pings it whatever `pre_ping` says, and puts
    /// it back, all within `health_check_timeout`. Counts no checkout, and runs no checkout hook. Where all connections are
    /// out it waits for one as a checkout does: Timeout then means that the pool is used up, not that the database is down.
    ///
    /// # Errors
    /// As [`get`](Pool::get); Validation when pings fail or do not end in time, `max_validation_failures` in a row.
    ///
    /// # Panics
    /// With a connect hook's own panic.
    #[track_caller]
    pub fn ping(&self) -> Result<(), Error> {
        self.inner.probe(Turn::new(
            self.inner.settings.health_check_timeout,
            Location::caller(),
        ))
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The pool's name; `db_pool` unless the builder gave another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Replaces every connection opened so far: the idle ones now, those checked out after their return.
    pub fn invalidate_all(&self) {
        self.inner.generation.fetch_add(1, Ordering::AcqRel);
        self.inner.close_idle_of_older_generations();
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool::from_inner(self.inner.clone())
    }
}

impl<M: Manager> Drop for Pool<M> {
    fn drop(&mut self) {
        if self.inner.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.shut();
        }
    }
}

impl<M: Manager> std::fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queue = self.inner.queue.lock();
        f.debug_struct("Pool")
            .field("name", &self.inner.name)
            .field("mode", &self.inner.mode)
            .field("total", &queue.counters.total())
            .field("checked_out", &queue.counters.out())
            .field("waiting", &queue.waiters.len())
            .finish_non_exhaustive()
    }
}

impl<M: Manager> Inner<M> {
    fn probe(self: &Arc<Self>, mut turn: Turn<M>) -> Result<(), Error> {
        self.may_block_here("ping")?;
        loop {
            let lease = self.next_lease(&mut turn)?;
            if let Some(reason) = self.staleness(lease.live(), self.clock.now()) {
                self.close_lease(lease, reason);
                continue;
            }
            if let Some(lease) = self.test(lease, &mut turn)? {
                if self.mode == Mode::Null {
                    self.close_lease_and_settle(lease, CloseReason::NullPool);
                } else {
                    self.put_back(lease);
                }
                return Ok(());
            }
        }
    }

    fn try_checkout(self: &Arc<Self>, mut turn: Turn<M>) -> Result<Option<Connection<M>>, Error> {
        self.may_block_here("try_get")?;
        loop {
            let Some(lease) = self.lease_at_once(&mut turn)? else {
                return Ok(None);
            };
            match self.make_ready(lease, &mut turn) {
                Ok(Some(lease)) => return self.hand_out(lease, &turn).map(Some),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn lease_at_once(self: &Arc<Self>, turn: &mut Turn<M>) -> Result<Option<Lease<M>>, Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(self.closed_error());
        }
        if turn.ticket == 0 {
            turn.ticket = queue.take_ticket();
        }
        if let Some(lease) = queue.take_idle(turn.ticket) {
            return Ok(Some(lease));
        }
        let may_open =
            self.mode == Mode::Null && self.driver.is_bounded(crate::driver::Call::Connect);
        if !may_open || !queue.waiters.is_empty() {
            return Ok(None);
        }
        let Some(place) = self.places.try_take() else {
            return Ok(None);
        };
        let attempt = queue
            .add_attempt(place, Some(turn.ticket), Instant::now())
            .id;
        drop(queue);
        self.open_here(attempt, turn)
            .map(Some)
            .map_err(|failure| match failure.panic {
                Some(panic) => resume_unwind(panic),
                None => failure.error,
            })
    }
}
