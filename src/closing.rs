//! Closing connections: the close hook, the driver's close off the caller's thread, and the place given back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::base::slot::Slot;
use crate::base::sync::Instant;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::{Call, Manager};
use crate::places::{Lease, Live, Place};
use crate::pool::{Inner, on_a_runtime};
use crate::queue::{Closing, Queue};

/// A place is free after this long, whether its connection's close has returned or not.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long a caller who returns a connection stays for its close, so that the counts are settled when it goes on.
const SETTLE: Duration = Duration::from_millis(100);

impl<M: Manager> Inner<M> {
    /// Closes without waiting for it.
    pub(crate) fn close_lease(self: &Arc<Self>, lease: Lease<M>, reason: CloseReason) {
        self.close_and_report(lease, reason);
    }

    /// Closes and stays for the close, briefly: a mute server holds nobody up.
    pub(crate) fn close_lease_and_settle(self: &Arc<Self>, lease: Lease<M>, reason: CloseReason) {
        let closed = self.close_and_report(lease, reason);
        if let Some(closed) = closed.filter(|_| !on_a_runtime()) {
            closed.wait(SETTLE);
        }
    }

    fn close_and_report(
        self: &Arc<Self>,
        lease: Lease<M>,
        reason: CloseReason,
    ) -> Option<Arc<Slot<()>>> {
        self.tell_closing(&lease, reason);
        let (place, live) = lease.empty();
        let id = live.info.id;
        {
            let mut queue = self.queue.lock();
            let due = Instant::now() + CLOSE_LIMIT;
            queue.closings.push(Closing {
                connection_id: id,
                call: Call::Close,
                place: Some(place),
                reason,
                due,
                hung: false,
            });
            if reason == CloseReason::Lost {
                // No server counts it any more: its place is free at once.
                let position = queue.closings.len() - 1;
                self.free_place(&mut queue, position);
            }
            self.wake_timer(&mut queue, due);
        }
        // A customizer's on_release is a user's, and may take any time.
        if self.facts.is_bounded(Call::Close) && live.customizer.is_none() {
            self.drop_connection(*live);
            self.settle(id);
            return None;
        }
        let closed = Slot::new();
        let (inner, report) = (self.clone(), closed.clone());
        let started = self.helpers.run(move || {
            inner.drop_connection(*live);
            inner.settle(id);
            // Nobody may be waiting.
            let _ = report.fill(());
        });
        if let Err(unrun) = started {
            (unrun.job)();
        }
        Some(closed)
    }

    /// Closes a connection that was never counted as open: at once where that is local, else on a helper thread, and counted as
    /// hung after [`CLOSE_LIMIT`].
    pub(crate) fn close_uncounted(self: &Arc<Self>, live: Box<Live<M>>) {
        if self.facts.is_bounded(Call::Close) && live.customizer.is_none() {
            return self.drop_connection(*live);
        }
        let connection_id = live.info.id;
        let due = Instant::now() + CLOSE_LIMIT;
        {
            let mut queue = self.queue.lock();
            queue.closings.push(Closing {
                connection_id,
                call: Call::Close,
                place: None,
                reason: CloseReason::Overflow,
                due,
                hung: false,
            });
            self.wake_timer(&mut queue, due);
        }
        self.on_helper(move |inner| {
            inner.drop_connection(*live);
            inner.settle(connection_id);
        });
    }

    pub(crate) fn tell_closing(&self, lease: &Lease<M>, reason: CloseReason) {
        let info = &lease.live().info;
        self.event(format_args!("connection {} is closed: {reason}", info.id));
        // Its failure is counted and logged; the connection is closed in any case.
        let _ = self.run_hook("close", |hooks| hooks.closing(info, reason));
    }

    /// A driver call on this connection is past its limit: its place is freed if fewer than `capacity` calls hang.
    pub(crate) fn abandon_in(
        self: &Arc<Self>,
        queue: &mut Queue<M>,
        connection_id: u64,
        call: Call,
        place: Place,
        reason: CloseReason,
    ) {
        let due = Instant::now();
        queue.closings.push(Closing {
            connection_id,
            call,
            place: Some(place),
            reason,
            due,
            hung: false,
        });
        self.free_overdue(queue, due);
        // Where too many hang, it is looked at again until one ends.
        self.wake_timer(queue, due);
    }

    /// The close has returned.
    pub(crate) fn settle(self: &Arc<Self>, connection_id: u64) {
        let mut queue = self.queue.lock();
        let Some(position) = queue
            .closings
            .iter()
            .position(|closing| closing.connection_id == connection_id)
        else {
            return;
        };
        self.free_place(&mut queue, position);
        if queue.closings.swap_remove(position).hung {
            queue.hung -= 1;
            self.open_for_waiters(&mut queue);
        }
    }

    /// Closes that are past their limit give their places back and count as hung. At most `capacity` calls may hang
    /// without a place; beyond that a place stays taken.
    pub(crate) fn free_overdue(self: &Arc<Self>, queue: &mut Queue<M>, now: Instant) {
        for position in 0..queue.closings.len() {
            let closing = &queue.closings[position];
            if closing.due <= now && !closing.hung && !self.too_many_hang(queue) {
                queue.closings[position].hung = true;
                queue.hung += 1;
                self.free_place(queue, position);
            }
        }
    }

    /// Counts the connection as closed and gives its place back, once.
    fn free_place(self: &Arc<Self>, queue: &mut Queue<M>, position: usize) {
        let Some(place) = queue.closings[position].place.take() else {
            return;
        };
        queue.counters.closed(queue.closings[position].reason);
        drop(place);
        self.note_fullness(queue, self.clock.now());
        self.open_for_waiters(queue);
        self.drained.notify_all();
    }

    /// Gives the connection to the customizer that acquired it, else closes it.
    pub(crate) fn drop_connection(&self, mut live: Live<M>) {
        self.prepare_to_close(&mut live.connection);
        let Some(customizer) = live.customizer else {
            return self.close_driver(live.connection);
        };
        let connection = live.connection;
        // The customizer too, whose own drop is a user's.
        let released = self.hooks.run_apart(move || {
            customizer.on_release(connection);
            Ok(())
        });
        self.note_failure("on_release", &released);
    }

    /// A driver that panics when told is no reason to keep the connection.
    pub(crate) fn prepare_to_close(&self, connection: &mut M::Connection) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.driver.closing(&self.manager, connection)
        }));
        if told.is_err() {
            log::warn!(target: &self.target, "the driver panicked in Driver::closing");
        }
    }

    /// A driver's close may panic.
    pub(crate) fn close_driver(&self, mut connection: M::Connection) {
        self.prepare_to_close(&mut connection);
        if catch_unwind(AssertUnwindSafe(|| drop(connection))).is_err() {
            log::warn!(target: &self.target, "the driver panicked while closing a connection");
        }
    }
}
