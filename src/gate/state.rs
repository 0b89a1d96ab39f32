//! What the lock guards: who waits, what is idle, what is being opened and closed, and what has been counted.

use std::collections::{HashMap, VecDeque};
use std::mem;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::error::Error;
use crate::gate::attempt::{Attempt, Report};
use crate::gate::bays::Bays;
use crate::gate::closing::Closing;
use crate::gate::counters::Counters;
use crate::gate::counting::SourceLine;
use crate::gate::episodes::Episodes;
use crate::gate::lease::Lease;
use crate::gate::patience::Patience;
use crate::gate::places::Places;
use crate::gate::reach::{LimitKnown, Validation};
use crate::gate::role::Roles;
use crate::gate::rules::Rules;
use crate::gate::server_full::ServerFull;
use crate::gate::share::Sharing;
use crate::gate::trouble::Trouble;
use crate::gate::waiter::{Signal, Waiting};
use crate::gate::{Left, Notice};

pub(crate) struct State<M: Manager> {
    pub(super) rules: Rules,
    pub(super) places: Places,
    pub(super) closed: bool,
    /// The most recently used last.
    pub(super) idle: Vec<Lease<M>>,
    /// The oldest first, by ticket; callers asleep between attempts included.
    pub(super) waiters: VecDeque<Waiting<M>>,
    next_ticket: u64,
    pub(super) attempts: Vec<Attempt>,
    pub(super) next_attempt: u64,
    /// Connects that succeeded.
    pub(super) successes: u64,
    pub(super) patience: Patience,
    pub(super) trouble: Trouble,
    pub(super) server_full: Option<ServerFull>,
    pub(super) sharing: Sharing,
    /// Where each warm_up under way hears of another's success and of the pool's end, by its ticket.
    pub(super) warming: Vec<(u64, Report)>,
    /// The driver was told that the pool has closed.
    driver_is_shut: bool,
    pub(super) closings: Vec<Closing>,
    /// Driver calls that are past their limit, have not returned, and hold no place any more.
    pub(super) hung: usize,
    /// When a connection was last proved alive: opened, pinged, or returned after use.
    pub(super) proven: Option<Instant>,
    pub(super) server_limit: LimitKnown,
    pub(super) validation: Validation,
    pub(super) episodes: Episodes,
    pub(super) roles: Roles,
    pub(super) counters: Counters,
    pub(super) bays: Bays<M>,
    /// When holders of a source line were warned of last, on the movable clock; those of the last minute.
    pub(super) warned_of: HashMap<SourceLine, Instant>,
    next_connection: u64,
    /// Since when overflow is used up and more than 90 % of the capacity is out, on the movable clock.
    pub(super) full_since: Option<Instant>,
    /// Connections have been parked since it was looked at last, and may have come and gone on short ways.
    pub(super) turned_over: bool,
    /// When min_pool_size may be filled up again after a failed connect.
    pub(super) restock_after: Option<Instant>,
    /// How often in a row that has failed.
    pub(super) restock_failures: u32,
    /// A helper goes round the idle connections for keepalive.
    keeping_alive: bool,
    /// The connection on which the ping of a health check was abandoned last.
    pub(super) check_abandoned: Option<u64>,
    /// When the timer comes next.
    pub(super) sweep_at: Option<Instant>,

    /// Somebody may now be allowed a connect: a place has become free, a caller has joined, or an attempt has ended.
    pub(super) may_open: bool,
    /// The number of connections that are out or open has changed.
    pub(super) counts_changed: bool,
    /// A connection or an attempt has ended, and whoever waits for the pool to drain is to hear of it.
    pub(super) something_ended: bool,
    /// Something is to be done when the lock is let go.
    left_over: bool,
    opens: Vec<u64>,
    wake: Option<Instant>,
    notices: Vec<Notice>,
    discarded: Vec<Box<dyn Send>>,
}

