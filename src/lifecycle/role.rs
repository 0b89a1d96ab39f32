//! The role of the server that a connection leads to: what its login says, and what it says when it is asked again.

use std::sync::Arc;

use crate::base::panics::catch;
use crate::base::sync::Instant;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::error::ErrorKind;
use crate::gate::failure::Failure;
use crate::gate::following::Look;
use crate::gate::lease::{Lease, Live};
use crate::gate::role::Follow;
use crate::gate::trouble::MOST_GAP;
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;
use crate::settings::{Mode, ResetOnReturn, Role};

impl<M: Manager> Shared<M> {
    /// What the login has said, if a certain role is wanted. This comes before any hook: one that writes would fail on a read-only
    /// server, and for good.
    pub(super) fn check_role(
        &self,
        connection: &mut M::Connection,
    ) -> Result<Option<bool>, Failure> {
        let wanted = self.settings.role;
        if wanted == Role::Any {
            return Ok(None);
        }
        let read_only = self.read_only_at_login(connection)?;
        let words = match (wanted, read_only) {
            (Role::Primary, Some(true)) => {
                "the server is read-only, and role=primary asks for one that accepts writes"
            }
            (Role::Replica, Some(false)) => {
                "the server accepts writes, and role=replica asks for one that is read-only"
            }
            _ => return Ok(read_only),
        };
        let words = format!("{}: {words}", self.connecting_failed());
        Err(Failure::transient(ErrorKind::Connect, words))
    }

    fn read_only_at_login(&self, connection: &mut M::Connection) -> Result<Option<bool>, Failure> {
        match catch(|| self.driver.read_only_at_login(&self.manager, connection)) {
            Ok(Ok(read_only)) => Ok(read_only),
            Ok(Err(error)) => Err(self.refused(&self.connecting_failed(), error)),
            Err(said) => Err(self.panicked(&said)),
        }
    }

    /// Notes what the login has said.
    pub(super) fn note_role(self: &Arc<Self>, lease: &mut Lease<M>) -> Result<(), Failure> {
        let live = lease.live_mut();
        if self.settings.role == Role::Any {
            live.info.read_only = self.read_only_at_login(&mut live.connection)?;
        }
        self.count_login(live);
        Ok(())
    }

    /// Where the login ends the time on read-only servers, those opened in that time are replaced.
    fn count_login(self: &Arc<Self>, live: &mut Live<M>) {
        if live.info.read_only.is_some() && self.gate.lock().note_login(live) {
            let generation = live.generation;
            live.generation += 1;
            self.replace_older(generation, "leads to a server that accepts writes again");
        }
    }

    /// Whether a write was refused on a connection that comes back and whose role matters. Forgets it: what follows is decided now.
    pub(super) fn was_refused_a_write(&self, live: &mut Live<M>) -> bool {
        let is_refused = live.verdict == Verdict::Unsuited;
        if is_refused {
            live.verdict = Verdict::Sound;
        }
        is_refused && self.role_matters()
    }

    /// In null mode a connection is closed in any case.
    fn role_matters(&self) -> bool {
        self.mode == Mode::Queue && self.settings.role != Role::Replica
    }

    /// Under `reset_on_return = never` the session may be in any state and cannot be asked: whether it is closed instead.
    pub(super) fn is_closed_unasked(&self, live: &Live<M>, how: ResetOnReturn) -> bool {
        how == ResetOnReturn::Never && self.gate.lock().suspect_read_only(live) != Follow::Keep
    }

    /// Asks whether the server is read-only, where that is in doubt and where the answer matters. Runs within the limits of the
    /// ping or reset that came before it.
    pub(super) fn ask_role_if_in_doubt(
        &self,
        live: &mut Live<M>,
        was_refused: bool,
    ) -> Result<Option<bool>, M::Error> {
        if !self.role_matters() {
            return Ok(None);
        }
        let seen = self
            .driver
            .seen_read_only(&self.manager, &mut live.connection);
        let is_in_doubt = match (live.info.read_only, seen) {
            // The driver cannot know.
            (None, None) => false,
            // No session is more willing than its server.
            (known, Some(false)) if was_refused || known != Some(false) => return Ok(Some(false)),
            (_, Some(false)) => false,
            (None, Some(true)) => true,
            (_, Some(true)) => was_refused || self.gate.lock_queue().is_worth_asking(live),
            (_, None) => was_refused,
        };
        if !is_in_doubt || !self.gate.lock().keeps_what_comes_back() {
            return Ok(None);
        }
        let answer = self
            .driver
            .is_read_only(&self.manager, &mut live.connection)?;
        if seen == Some(true) && answer == Some(false) {
            live.refuted = Some(self.clock.now());
        }
        Ok(answer)
    }

