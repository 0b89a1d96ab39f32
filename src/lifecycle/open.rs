//! Opening a connection: connect, customizer, connect hook, and the driver's last word.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::descriptors;
use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::slot::Slot;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::contract::hooks::{Customizer, HookFailure};
use crate::error::{Error, ErrorKind};
use crate::gate::closing::CLOSE_LIMIT;
use crate::gate::failure::Failure;
use crate::gate::lease::{Lease, Live};
use crate::gate::opening::{Ended, Opened};
use crate::lifecycle::shared::Shared;
use crate::settings::Mode;

impl<M: Manager> Shared<M> {
    /// One attempt to connect, from beginning to end. Runs on a helper thread.
    pub(crate) fn attempt(self: &Arc<Self>, id: u64) {
        if !self.gate.lock().is_wanted(id) {
            return;
        }
        let opened = match self.open(id, self.time_to_connect(id)) {
            Opened::Ready(lease) if self.gate.lock().is_look(id) => match self.look(id, lease) {
                Some(lease) => Opened::Ready(lease),
                None => return,
            },
            Opened::Ready(lease) => match self.prove_to_check(id, lease) {
                Ok(lease) => Opened::Ready(lease),
                Err(failure) => Opened::Failed(failure),
            },
            not_ready => not_ready,
        };
        let Ended { leftover, report } = self.gate.lock().attempt_ended(id, opened);
        let leftover = match leftover {
            // In null mode nothing is ever idle, so this is the only connection to ask with.
            Some((lease, CloseReason::NullPool)) => self
                .ask_server_limit(lease, self.settings.health_check_timeout)
                .map(|lease| (lease, CloseReason::NullPool)),
            leftover => leftover,
        };
        if let Some(report) = report {
            // A warm_up that has given up meanwhile does not hear it.
            let _ = report.send(Ok(()));
        }
        if let Some((lease, reason)) = leftover {
            self.close_lease(lease, reason);
        }
    }

    /// A driver that walks along several hosts shares what is left of the caller's time among them. Any other has connect_timeout,
    /// since a connection that comes too late for its caller still serves the next one.
    fn time_to_connect(&self, id: u64) -> Duration {
        let most = self
            .facts
            .most_for_connecting(self.settings.connect_timeout);
        if !self.facts.walks() {
            return most;
        }
        let deadline = self.gate.lock().deadline_of(id);
        deadline.map_or(most, |deadline| {
            most.min(deadline.saturating_duration_since(Instant::now()))
        })
    }

    /// Connects, counts the connection and runs the connect hook.
    pub(crate) fn open(self: &Arc<Self>, id: u64, limit: Duration) -> Opened<M> {
        let live = match self.connect(limit) {
            Ok(live) => live,
            Err(failure) => {
                self.event(format_args!("{}", failure.error));
                return Opened::Failed(failure);
            }
        };
        let Some(place) = self.gate.lock().admit(id) else {
            say!(
                Debug,
                self.target(),
                "connection {} came too late and is closed",
                live.info.id
            );
            self.close_uncounted(live);
            return Opened::TooLate;
        };
        let mut lease = Lease::new(place, live);
        self.event(format_args!("connection {} opened", lease.live().info.id));
        if let Err(failure) = self.run_hook("connect", |hooks| {
            let (connection, info) = lease.live_mut().as_hooks_see_it();
            hooks.connected(connection, info)
        }) {
            self.close_lease(lease, CloseReason::HookFailed);
            return Opened::Failed(self.failed_hook("connect", failure));
        }
        let finished = self.finish_connecting(&mut lease);
        match finished.and_then(|()| self.note_role(&mut lease)) {
            Ok(()) => self.learn_limit_to_share(lease),
            Err(failure) => {
                self.close_lease(lease, CloseReason::ValidationFailed);
                Opened::Failed(failure)
            }
        }
    }

    /// Of several instances each must know its share from the beginning, and a busy one has nothing idle to ask on.
    fn learn_limit_to_share(self: &Arc<Self>, lease: Lease<M>) -> Opened<M> {
        if self.settings.instances == 1 || self.mode == Mode::Null {
            return Opened::Ready(lease);
        }
        match self.ask_server_limit(lease, self.settings.health_check_timeout) {
            Some(lease) => Opened::Ready(lease),
            None => Opened::Failed(Failure::transient(
                ErrorKind::Connect,
                "the new connection was lost when the server was asked how many it takes"
                    .to_owned(),
            )),
        }
    }

