//! Credentials that come from a closure of the user's, and a login that asks for them.
//!
//! The closure is other people's code: it may block, panic, never return, or call a pool. So it runs on threads of its own, outside
//! all locks. One call at a time is made for a pool, and all logins that need an answer meanwhile wait for that one. A call that
//! does not answer within the time of the login that began it is given up, and the next login begins another one; at most
//! [`MOST_CALLS`] threads are lost to calls that hang.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::later;
use crate::base::helpers::Helpers;
use crate::base::mask;
use crate::base::panics::{keep_panic, let_go};
use crate::base::sync::{Condvar, Instant, Mutex};
use crate::contract::credentials::Credentials;
use crate::drivers::hosts::{Hosts, Opens};
use crate::error::{Error, ErrorKind};

/// Calls that were given up and have not returned, and the one that is waited for.
const MOST_CALLS: usize = 4;

/// Passwords of the closure that are looked for in what a server says. A connection may have been opened with an older one than the
/// newest, but not with one that is older than these: it would have been recycled.
const MOST_GIVEN: usize = 4;

/// Until the error has reached the pool, on a busy machine.
const LEAST_REST: Duration = Duration::from_millis(100);

/// Why there are no credentials. Nothing that the closure said is in it, because that may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unavailable {
    Failed,
    Panicked,
    /// Nothing came in time.
    Silent,
    /// So many calls hang that no other is made.
    TooManyHang,
    NoThread,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the credentials could not be had: ")?;
        match self {
            Unavailable::Failed => f.write_str(
                "the closure given to credentials() returned an error; its text is not shown, because it may contain a secret: let \
                 the closure itself log what is safe to show",
            ),
            Unavailable::Panicked => f.write_str(
                "the closure given to credentials() panicked; what it said is not shown, because it may contain a secret: look at \
                 what the panic has printed",
            ),
            Unavailable::Silent => f.write_str(
                "the closure given to credentials() did not answer in time: give its own calls a time limit that is shorter than \
                 connect_timeout",
            ),
            Unavailable::TooManyHang => write!(
                f,
                "{MOST_CALLS} calls of the closure given to credentials() hang, and no other is made until one of them returns"
            ),
            Unavailable::NoThread => f.write_str(
                "no thread could be started to call the closure given to credentials()",
            ),
        }
    }
}

impl std::error::Error for Unavailable {}

impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        let kind = match unavailable {
            Unavailable::NoThread => ErrorKind::Resources,
            _ => ErrorKind::Connect,
        };
        Error::new(kind, unavailable.to_string())
    }
}

/// The closure, and what it has answered.
pub(crate) struct Source {
    ask: Box<dyn Fn() -> Option<Credentials> + Send + Sync>,
    helpers: Helpers,
    /// Held for an instant, and never while the closure runs.
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the latest call.
    latest: u64,
    /// The call that is waited for.
    running: Option<Running>,
    /// Calls that were given up and have not returned.
    hung: Vec<Running>,
    answer: Option<Answer>,
    /// The passwords that it has given lately, the newest first.
    given: VecDeque<String>,
}

struct Running {
    number: u64,
    began: Instant,
    until: Instant,
}

#[derive(Clone)]
struct Answer {
    number: u64,
    began: Instant,
    result: Result<Credentials, Unavailable>,
}

impl Source {
    pub(crate) fn new<E>(
        ask: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let ask = move || match ask() {
            Ok(credentials) => Some(credentials),
            Err(error) => {
                let_go(error);
                None
            }
        };
        Arc::new(Source {
            ask: Box::new(ask),
            helpers: Helpers::new("credentials", MOST_CALLS),
            state: Mutex::default(),
            answered: Condvar::new(),
        })
    }

    /// The answer of a call with a number above `after`; `None`: of one that is under way or that begins now.
    fn answer(self: &Arc<Self>, after: Option<u64>, until: Instant) -> Result<Answer, Unavailable> {
        let mut state = self.state.lock();
        let after = after.unwrap_or(match &state.running {
            Some(running) => running.number - 1,
            None => state.latest,
        });
        loop {
            if let Some(answer) = state.answer.as_ref().filter(|answer| answer.number > after) {
                return Ok(answer.clone());
            }
            let now = Instant::now();
            if now >= until {
                return Err(Unavailable::Silent);
            }
            match &state.running {
                Some(running) if running.until <= now => {
                    let given_up = state.running.take();
                    state.hung.extend(given_up);
                }
                Some(running) => {
                    let until = running.until.min(until);
                    self.answered.wait_until(&mut state, until);
                }
                None if state.hung.len() >= MOST_CALLS => return Err(Unavailable::TooManyHang),
                None => {
                    state.latest += 1;
                    let number = state.latest;
                    state.running = Some(Running {
                        number,
                        began: now,
                        until,
                    });
                    drop(state);
                    self.call(number);
                    state = self.state.lock();
                }
            }
        }
    }

