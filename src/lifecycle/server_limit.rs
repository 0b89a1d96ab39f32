//! How many connections the server takes, and how many more it would take now: asked on a connection that nobody uses at the moment,
//! on a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use crate::base::log::say;
use crate::contract::call::Call;
use crate::contract::connection_info::CloseReason;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::gate::lease::{Lease, Live};
use crate::gate::reach::LimitKnown;
use crate::gate::share::Room;
use crate::lifecycle::shared::Shared;

/// What a question to the server led to.
enum Answer<T> {
    Told(T),
    /// It was the connection that failed and not the question.
    Unasked,
    /// The server does not answer it.
    Refused,
}

impl<M: Manager> Shared<M> {
    /// Asks the server for its limit on this connection, once in the life of the pool and for no longer than `limit`. `None` means
    /// that the connection did not survive it.
    pub(crate) fn ask_server_limit(
        self: &Arc<Self>,
        lease: Lease<M>,
        limit: Duration,
    ) -> Option<Lease<M>> {
        if limit.is_zero() {
            return Some(lease);
        }
        if !self.gate.lock().begin_asking() {
            return Some(lease);
        }
        let (lease, answer) = self.ask(lease, limit, |shared, live| {
            shared
                .driver
                .server_limit(&shared.manager, &mut live.connection)
        });
        self.gate.lock().note_limit(match answer {
            Answer::Told(limit) => LimitKnown::Known(limit),
            Answer::Refused => LimitKnown::Known(None),
            Answer::Unasked => LimitKnown::Unasked,
        });
        lease
    }

    /// Takes an idle connection to ask for the server's limit.
    pub(crate) fn learn_server_limit(self: &Arc<Self>) {
        let Some(lease) = self.gate.lock().take_coldest() else {
            return;
        };
        let lease = self.ask_server_limit(lease, self.settings.health_check_timeout);
        lease
            .into_iter()
            .for_each(|lease| self.put_back_idle(lease));
    }

    /// Asks on this connection how many more the server would accept, and gives it back.
    pub(crate) fn ask_for_room(self: &Arc<Self>, lease: Lease<M>) {
        let limit = self.settings.health_check_timeout;
        let mut room = Room::Unknown;
        let mut lease = self.ask_server_limit(lease, limit);
        if let Some(asked) = lease {
            let answer;
            (lease, answer) = self.ask(asked, limit, |shared, live| {
                shared
                    .driver
                    .connections_left(&shared.manager, &mut live.connection)
            });
            room = match answer {
                Answer::Told(Some(left)) => Room::For(left),
                Answer::Told(None) | Answer::Refused => Room::Untold,
                Answer::Unasked => Room::Unknown,
            };
        }
        self.gate.lock().end_asking_for_room(room);
        lease
            .into_iter()
            .for_each(|lease| self.put_back_idle(lease));
    }

    /// Takes an idle connection to ask how many more the server would accept, if that is due.
    pub(crate) fn look_for_room(self: &Arc<Self>) {
        let lease = {
            let mut gate = self.gate.lock();
            let has_idle = gate.any_idle(|_| true);
            match has_idle && gate.begin_asking_for_room() {
                true => gate.take_coldest(),
                false => None,
            }
        };
        if let Some(lease) = lease {
            self.on_helper(|shared| shared.ask_for_room(lease));
        }
    }

    /// Without a connection in return, it did not survive the question.
    fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        lease: Lease<M>,
        limit: Duration,
        question: impl FnOnce(&Shared<M>, &mut Live<M>) -> Result<T, M::Error> + Send + 'static,
    ) -> (Option<Lease<M>>, Answer<T>) {
        let failed = CloseReason::ValidationFailed;
        match self.call(Call::ServerLimit, lease, limit, failed, question) {
            None => (None, Answer::Unasked),
            Some((lease, Ok(Ok(answer)))) => (Some(lease), Answer::Told(answer)),
            Some((lease, Ok(Err(error)))) => {
                let answer = match self.describe(&error).0 {
                    ErrorClass::Lost
                    | ErrorClass::Owed
                    | ErrorClass::Transient
                    | ErrorClass::Full => Answer::Unasked,
                    ErrorClass::Unsuited | ErrorClass::Permanent | ErrorClass::Statement => {
                        Answer::Refused
                    }
                };
                let fault = self.fault(&lease, Ok(error));
                say!(
                    Debug,
                    self.target(),
                    "the server does not tell how many connections it takes: {}",
                    fault.words
                );
                self.speak_for_others(lease.live(), fault.verdict);
                self.close_lease(lease, fault.close_reason(failed));
                (None, answer)
            }
            Some((lease, Err(_))) => {
                self.close_lease(lease, failed);
                (None, Answer::Refused)
            }
        }
    }
}
