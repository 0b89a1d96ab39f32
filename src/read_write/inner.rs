//! What all handles share: the pools, what is known of each server, and the check of each.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, never};
use parking_lot::Mutex;

use crate::base::clock::Clock;
use crate::base::fork::Home;
use crate::base::helpers::Helpers;
use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::sync::Instant;
use crate::contract::replication::Replication;
use crate::error::{Error, ErrorKind};
use crate::read_write::Moment;
use crate::read_write::checks::{Bell, UnderWay};
use crate::read_write::endpoint::{Endpoint, sealed::Question};
use crate::read_write::notes::Notes;
use crate::read_write::replica::{Obstacle, Replica};

/// Moments are counted from a century before the `ReadWrite` was built, so that a lag can be taken off any of them.
const BEFORE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) struct Rules {
    pub(super) max_lag: Option<Duration>,
    pub(super) interval: Duration,
    pub(super) read_your_writes: bool,
    pub(super) read_from_primary: bool,
}

/// The primary or one of the replicas.
#[derive(Clone, Copy)]
pub(super) enum Server {
    Primary,
    Replica(usize),
}

pub(crate) struct Inner<P: Endpoint> {
    /// In a forked child no lock here may be taken.
    pub(super) home: Home,
    /// Tells this one from all others of the process.
    pub(super) number: u64,
    pub(super) primary: P,
    pub(super) replicas: Vec<P>,
    pub(super) rules: Rules,
    pub(super) bell: Bell,
    clock: Clock,
    built: Instant,
    /// Whose turn it is.
    next: AtomicUsize,
    /// No other code runs under this lock.
    known: Mutex<Known>,
    /// Of the primary, and of each replica.
    under_way: (UnderWay, Vec<UnderWay>),
    helpers: Helpers,
}

/// What is known of the servers.
struct Known {
    notes: Notes,
    replicas: Vec<Replica>,
}

impl<P: Endpoint> Inner<P> {
    pub(super) fn new(
        number: u64,
        home: Home,
        primary: P,
        replicas: Vec<P>,
        rules: Rules,
        clock: Clock,
    ) -> Self {
        let count = replicas.len();
        Inner {
            home,
            number,
            helpers: Helpers::new(primary.name(), count + 1),
            primary,
            rules,
            bell: Bell::new(),
            built: clock.now(),
            clock,
            next: AtomicUsize::new(0),
            known: Mutex::new(Known {
                notes: Notes::default(),
                replicas: (0..count).map(|_| Replica::default()).collect(),
            }),
            under_way: (
                UnderWay::default(),
                (0..count).map(|_| UnderWay::default()).collect(),
            ),
            replicas,
        }
    }

    pub(super) fn now(&self) -> Moment {
        BEFORE + self.clock.now().saturating_duration_since(self.built)
    }

    /// The replicas' numbers, beginning with the one whose turn it is.
    pub(super) fn in_turns(&self) -> impl Iterator<Item = usize> + use<P> {
        let count = self.replicas.len();
        let first = match count {
            0 => 0,
            count => self.next.fetch_add(1, Ordering::Relaxed) % count,
        };
        (first..count).chain(0..first)
    }

    /// Why a read must not go to this replica now.
    pub(super) fn obstacle(&self, number: usize, mark: Option<Moment>) -> Option<Obstacle> {
        let now = self.now();
        let known = self.known.lock();
        let replica = &known.replicas[number];
        replica.obstacle(now, self.rules.max_lag, mark, &known.notes)
    }

    /// As a status tells it: how far the replica is behind, and why it is passed over.
    pub(super) fn standing(&self, number: usize) -> (Option<Duration>, Option<String>) {
        let obstacle = self.obstacle(number, None);
        let lag = self.known.lock().replicas[number].lag();
        (lag, obstacle.map(|obstacle| obstacle.to_string()))
    }

    /// A caller, or a check, has found that a replica fails. It is passed over until a check that begins later has succeeded.
    pub(super) fn fail(&self, number: usize, error: &Error) {
        self.known.lock().replicas[number].fail(error);
        self.tell(number);
    }

