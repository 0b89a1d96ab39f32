//! A driver call on a connection, within its limit: on this thread where that is sure to end, else on a helper thread.

use std::sync::Arc;
use std::time::Duration;

use crate::base::abort::Watch;
use crate::base::log::say;
use crate::base::panics::{Foreign, Panic, catch, keep_panic};
use crate::base::slot::Slot;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::gate::lease::{Lease, Live};
use crate::lifecycle::shared::Shared;

const SECOND: Duration = Duration::from_secs(1);

/// A connection on its way to a helper thread. If the job is dropped without having run, the connection is closed.
struct Carried<M: Manager>(Arc<Shared<M>>, Option<Box<Live<M>>>);

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

type Cancel = Box<dyn FnOnce() + Send>;

/// What became of a driver call on a connection.
pub(crate) type Called<T> = Result<T, Panic>;

impl<M: Manager> Shared<M> {
    /// Begins to watch a call on this connection, if the driver can abort it. A driver that panics when asked counts as one that
    /// cannot.
    fn watch(&self, lease: &mut Lease<M>, limit: Duration) -> Option<Watch> {
        let connection = &mut lease.live_mut().connection;
        let abort = catch(|| self.driver.abort_handle_mut(&self.manager, connection));
        Watch::begin(limit, abort.ok()??)
    }

    /// What cancels, on the server, the statement that this connection waits for.
    fn cancel_handle(&self, lease: &Lease<M>) -> Option<Cancel> {
        let connection = &lease.live().connection;
        catch(|| self.driver.cancel_handle(&self.manager, connection))
            .ok()
            .flatten()
    }

    /// Nothing ends a call that its driver wrongly calls bounded.
    pub(crate) fn warn_of_overrun(&self, which: Call, took: Duration, limit: Duration) {
        // A caller with little time left sets a limit that a sound call may pass.
        if took > limit.saturating_mul(2).saturating_add(SECOND) && self.overrun_warnings.is_due() {
            say!(
                Warn,
                self.target(),
                "A {which:?} took {took:.1?} with a limit of {limit:.1?}, although Driver::is_bounded says that it ends by itself"
            );
        }
    }

    /// Runs a driver call on a connection. It runs on this thread if it is sure to end by itself or can be aborted; otherwise on a
    /// helper thread, and this one waits for it for at most `limit`. `None` means that it did not end in time, or that no thread
    /// could be started; the connection is then being closed for `reason`.
    pub(crate) fn call<T: Send + 'static>(
        self: &Arc<Self>,
        which: Call,
        mut lease: Lease<M>,
        limit: Duration,
        reason: CloseReason,
        work: impl FnOnce(&Shared<M>, &mut Live<M>) -> T + Send + 'static,
    ) -> Option<(Lease<M>, Called<T>)> {
        if self.facts.is_bounded(which) {
            let started = Instant::now();
            let result = keep_panic(|| work(self, lease.live_mut()));
            self.warn_of_overrun(which, started.elapsed(), limit);
            return Some((lease, result));
        }
        let cancel = match which {
            Call::Reset => self.cancel_handle(&lease).map(Foreign::new),
            _ => None,
        };
        if let Some(watch) = self.watch(&mut lease, limit) {
            let result = keep_panic(|| work(self, lease.live_mut()));
            if !watch.end() {
                return Some((lease, result));
            }
            self.overran(lease.live().info.id, which, limit);
            match which {
                Call::Reset => self.close_lease_and_settle(lease, reason),
                _ => self.close_lease(lease, reason),
            }
            self.cancel(cancel);
            return None;
        }
        let info = lease.live().info.clone();
        let (place, live) = lease.empty();
        let slot = Slot::new();
        let (shared, outcome) = (self.clone(), slot.clone());
        let carried = Carried(self.clone(), Some(live));
        let started = self.helpers.run(move || {
            let mut live = carried.take();
            let result = keep_panic(|| work(&shared, &mut live));
            if let Err((live, _)) = outcome.fill((live, result)) {
                let id = live.info.id;
                shared.drop_connection(*live);
                shared.gate.lock().close_returned(id);
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
        // Abandoned under the gate's lock, so that a helper whose call returns too late finds the entry among the closings.
        let mut gate = self.gate.lock();
        if let Some((live, result)) = slot.abandon() {
            drop(gate);
            return Some((Lease::new(place, live), result));
        }
        gate.abandon(info.id, which, place, reason);
        drop(gate);
        if !ran {
            self.gate.lock().close_returned(info.id);
        } else {
            self.cancel(cancel);
        }
        // Its failure is counted and logged.
        let _ = self.run_hook("close", |hooks| hooks.closing(&info, reason));
        None
    }

    /// Cancels on a helper thread, where that may block.
    fn cancel(self: &Arc<Self>, cancel: Option<Foreign<Cancel>>) {
        if let Some(cancel) = cancel {
            self.on_helper(|_| {
                // If it panics, the call goes on as it would have without it.
                let _cancelled = catch(cancel.into_inner());
            });
        }
    }

    /// A driver call on a connection did not end in time.
    fn overran(&self, connection_id: u64, which: Call, limit: Duration) {
        let words = format!("connection {connection_id}: {which} did not end within {limit:?}");
        say!(Info, self.target(), "{words}");
        self.gate.lock().note_overrun(&words);
    }
}