    /// Calls the closure on a thread of its own.
    fn call(self: &Arc<Self>, number: u64) {
        let source = self.clone();
        let call = move || {
            let result = match keep_panic(|| (source.ask)()) {
                Ok(credentials) => credentials.ok_or(Unavailable::Failed),
                Err(panic) => {
                    drop(panic);
                    Err(Unavailable::Panicked)
                }
            };
            source.returned(number, result);
        };
        if self.helpers.run(call).is_err() {
            self.returned(number, Err(Unavailable::NoThread));
        }
    }

    fn returned(&self, number: u64, result: Result<Credentials, Unavailable>) {
        let mut state = self.state.lock();
        let is_this = |call: &mut Running| call.number == number;
        let Some(call) = state
            .running
            .take_if(is_this)
            .or_else(|| state.hung.extract_if(.., is_this).next())
        else {
            return;
        };
        // Even if it was given up, its answer is good for those who still wait for it.
        if let Ok(credentials) = &result {
            state.given.retain(|known| known != credentials.password());
            state.given.push_front(credentials.password().to_owned());
            state.given.truncate(MOST_GIVEN);
        }
        let known = state.answer.as_ref().map_or(0, |answer| answer.number);
        if number > known {
            state.answer = Some(Answer {
                number,
                began: call.began,
                result,
            });
        }
        drop(state);
        self.answered.notify_all();
    }
}

/// What a server says, without the password of the configuration and without those that the closure has given lately.
pub(crate) fn masked(
    text: String,
    own: Option<&str>,
    source: Option<&Arc<Source>>,
    names: &[Option<&str>],
) -> String {
    let given = source.map(|source| source.state.lock().given.clone());
    let given = given.iter().flatten().map(String::as_str);
    let names: Vec<&str> = names.iter().flatten().copied().collect();
    mask::masked(text, own.into_iter().chain(given), &names)
}

impl Drop for Source {
    fn drop(&mut self) {
        self.helpers.stop();
    }
}

/// Logs in, with credentials from `source` if there is one. After a refusal it is asked again, and if it answers something else, the
/// login is tried once more. Each answer may take `each`, and everything together `limit`; `open` is told how much of that is left.
///
/// # Errors
/// Unavailable if the source gives none; inside, the driver's own error.
pub(crate) fn log_in<C, E>(
    source: Option<&Arc<Source>>,
    each: Duration,
    limit: Duration,
    open: impl Fn(Option<&Credentials>, Duration) -> Result<C, E>,
    is_refused: impl Fn(&E) -> bool,
) -> Result<Result<C, E>, Unavailable> {
    let Some(source) = source else {
        return Ok(open(None, limit));
    };
    let begun = Instant::now();
    // What is left is for saying what happened before the pool gives up on the whole attempt.
    let rest = (each / 20).max(LEAST_REST.min(each / 2));
    let end = later(begun, limit.saturating_sub(rest));
    let until = |now| end.min(later(now, each - rest));
    let open = |who: &Credentials| open(Some(who), limit.saturating_sub(begun.elapsed()));
    let first = source.answer(None, until(begun))?;
    let who = first.result?;
    let refusal = match open(&who) {
        Err(refusal) if is_refused(&refusal) => refusal,
        other => return Ok(other),
    };
    let refused = Instant::now();
    let mut after = first.number;
    loop {
        let next = source.answer(Some(after), until(refused))?;
        let is_newer = next.began >= refused;
        match next.result {
            Ok(other) if other != who => return Ok(open(&other)),
            Ok(_) if is_newer => return Ok(Err(refusal)),
            Err(unavailable) if is_newer => return Err(unavailable),
            // It was asked before this refusal, and may have been too early.
            Ok(_) | Err(_) => after = next.number,
        }
    }
}

/// Logs in at the first of `hosts` that gives a connection. `each` and `limit` mean what they mean to [`Hosts::open`], except that
/// the closure's time is taken from that of the hosts. `opens` puts credentials in the place of what the configuration says.
///
/// # Errors
/// As for [`log_in`].
pub(crate) fn log_in_at<O: Opens>(
    hosts: &Hosts,
    source: Option<&Arc<Source>>,
    (each, limit): (Duration, Duration),
    opens: impl Fn(Option<&Credentials>) -> Arc<O>,
    is_refused: impl Fn(&O::Error) -> bool,
) -> Result<Result<O::Connection, O::Error>, Unavailable> {
    let count = hosts.to_walk().unwrap_or(1).max(1);
    let all = each.saturating_mul(count);
    let open = |who: Option<&Credentials>, left: Duration| {
        let gone = all.saturating_sub(left);
        let (each, limit) = (each.min(left / count), limit.saturating_sub(gone));
        hosts.open(&opens(who), each, limit)
    };
    log_in(source, each, all, open, is_refused)
}

/// What is added to the text of a refused login.
pub(crate) const ASKED_AGAIN: &str = "these credentials came from the closure given to credentials(), which was asked again after the refusal";

#[cfg(test)]
mod tests;
