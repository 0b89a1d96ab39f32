//! Closing connections: the close hook, the driver's close off the caller's thread, and the place given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::runtime::on_a_runtime;
use crate::base::slot::Slot;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::{Lease, Live};
use crate::lifecycle::shared::Shared;

/// How long a caller who returns a connection waits for its close. Most closes end within that time, and the counts are then up to
/// date when the caller goes on.
const SETTLE: Duration = Duration::from_millis(100);

impl<M: Manager> Shared<M> {
    /// Closes a connection without waiting for the close to end.
    pub(crate) fn close_lease(self: &Arc<Self>, lease: Lease<M>, reason: CloseReason) {
        self.close_and_report(lease, reason);
    }

    /// Closes a connection and waits for the close, but only briefly, so that a server that does not answer delays nobody.
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
        self.gate.lock().begin_closing(id, Some(place), reason);
        if self.facts.is_bounded(Call::Close) && !live.runs_others_code() {
            self.drop_connection(*live);
            self.gate.lock().close_returned(id);
            return None;
        }
        let closed = Slot::new();
        let (shared, report) = (self.clone(), closed.clone());
        let started = self.helpers.run(move || {
            shared.drop_connection(*live);
            shared.gate.lock().close_returned(id);
            // Nobody may be waiting.
            let _ = report.fill(());
        });
        if let Err(unrun) = started {
            (unrun.job)();
        }
        Some(closed)
    }

    /// Closes a connection that was never counted as open: on this thread if the close is local, else on a helper thread. The close
    /// counts as hung after [`CLOSE_LIMIT`](crate::gate::closing::CLOSE_LIMIT).
    pub(crate) fn close_uncounted(self: &Arc<Self>, live: Box<Live<M>>) {
        if self.facts.is_bounded(Call::Close) && !live.runs_others_code() {
            return self.drop_connection(*live);
        }
        let connection_id = live.info.id;
        let mut gate = self.gate.lock();
        gate.begin_closing(connection_id, None, CloseReason::Overflow);
        drop(gate);
        self.on_helper(move |shared| {
            shared.drop_connection(*live);
            shared.gate.lock().close_returned(connection_id);
        });
    }

    pub(crate) fn tell_closing(&self, lease: &Lease<M>, reason: CloseReason) {
        let info = &lease.live().info;
        self.event(format_args!("connection {} is closed: {reason}", info.id));
        // Its failure is counted and logged; the connection is closed in any case.
        let _ = self.run_hook("close", |hooks| hooks.closing(info, reason));
    }

    /// Drops what is kept with the connection, and gives it to the customizer that acquired it; without one, closes it.
    pub(crate) fn drop_connection(&self, mut live: Live<M>) {
        drop(live.extensions.take());
        self.prepare_to_close(&mut live.connection);
        let Some(customizer) = live.customizer else {
            return self.close_driver(live.connection);
        };
        let connection = live.connection;
        // The customizer is moved in too, because its drop is users' code as well.
        let released = self.hooks.run_apart(move || {
            customizer.on_release(connection);
            Ok(())
        });
        self.note_failure("on_release", &released);
    }

    /// Tells the driver that the connection is about to be dropped. If the driver panics, the connection is dropped all the same.
    pub(crate) fn prepare_to_close(&self, connection: &mut M::Connection) {
        let told = catch(|| self.driver.closing(&self.manager, connection));
        if told.is_err() {
            say!(
                Warn,
                self.target(),
                "the driver panicked in Driver::closing"
            );
        }
    }

    /// Drops the driver's connection, which may panic.
    pub(crate) fn close_driver(&self, mut connection: M::Connection) {
        self.prepare_to_close(&mut connection);
        if catch(|| drop(connection)).is_err() {
            say!(
                Warn,
                self.target(),
                "the driver panicked while closing a connection"
            );
        }
    }

    /// Gives a connection that nobody used back to the gate.
    pub(crate) fn put_back(self: &Arc<Self>, lease: Lease<M>) {
        let leftover = self.gate.lock().give(lease);
        if let Some((lease, reason)) = leftover {
            self.close_lease(lease, reason);
        }
    }

    /// Back where it was among the idle: nobody has used it.
    pub(crate) fn put_back_idle(self: &Arc<Self>, lease: Lease<M>) {
        self.put_back(lease);
        self.gate.lock().sort_idle();
    }

    pub(crate) fn close_idle_of_older_generations(self: &Arc<Self>) {
        let current = self.generation.load(Ordering::Acquire);
        let older = self
            .gate
            .lock()
            .take_idle_where(|live| live.generation != current);
        older
            .into_iter()
            .for_each(|lease| self.close_lease(lease, CloseReason::Invalidated));
    }
}