    /// Draws the consequences of an answer. Returns why the connection is to be closed, if it is.
    pub(super) fn follow_role(
        self: &Arc<Self>,
        lease: &mut Lease<M>,
        answer: Option<bool>,
        was_refused: bool,
    ) -> Option<CloseReason> {
        let live = lease.live_mut();
        let answer = answer?;
        let is_first = live.info.read_only.is_none();
        if is_first {
            live.info.read_only = Some(answer);
            self.count_login(live);
        }
        if !answer {
            self.gate.lock().note_writable(live);
            return None;
        }
        let mut gate = self.gate.lock();
        // A replica that was given on purpose is no reason to do anything.
        if is_first && !was_refused && !gate.is_worth_asking(live) {
            return None;
        }
        let mut follow = gate.confirm_read_only(live);
        drop(gate);
        match follow {
            Follow::Replace => {
                self.replace_older(live.generation, "leads to a server that is read-only now");
            }
            Follow::Keep if was_refused => {
                let look = self.gate.lock().look_for_a_writable_server();
                live.awaits_writes = look == Look::UnderWay;
                if look == Look::NeedsRoom {
                    follow = Follow::Close;
                }
            }
            Follow::Keep | Follow::Close => {}
        }
        (follow != Follow::Keep).then_some(CloseReason::Unsuited)
    }

    /// What a login that was made to see where logins lead has shown. `None` means that it is read-only, and closed.
    pub(super) fn look(self: &Arc<Self>, id: u64, lease: Lease<M>) -> Option<Lease<M>> {
        let (limit, reason) = (
            self.settings.health_check_timeout,
            CloseReason::ValidationFailed,
        );
        let known = lease.live().info.read_only;
        let asked = match known {
            Some(_) => Some((lease, Ok(Ok(known)))),
            None => self.call(Call::Reset, lease, limit, reason, |shared, live| {
                shared
                    .driver
                    .is_read_only(&shared.manager, &mut live.connection)
            }),
        };
        let shown = match asked {
            Some((mut lease, Ok(Ok(Some(read_only))))) => {
                if known.is_none() {
                    lease.live_mut().info.read_only = Some(read_only);
                    self.count_login(lease.live_mut());
                }
                match read_only {
                    false => return Some(lease),
                    true => Some((lease, CloseReason::Unsuited)),
                }
            }
            Some((lease, _)) => Some((lease, reason)),
            None => None,
        };
        self.gate.lock().looked_in_vain(id);
        if let Some((lease, reason)) = shown {
            self.close_lease(lease, reason);
        }
        None
    }

    /// Keeps whoever was refused a write from trying again before a login has shown where logins lead, and no longer than the time
    /// between two such logins.
    pub(crate) fn await_writes(&self) {
        let end = Instant::now() + MOST_GAP;
        drop(
            self.gate
                .wait_until(end, |state| state.waits_for_no_writes()),
        );
    }

    /// Asks an idle session whether its server accepts writes again.
    pub(crate) fn look_for_writes(self: &Arc<Self>) {
        let is_read_only = |live: &Live<M>| live.info.read_only == Some(true);
        let idle = self.gate.lock().take_first_idle(is_read_only);
        let Some(lease) = idle else {
            return;
        };
        let limit = self.settings.health_check_timeout;
        let reason = CloseReason::ValidationFailed;
        let called = self.call(Call::Reset, lease, limit, reason, |shared, live| {
            shared
                .driver
                .is_read_only(&shared.manager, &mut live.connection)
        });
        match called {
            Some((mut lease, Ok(Ok(answer)))) => {
                if answer == Some(false) {
                    self.gate.lock().note_writable(lease.live_mut());
                }
                self.put_back_idle(lease);
            }
            Some((lease, Ok(Err(error)))) => {
                let fault = self.fault(&lease, Ok(error));
                self.speak_for_others(lease.live(), fault.verdict);
                self.close_lease(lease, fault.close_reason(reason));
            }
            Some((lease, Err(_))) => self.close_lease(lease, reason),
            None => {}
        }
    }
}
