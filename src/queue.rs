//! Who waits, what is idle, what is being opened and closed: the state behind the pool's one lock.
//!
//! Under the lock nothing connects, pings, closes or runs a user's code. An idle connection and a waiter never stand
//! here together: a connection that comes in goes to the oldest waiter, and only without one becomes idle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{Attempt, Patience, Report, Stage};
use crate::base::sync::{Condvar, Instant, Mutex};
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::{Call, Manager};
use crate::counters::{Counters, Holders};
use crate::episodes::Episodes;
use crate::error::Error;
use crate::observe::history::{LastHour, Recent};
use crate::opener::Failure;
use crate::places::{Lease, Place};
use crate::readiness::Validation;
use crate::server_limit::LimitKnown;

/// At most this many connects run at once that are younger than [`YOUNG`]; older ones are slow, and do not hold up others.
const YOUNG_ATTEMPTS: usize = 16;
pub(crate) const YOUNG: Duration = Duration::from_secs(1);

pub(crate) struct Queue<M: Manager> {
    pub(crate) closed: bool,
    /// The most recently used last.
    pub(crate) idle: Vec<Lease<M>>,
    /// The oldest first, by ticket; callers asleep between attempts included.
    pub(crate) waiters: VecDeque<Waiting<M>>,
    next_ticket: u64,
    pub(crate) attempts: Vec<Attempt>,
    /// Connects that succeeded.
    pub(crate) successes: u64,
    pub(crate) patience: Patience,
    /// Where each warm_up under way hears of another's success and of the pool's end, by its ticket.
    pub(crate) warming: Vec<(u64, Report)>,
    /// The driver was told that the pool has closed.
    pub(crate) driver_is_shut: bool,
    next_attempt: u64,
    pub(crate) closings: Vec<Closing>,
    /// Driver calls past their limit that have not returned, and hold no place any more.
    pub(crate) hung: usize,
    /// When a connection was last proved alive: opened, pinged, or returned after use.
    pub(crate) proven: Option<Instant>,
    pub(crate) server_limit: LimitKnown,
    pub(crate) validation: Validation,
    pub(crate) recent: Option<Recent>,
    pub(crate) last_hour: Option<LastHour>,
    pub(crate) episodes: Episodes,
    pub(crate) counters: Counters,
    pub(crate) holders: Holders,
    pub(crate) next_connection: u64,
    /// Since when overflow is used up and more than 90 % of the capacity is out, on the movable clock.
    pub(crate) full_since: Option<Instant>,
    /// When min_pool_size may be filled up again after a failed connect.
    pub(crate) restock_after: Option<Instant>,
    /// How often in a row that has failed.
    pub(crate) restock_failures: u32,
    /// A helper goes round the idle connections for keepalive.
    pub(crate) keeping_alive: bool,
    /// The connection on which the ping of a health check was abandoned last.
    pub(crate) check_abandoned: Option<u64>,
    /// When the timer comes next.
    pub(crate) sweep_at: Option<Instant>,
}

/// A caller in the queue, as the queue sees it.
pub(crate) struct Waiting<M: Manager> {
    pub(crate) ticket: u64,
    pub(crate) waiter: Arc<Waiter<M>>,
    /// The connect it relies on: its own, or one that its starter no longer needs.
    pub(crate) attempt: Option<u64>,
    /// Since when it relies on one that was not started for it.
    pub(crate) adopted_at: Option<Instant>,
    /// Its attempt failed and its thread has not yet said what next.
    pub(crate) deciding: bool,
    /// Asleep between attempts until then.
    pub(crate) asleep_until: Option<Instant>,
}

/// A connection that is being closed.
pub(crate) struct Closing {
    pub(crate) connection_id: u64,
    /// What it waits for: its close, or a call that was abandoned.
    pub(crate) call: Call,
    /// `None` once the place is free.
    pub(crate) place: Option<Place>,
    pub(crate) reason: CloseReason,
    pub(crate) due: Instant,
    pub(crate) hung: bool,
}

/// What a waiting caller is told.
pub(crate) enum Signal<M: Manager> {
    Lease(Lease<M>),
    /// Leave to open on its own thread, as this attempt.
    Open(u64),
    Failed(Failure),
    Closed,
}

/// The caller's side of [`Waiting`]. Signals are posted under the queue's lock; a caller that is no longer in the queue
/// has its last signal here.
pub(crate) struct Waiter<M: Manager> {
    signal: Mutex<Option<Signal<M>>>,
    wake: Condvar,
}