impl<M: Manager> State<M> {
    pub(super) fn new(rules: Rules, places: Places) -> Self {
        State {
            bays: Bays::new(rules.bays),
            roles: Roles::new(rules.role),
            rules,
            places,
            closed: false,
            idle: Vec::new(),
            waiters: VecDeque::new(),
            next_ticket: 0,
            attempts: Vec::new(),
            next_attempt: 0,
            successes: 0,
            patience: Patience::new(),
            trouble: Trouble::default(),
            server_full: None,
            sharing: Sharing::default(),
            warming: Vec::new(),
            driver_is_shut: false,
            closings: Vec::new(),
            hung: 0,
            proven: None,
            server_limit: LimitKnown::Unasked,
            validation: Validation::Untried,
            episodes: Episodes::default(),
            counters: Counters::default(),
            warned_of: HashMap::new(),
            next_connection: 1,
            full_since: None,
            turned_over: false,
            restock_after: None,
            restock_failures: 0,
            keeping_alive: false,
            check_abandoned: None,
            sweep_at: None,
            may_open: false,
            counts_changed: false,
            something_ended: false,
            left_over: false,
            opens: Vec::new(),
            wake: None,
            notices: Vec::new(),
            discarded: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn is_changed(&self) -> bool {
        self.counts_changed || self.may_open || self.something_ended
    }

    /// Opens for those who wait and notes whether the pool is full.
    #[inline]
    pub(super) fn settle(&mut self) {
        // Whoever gets an idle connection meanwhile leaves the connect that was started for it to others.
        while mem::take(&mut self.may_open) {
            self.open_for_waiters();
        }
        if mem::take(&mut self.counts_changed) {
            self.note_fullness();
        }
    }

    #[inline]
    pub(super) fn take_left(&mut self) -> Option<Left> {
        mem::take(&mut self.left_over).then(|| Left {
            opens: mem::take(&mut self.opens),
            wake: self.wake.take(),
            notices: mem::take(&mut self.notices),
            discarded: mem::take(&mut self.discarded),
        })
    }

    /// Somebody may be allowed a connect now for a reason that no change here shows: time has passed, or a clock was moved.
    pub(crate) fn look_again(&mut self) {
        self.may_open = true;
    }

    /// To be run on a helper thread, once the lock is let go.
    pub(super) fn open_on_helper(&mut self, attempt: u64) {
        self.opens.push(attempt);
        self.left_over = true;
    }

    /// Makes sure that the timer comes at `at` or before.
    pub(super) fn wake_at(&mut self, at: Instant) {
        if self.sweep_at.is_some_and(|planned| planned <= at) {
            return;
        }
        self.sweep_at = Some(at);
        self.wake = Some(at);
        self.left_over = true;
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
        self.left_over = true;
    }

    /// To be dropped once the lock is let go: somebody else's code may run in the drop.
    pub(super) fn discard(&mut self, what: impl Send + 'static) {
        self.discarded.push(Box::new(what));
        self.left_over = true;
    }

    pub(crate) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn next_connection(&mut self) -> u64 {
        self.next_connection += 1;
        self.next_connection - 1
    }

    #[inline]
    pub(crate) fn take_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn successes(&self) -> u64 {
        self.successes
    }

    /// Whether a place is free.
    pub(crate) fn has_room(&self) -> bool {
        self.places.try_take().is_some()
    }

    /// Nothing is open, opening or closing.
    pub(crate) fn is_drained(&self) -> bool {
        self.counters.total() == 0 && self.opening() == 0
    }

    /// Whether no place is free and users hold more than half of them. In an outage it is connects and pings that take the places,
    /// and the pool does not count as used up.
    pub(crate) fn is_used_up(&self) -> bool {
        let taken = self.counters.total() + self.opening() as u64;
        taken >= self.rules.capacity && self.counters.out() * 2 > self.rules.capacity
    }

    /// Whether as many driver calls hang without a place as the pool has places: then no more are begun.
    pub(crate) fn too_many_hang(&self) -> bool {
        self.hung as u64 >= self.rules.capacity
    }

    pub(crate) fn hung(&self) -> usize {
        self.hung
    }

    /// Closes the gate: nobody waits and nothing is idle from now on. Returns what was idle and is to be closed, and whether this
    /// was the first call.
    pub(crate) fn close(&mut self) -> (Vec<Lease<M>>, bool) {
        let is_first = !mem::replace(&mut self.closed, true);
        while let Some(waiting) = self.remove_waiter(0) {
            self.post(&waiting.waiter, Signal::Closed);
        }
        self.wake_warming();
        (mem::take(&mut self.idle), is_first)
    }

    /// True for the first caller, who is to tell the driver.
    pub(crate) fn shut_driver(&mut self) -> bool {
        !mem::replace(&mut self.driver_is_shut, true)
    }

    /// True unless a helper is going round the idle connections already.
    pub(crate) fn begin_keepalive(&mut self) -> bool {
        !mem::replace(&mut self.keeping_alive, true)
    }

    pub(crate) fn end_keepalive(&mut self) {
        self.keeping_alive = false;
    }

    pub(super) fn connect_failed(&mut self, error: &Error) {
        if let Some(replaced) = self.counters.connect_failed(error) {
            self.discard(replaced);
        }
        let since = self.silent_since();
        if let Some(words) = self.episodes.connect_failed(error, since) {
            self.notice(Notice::Warning(words));
        }
    }
}