    /// Tells the log if reads have begun or ceased to pass a replica over.
    fn tell(&self, number: usize) {
        let obstacle = self.obstacle(number, None);
        let was_told = {
            let told = &mut self.known.lock().replicas[number].told;
            std::mem::replace(told, obstacle.is_some())
        };
        let target = format!("queuepool::{}", self.primary.name());
        let number = number + 1;
        match obstacle {
            Some(why) if !was_told => {
                say!(Warn, &target, "reads pass replica {number} over: {why}");
            }
            None if was_told => say!(Info, &target, "reads go to replica {number} again"),
            _ => {}
        }
    }

    fn pool(&self, server: Server) -> &P {
        match server {
            Server::Primary => &self.primary,
            Server::Replica(number) => &self.replicas[number],
        }
    }

    fn under_way(&self, server: Server) -> &UnderWay {
        match server {
            Server::Primary => &self.under_way.0,
            Server::Replica(number) => &self.under_way.1[number],
        }
    }

    fn failures(&self, server: Server) -> u64 {
        match server {
            Server::Primary => 0,
            Server::Replica(number) => self.known.lock().replicas[number].failures(),
        }
    }

    /// Has a server asked on a helper thread, which holds neither this nor the pool. What is returned tells when that has ended.
    pub(super) fn start_check(self: &Arc<Self>, server: Server) -> Receiver<Infallible> {
        let (sender, receiver) = bounded(0);
        let limit = self.pool(server).settings().health_check_timeout;
        if let Err(since) = self.under_way(server).begin() {
            // Each part of a check is bounded, so this one waits for what does not end: a hook, or a driver.
            if let Server::Replica(number) = server
                && since > limit.saturating_add(self.rules.interval)
            {
                let words = format!("its check has not ended for {since:.1?}");
                self.fail(number, &Error::new(ErrorKind::Connect, words));
            }
            return never();
        }
        let (asked, failures) = (self.now(), self.failures(server));
        let (weak, question) = (Arc::downgrade(self), self.pool(server).question());
        let job = move || {
            let answer = ask(&question, limit);
            if let Some(inner) = weak.upgrade() {
                inner.note(server, asked, failures, answer);
                inner.under_way(server).end();
            }
            drop(sender);
        };
        if self.helpers.run(job).is_err() {
            // There is no thread to be had. The next round tries again.
            self.under_way(server).end();
        }
        receiver
    }

    /// Asks a server on this thread.
    pub(super) fn check(&self, server: Server) {
        let pool = self.pool(server);
        let (asked, failures) = (self.now(), self.failures(server));
        let answer = ask(&pool.question(), pool.settings().health_check_timeout);
        self.note(server, asked, failures, answer);
    }

    /// Notes the answer to a check that began at `asked`, when the replica had failed so often.
    fn note(
        &self,
        server: Server,
        asked: Moment,
        failures: u64,
        answer: Result<Replication, Error>,
    ) {
        match (server, answer) {
            // So many callers wait that the server was not asked.
            (_, Err(error)) if error.kind() == ErrorKind::Overloaded => {}
            (Server::Primary, Err(error)) => {
                self.known.lock().notes.primary_failed(error.to_string());
            }
            (Server::Primary, Ok(told)) => self.known.lock().notes.add(asked, told),
            (Server::Replica(number), Err(error)) => self.fail(number, &error),
            (Server::Replica(number), Ok(told)) => {
                let known = &mut *self.known.lock();
                known.replicas[number].note(asked, failures, told, &known.notes);
            }
        }
        (0..self.replicas.len()).for_each(|number| self.tell(number));
    }
}

/// The connect hook, which is users' code, may panic on the way.
fn ask(question: &Question, limit: Duration) -> Result<Replication, Error> {
    catch(|| question(limit)).unwrap_or_else(|words| {
        let words = format!("its check panicked: {words}");
        Err(Error::new(ErrorKind::Hook, words))
    })
}

impl<P: Endpoint> Drop for Inner<P> {
    fn drop(&mut self) {
        self.helpers.stop();
    }
}