impl<M: Manager> Waiter<M> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Waiter {
            signal: Mutex::new(None),
            wake: Condvar::new(),
        })
    }

    /// A lease posted over an unread failure wins.
    pub(crate) fn post(&self, signal: Signal<M>) {
        *self.signal.lock() = Some(signal);
        self.wake.notify_one();
    }

    /// The next signal, or `None` at the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<Signal<M>> {
        let mut signal = self.signal.lock();
        loop {
            if let Some(signal) = signal.take() {
                return Some(signal);
            }
            if self.wake.wait_until(&mut signal, deadline).timed_out() {
                return signal.take();
            }
        }
    }

    pub(crate) fn take(&self) -> Option<Signal<M>> {
        self.signal.lock().take()
    }
}

impl<M: Manager> Waiting<M> {
    /// Whether no connection is being opened for it: at capacity, or between two attempts.
    pub(crate) fn must_wait(&self) -> bool {
        self.attempt.is_none() && !self.deciding
    }

    pub(crate) fn wants_attempt(&self, now: Instant) -> bool {
        self.must_wait() && self.asleep_until.is_none_or(|until| until <= now)
    }
}

impl<M: Manager> Queue<M> {
    pub(crate) fn new() -> Self {
        Queue {
            closed: false,
            idle: Vec::new(),
            waiters: VecDeque::new(),
            next_ticket: 0,
            attempts: Vec::new(),
            successes: 0,
            patience: Patience::new(),
            warming: Vec::new(),
            driver_is_shut: false,
            next_attempt: 0,
            closings: Vec::new(),
            hung: 0,
            proven: None,
            server_limit: LimitKnown::Unasked,
            validation: Validation::Untried,
            recent: None,
            last_hour: None,
            episodes: Episodes::default(),
            counters: Counters::default(),
            holders: Holders::default(),
            next_connection: 1,
            full_since: None,
            restock_after: None,
            restock_failures: 0,
            keeping_alive: false,
            check_abandoned: None,
            sweep_at: None,
        }
    }

    pub(crate) fn take_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// The most recently used idle connection, unless somebody with an older ticket waits.
    pub(crate) fn take_idle(&mut self, ticket: u64) -> Option<Lease<M>> {
        if self
            .waiters
            .front()
            .is_some_and(|first| first.ticket < ticket)
        {
            return None;
        }
        self.idle.pop()
    }

    /// The least recently used idle connection, which the next caller misses least.
    pub(crate) fn take_coldest(&mut self) -> Option<Lease<M>> {
        (!self.idle.is_empty()).then(|| self.idle.remove(0))
    }

    /// Into the queue, at the place that the ticket gives; a caller who is in it already stays.
    pub(crate) fn join(
        &mut self,
        ticket: u64,
        waiter: &Arc<Waiter<M>>,
        asleep_until: Option<Instant>,
    ) {
        match self.position(ticket) {
            Ok(position) => {
                self.waiters[position].deciding = false;
                self.waiters[position].asleep_until = asleep_until;
            }
            Err(position) => self.waiters.insert(
                position,
                Waiting {
                    ticket,
                    waiter: waiter.clone(),
                    attempt: None,
                    adopted_at: None,
                    deciding: false,
                    asleep_until,
                },
            ),
        }
    }

    /// Called when a caller has joined and is let stay.
    pub(crate) fn note_waiting(&mut self) {
        self.counters.waiting(self.waiters.len() as u64);
    }

    pub(crate) fn wait_more_than(&self, limit: u32) -> bool {
        let mut waiting = self.waiters.iter().filter(|waiting| waiting.must_wait());
        waiting.nth(limit as usize).is_some()
    }

    fn position(&self, ticket: u64) -> Result<usize, usize> {
        self.waiters
            .binary_search_by_key(&ticket, |waiting| waiting.ticket)
    }

    pub(crate) fn find(&mut self, ticket: u64) -> Option<&mut Waiting<M>> {
        self.position(ticket)
            .ok()
            .map(|position| &mut self.waiters[position])
    }

    /// Out of the queue; its attempt is nobody's now. `None`: it is out already, and its waiter has a signal.
    pub(crate) fn leave(&mut self, ticket: u64) -> Option<Waiting<M>> {
        let position = self.position(ticket).ok()?;
        self.remove_waiter(position)
    }

    pub(crate) fn remove_waiter(&mut self, position: usize) -> Option<Waiting<M>> {
        let waiting = self.waiters.remove(position)?;
        if let Some(attempt) = waiting.attempt.and_then(|id| self.attempt(id)) {
            attempt.owner = None;
        }
        Some(waiting)
    }