    /// The driver's last word on a new connection.
    fn finish_connecting(&self, lease: &mut Lease<M>) -> Result<(), Failure> {
        let connection = &mut lease.live_mut().connection;
        match catch(|| self.driver.connected(&self.manager, connection)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.connect_refused(error)),
            Err(said) => Err(self.panicked(&said)),
        }
    }

    fn connect(self: &Arc<Self>, limit: Duration) -> Result<Box<Live<M>>, Failure> {
        // Read before the connect starts: if others are found lost meanwhile, this connection is under suspicion too.
        let generation = self.generation.load(Ordering::Acquire);
        let doubts = self.doubts.load(Ordering::Acquire);
        let mut connection = match catch(|| self.driver.log_in(&self.manager, limit)) {
            Ok(Ok(Ok(connection))) => connection,
            Ok(Ok(Err(error))) => return Err(for_want_of_descriptors(self.connect_refused(error))),
            Ok(Err(error)) => return Err(for_want_of_descriptors(Failure::new(error, true))),
            Err(said) => return Err(for_want_of_descriptors(self.panicked(&said))),
        };
        let read_only = match self.check_role(&mut connection) {
            Ok(read_only) => read_only,
            Err(failure) => {
                self.close_unacquired(connection, limit);
                return Err(failure);
            }
        };
        let id = self.gate.lock().next_connection();
        let (connection, customizer) = match self.hooks.has_customizer {
            true => self.customize(connection, limit)?,
            false => (connection, None),
        };
        let now = self.clock.now();
        let info = ConnectionInfo {
            id,
            pool: self.name.shared(),
            opened: now,
            clock: self.clock.clone(),
            checkouts: 0,
            idle_since: now,
            taken: None,
            read_only,
        };
        let expires = self.expiry(now);
        Ok(Live::new(
            connection, info, customizer, generation, doubts, expires,
        ))
    }

    /// What the driver says of a failed connect is what the database says to all who connect.
    fn connect_refused(&self, error: M::Error) -> Failure {
        // A driver that panics when asked says nothing.
        let class = catch(|| self.driver.classify(&error)).ok();
        let mut failure = self.refused(&self.connecting_failed(), error);
        failure.error = failure.error.with_class(class);
        failure
    }

    pub(super) fn connecting_failed(&self) -> String {
        format!("{} failed", self.facts.connecting())
    }

    pub(super) fn refused(&self, what: &str, error: M::Error) -> Failure {
        let (class, words) = self.describe(&error);
        let transient = matches!(
            class,
            ErrorClass::Lost
                | ErrorClass::Owed
                | ErrorClass::Transient
                | ErrorClass::Full
                | ErrorClass::Unsuited
        );
        let mut message = format!("{what}: {words}");
        if let Some(explanation) = self.explain(&error) {
            message.push_str("; ");
            message.push_str(&explanation);
        }
        let error = Error::new(ErrorKind::Connect, message).with_source(Arc::new(error));
        Failure::new(error, transient)
    }

    /// Runs the customizer's on_acquire. As in r2d2 it is a part of connecting: if it fails, the connect has failed.
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
            (Err(panic), _) => self.failed_hook("on_acquire", panic),
        };
        // As in r2d2, on_release is not called for a connection that was not acquired.
        self.close_unacquired(connection, limit);
        Err(failure)
    }

    /// Closes the connection of an attempt that has failed, which does not end before this close has: its place belongs to it.
    fn close_unacquired(self: &Arc<Self>, connection: M::Connection, limit: Duration) {
        if self.facts.is_bounded(Call::Close) || !self.facts.is_bounded(Call::Connect) {
            self.close_driver(connection);
        } else {
            // This is a caller's thread, since connects are local here, but closes are not: they must not block it.
            let closed = Slot::new();
            let report = closed.clone();
            self.on_helper(move |shared| {
                shared.close_driver(connection);
                // Nobody may be waiting.
                let _ = report.fill(());
            });
            closed.wait(limit.min(CLOSE_LIMIT));
        }
    }

    pub(super) fn panicked(&self, said: &str) -> Failure {
        Failure::panicked(&self.mask(said.to_owned()))
    }

    /// A hook runs statements too, and answers with what the server said.
    pub(crate) fn failed_hook(&self, hook: &str, failure: HookFailure) -> Failure {
        Failure::of_hook(hook, failure, |words| self.mask(words))
    }

    /// What the driver adds to the error's text. It is other people's code and may panic.
    fn explain(&self, error: &M::Error) -> Option<String> {
        let explained = catch(|| self.driver.explain(&self.manager, error));
        explained.ok().flatten().map(|words| self.mask(words))
    }
}

/// The failure in words that fit, if it is this process that has no file descriptor left. Then it says nothing of the database, and
/// passes.
fn for_want_of_descriptors(failure: Failure) -> Failure {
    let words = failure.error.to_string();
    match descriptors::are_used_up(&words) {
        true => Failure::of_resources(format!(
            "no file descriptor is left for a connection: look for files and sockets that are not closed, or raise the limit of this \
             process (ulimit -n); {words}"
        )),
        false => failure,
    }
}