    pub(crate) fn attempt(&mut self, id: u64) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.id == id)
    }

    pub(crate) fn add_attempt(
        &mut self,
        place: Place,
        owner: Option<u64>,
        started: Instant,
    ) -> &mut Attempt {
        self.next_attempt += 1;
        self.attempts.push(Attempt {
            id: self.next_attempt,
            stage: Stage::Connecting(place),
            starter: owner,
            owner,
            started,
            stock: false,
            check_until: None,
            report: None,
            doubted_by: None,
            given_up: false,
        });
        self.attempts
            .last_mut()
            .expect("bug: an attempt was just pushed")
    }

    /// Ends an attempt: its place is given back if it still has one, and its owner relies on it no more.
    pub(crate) fn end_attempt(&mut self, id: u64) -> Option<Attempt> {
        let position = self.attempts.iter().position(|attempt| attempt.id == id)?;
        let attempt = self.attempts.swap_remove(position);
        if matches!(attempt.stage, Stage::Abandoned) {
            self.hung -= 1;
        }
        if let Some(waiting) = attempt.owner.and_then(|owner| self.find(owner)) {
            waiting.attempt = None;
            waiting.adopted_at = None;
        }
        Some(attempt)
    }

    /// Lets the waiter at `position` rely on a connect that nobody else relies on.
    pub(crate) fn adopt(&mut self, position: usize, now: Instant) -> bool {
        let slow = self.patience.slow();
        let Some(attempt) = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.is_adoptable(now, slow))
        else {
            return false;
        };
        let waiting = &mut self.waiters[position];
        attempt.owner = Some(waiting.ticket);
        waiting.attempt = Some(attempt.id);
        waiting.adopted_at = Some(now);
        true
    }

    /// Callers who rely on somebody else's connect for longer than their patience may have their own.
    pub(crate) fn doubt_adopted(&mut self, now: Instant) {
        let patience = self.patience.limit();
        for position in 0..self.waiters.len() {
            if self.waiters[position]
                .adopted_at
                .is_none_or(|at| at + patience > now)
            {
                continue;
            }
            let ticket = self.waiters[position].ticket;
            self.waiters[position].adopted_at = None;
            if let Some(attempt) = self.waiters[position]
                .attempt
                .take()
                .and_then(|id| self.attempt(id))
            {
                attempt.owner = None;
                attempt.doubted_by = Some(ticket);
            }
        }
    }

    /// A caller timed out: the connects that it started, or lost [`Patience`] with, may lose their places. Not one that
    /// it relied on for less: who comes for 5 ms would end every connect that takes longer than that.
    pub(crate) fn give_up(&mut self, ticket: u64) {
        for attempt in &mut self.attempts {
            attempt.given_up |=
                attempt.starter == Some(ticket) || attempt.doubted_by == Some(ticket);
        }
    }

    /// Takes the place of a connect on which a caller timed out.
    pub(crate) fn displace(&mut self, now: Instant) -> Option<Place> {
        let slow = self.patience.slow();
        let attempt = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.is_displaceable(now, slow))?;
        let Stage::Connecting(place) = std::mem::replace(&mut attempt.stage, Stage::Abandoned)
        else {
            unreachable!("bug: an attempt that holds a place is connecting");
        };
        self.note_abandoned();
        Some(place)
    }

    /// The driver calls that are past their limit and have not returned, with the connects on which callers timed out: "2
    /// connects and 1 reset hang".
    pub(crate) fn what_hangs(&self) -> String {
        let (now, slow) = (Instant::now(), self.patience.slow());
        let given_up = |attempt: &&Attempt| attempt.is_displaceable(now, slow);
        let connects = self.hung_connects() + self.attempts.iter().filter(given_up).count();
        let mut counts = vec![(Call::Connect, connects)];
        for call in [Call::Ping, Call::Reset, Call::Close, Call::ServerLimit] {
            let hangs = |closing: &&Closing| closing.hung && closing.call == call;
            counts.push((call, self.closings.iter().filter(hangs).count()));
        }
        let words: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(call, count)| match (call, count) {
                (Call::ServerLimit, _) => call.to_string(),
                (Call::Close, 2..) => format!("{count} closes"),
                (_, 1) => format!("1 {call}"),
                (_, _) => format!("{count} {call}s"),
            })
            .collect();
        let all: usize = counts.iter().map(|(_, count)| count).sum();
        let verb = if all == 1 { "hangs" } else { "hang" };
        format!("{} {verb}", words.join(" and "))
    }

    /// Whether another connect may start now.
    pub(crate) fn may_start(&self, now: Instant) -> bool {
        let young = |attempt: &&Attempt| {
            attempt.holds_place() && now.duration_since(attempt.started) < YOUNG
        };
        self.attempts.len() < YOUNG_ATTEMPTS
            || self.attempts.iter().filter(young).count() < YOUNG_ATTEMPTS
    }

    /// When to look again, where enough connects are under way for those who wait, given how long connections are held and how
    /// long a connect takes: where 25 callers wait for connections that are held for 20 ms and opened in 250, two more clear
    /// the queue while a third is being opened. A connect that takes longer than patience allows is not counted on.
    pub(crate) fn enough_are_opening(&self, now: Instant, at: Instant) -> Option<Instant> {
        let patience = self.patience.limit();
        let counted_on = self.attempts.iter().filter(|attempt| {
            attempt.holds_place() && !attempt.given_up && attempt.started + patience > now
        });
        let oldest = counted_on.clone().map(|attempt| attempt.started).min()?;
        // Before the first success nothing is known of either, and where none is open, none can come back.
        let connect = self
            .patience
            .usual()
            .filter(|_| self.counters.total() > 0)?;
        let waiting = self.waiters.len() as f64;
        let needed = waiting * self.usual_hold(at).as_secs_f64() / connect.as_secs_f64();
        // Those that are out grow older meanwhile, and more may be needed.
        let again = (oldest + patience).min(now + connect / 4);
        (counted_on.count() as f64 >= needed).then_some(again)
    }

    /// How long a connection is held: lately on average, or, where those that are out have been out for longer than that, as
    /// long as these.
    fn usual_hold(&self, at: Instant) -> Duration {
        let ages = self
            .holders
            .iter()
            .map(|holder| at.saturating_duration_since(holder.since));
        let (count, sum) = ages.fold((0, Duration::ZERO), |(count, sum), age| {
            (count + 1, sum + age)
        });
        let by_age = sum.checked_div(count).unwrap_or_default();
        self.counters.usual_hold().unwrap_or_default().max(by_age)
    }

    pub(crate) fn connect_failed(&mut self, error: &Error) {
        self.counters.connect_failed(error);
        self.episodes.connect_failed(error);
    }

    /// The first success ends everybody's sleep.
    pub(crate) fn wake_sleepers(&mut self) {
        self.successes += 1;
        self.proven = Some(Instant::now());
        self.waiters
            .iter_mut()
            .for_each(|waiting| waiting.asleep_until = None);
        self.restock_after = None;
        self.restock_failures = 0;
        self.wake_warming();
    }

    pub(crate) fn wake_warming(&mut self) {
        for (_, report) in &self.warming {
            // It hears as long as it stands here.
            let _ = report.send(Ok(()));
        }
    }

    /// Idle connections that satisfy `unwanted`, taken out.
    pub(crate) fn take_idle_where(
        &mut self,
        unwanted: impl Fn(&Lease<M>) -> bool,
    ) -> Vec<Lease<M>> {
        self.idle.extract_if(.., |lease| unwanted(lease)).collect()
    }

    /// Connects that hold a place or whose connection is about to come in.
    pub(crate) fn opening(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.holds_place())
            .count()
    }

    /// Open connections that are not ready yet.
    pub(crate) fn in_connect_hook(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.in_hook_since().is_some())
            .count()
    }

    /// A connect gives its place away before it has returned.
    pub(crate) fn note_abandoned(&mut self) {
        self.hung += 1;
        self.counters.abandoned_connects += 1;
    }

    /// Connects that hold no place and have not returned.
    pub(crate) fn hung_connects(&self) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.is_abandoned())
            .count()
    }

    /// Nothing is open, opening or closing.
    pub(crate) fn is_drained(&self) -> bool {
        self.counters.total() == 0 && self.opening() == 0
    }

    /// Whether overflow is used up and more than 90 % of the capacity is out.
    pub(crate) fn is_full(&self, capacity: u64) -> bool {
        self.counters.total() >= capacity && self.counters.out() * 10 > capacity * 9
    }

    /// No place is left, and users hold most of them: not connects, nor pings, which an outage keeps waiting.
    pub(crate) fn is_used_up(&self, capacity: u64) -> bool {
        let taken = self.counters.total() + self.opening() as u64;
        taken >= capacity && self.counters.out() * 2 > capacity
    }
}
