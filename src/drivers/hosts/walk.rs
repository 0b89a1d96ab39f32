//! The walk along the hosts until one of them gives a connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::choice::{Candidate, Hosts, Judged, Opens, lookup};
use super::memory::Target;
use super::told::Told;
use crate::base::log::say;
use crate::base::panics::{Panic, keep_panic, let_go};

/// A caller in a hurry waits at least this long before the next host is tried beside the one that has not answered. It is what
/// RFC 8305 recommends between two addresses.
const LEAST: Duration = Duration::from_millis(250);

/// A walk ends within this part of its limit, so that it can still say what each host said when the pool gives up on it.
const OF_THE_LIMIT: f64 = 0.95;

/// A setting may be longer, but the moments that follow from it must exist.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// An attempt that has not ended.
struct Pending {
    /// The walk's own number.
    number: u64,
    target: Target,
    in_memory: Option<u64>,
    started: Instant,
    /// Nobody waits for it from then on.
    until: Instant,
}

enum Event<O: Opens> {
    /// The host's name has several addresses.
    Several(Vec<SocketAddr>),
    Ended(
        Result<Result<Judged<O::Connection>, O::Error>, Panic>,
        /// The address, if it was looked up.
        Option<SocketAddr>,
    ),
}

pub(super) struct Walk<'hosts, O: Opens> {
    hosts: &'hosts Hosts,
    opens: &'hosts Arc<O>,
    each: Duration,
    /// When the last host is to be tried at the latest, and when the walk ends. The first is also the caller's end.
    share_until: Instant,
    end: Instant,
    queue: VecDeque<Candidate>,
    pending: Vec<Pending>,
    last: u64,
    send: Sender<(u64, Event<O>)>,
    receive: Receiver<(u64, Event<O>)>,
    second_best: Option<(Target, Option<SocketAddr>, O::Connection)>,
    error: Option<O::Error>,
    told: Told,
}

impl<'hosts, O: Opens> Walk<'hosts, O> {
    pub(super) fn new(
        hosts: &'hosts Hosts,
        opens: &'hosts Arc<O>,
        each: Duration,
        limit: Duration,
    ) -> Self {
        let now = Instant::now();
        let count = u32::try_from(hosts.hosts.len()).unwrap_or(u32::MAX);
        let each = each.min(FOR_EVER);
        let most = each.saturating_mul(count);
        let (send, receive) = unbounded();
        Walk {
            hosts,
            opens,
            each,
            share_until: now + limit.min(most).mul_f64(OF_THE_LIMIT),
            end: now + most.mul_f64(OF_THE_LIMIT),
            queue: VecDeque::new(),
            pending: Vec::new(),
            last: 0,
            send,
            receive,
            second_best: None,
            error: None,
            told: Told::default(),
        }
    }

    pub(super) fn along(mut self, queue: VecDeque<Candidate>) -> Result<O::Connection, O::Error> {
        self.queue = queue;
        while let Some(candidate) = self.queue.pop_front() {
            // Only mute ones are left, and what is at hand is good enough not to wait for them.
            if self.second_best.is_some() && self.is_mute(&candidate) {
                break;
            }
            let patience = self.patience(candidate.share);
            let number = self.start(candidate);
            let until = Instant::now() + patience;
            while self.pending.iter().any(|one| one.number == number) {
                match self.receive.recv_deadline(until) {
                    Ok((number, event)) => {
                        if let Some(ended) = self.hear(number, event) {
                            return ended;
                        }
                    }
                    Err(_) => {
                        self.pass_over(number);
                        break;
                    }
                }
            }
        }
        self.wait_for_the_late()
    }

    fn is_mute(&self, candidate: &Candidate) -> bool {
        self.hosts.memory.is_mute(candidate.target, Instant::now())
    }

    /// All have been tried. Those that were passed over early still have time.
    fn wait_for_the_late(mut self) -> Result<O::Connection, O::Error> {
        while self.second_best.is_none()
            && let Some(until) = self.last_end()
            && let Ok((number, event)) = self.receive.recv_deadline(until)
        {
            if let Some(ended) = self.hear(number, event) {
                return ended;
            }
            // A name whose lookup came late.
            if !self.queue.is_empty() {
                let queue = std::mem::take(&mut self.queue);
                return self.along(queue);
            }
        }
        if let Some((target, address, connection)) = self.second_best.take() {
            self.is_good(target, address);
            return Ok(connection);
        }
        let error = self.error.take();
        self.told.leave();
        Err(error.unwrap_or_else(|| self.opens.silence()))
    }

    /// When the last attempt under way is over.
    fn last_end(&self) -> Option<Instant> {
        let started = self.pending.iter().filter(|one| one.in_memory.is_some());
        started.map(|one| one.until).max()
    }

    /// How long this candidate is waited for before the next is tried.
    fn patience(&self, share: u32) -> Duration {
        let left = self.share_until.saturating_duration_since(Instant::now());
        let behind = u32::try_from(self.queue.len()).unwrap_or(u32::MAX - 1) + 1;
        let most = match self.queue.is_empty() {
            // Nothing is gained by giving up on the last one early.
            true => self.end.saturating_duration_since(Instant::now()),
            false => (left / behind).max(LEAST),
        };
        most.min(self.each / share)
    }

    fn start(&mut self, candidate: Candidate) -> u64 {
        let target = candidate.target;
        self.last += 1;
        let number = self.last;
        let started = Instant::now();
        let in_memory = self.hosts.memory.begin(target);
        self.pending.push(Pending {
            number,
            target,
            in_memory,
            started,
            until: (started + self.each).min(self.end),
        });
        // Otherwise those that wait there already are enough: if it answers, they hear it.
        if let Some(in_memory) = in_memory {
            self.run(number, in_memory, candidate);
        }
        number
    }

    fn run(&self, number: u64, in_memory: u64, candidate: Candidate) {
        let Candidate {
            target,
            is_looked_up,
            ..
        } = candidate;
        let name = self.hosts.hosts[target.host]
            .name
            .clone()
            .filter(|_| !is_looked_up);
        let (opens, resolve) = (self.opens.clone(), self.hosts.resolve.clone());
        let (memory, send) = (self.hosts.memory.clone(), self.send.clone());
        let attempt = move || {
            let mut address = target.address;
            let mut several = None;
            let ended = keep_panic(|| {
                if let Some((name, port)) = name {
                    // The driver says it in its own words if there is none.
                    let found = lookup(&resolve, &name, port).unwrap_or_default();
                    match found.len() {
                        0 | 1 => address = found.first().copied(),
                        _ => {
                            several = Some(found);
                            return None;
                        }
                    }
                }
                Some(opens.open(target.host, address))
            });
            memory.end(in_memory, matches!(ended, Ok(Some(Ok(_)))));
            let event = match ended {
                Ok(Some(opened)) => Event::Ended(Ok(opened), address),
                Ok(None) => Event::Several(several.unwrap_or_default()),
                Err(panic) => Event::Ended(Err(panic), address),
            };
            // If nobody waits any more, the connection is closed here.
            if let Err(unheard) = send.send((number, event)) {
                let_go(unheard);
            }
        };
        if let Err(unrun) = self.hosts.helpers.run(attempt) {
            // No thread can be had. On this one it is at least tried.
            (unrun.job)();
        }
    }

    fn pass_over(&mut self, number: u64) {
        let now = Instant::now();
        let Some(one) = self.pending.iter().find(|one| one.number == number) else {
            return;
        };
        let waited = now.saturating_duration_since(one.started);
        self.hosts.memory.pass_over(one.target, one.in_memory, now);
        let beside = match one.in_memory {
            Some(_) => "",
            None => ", nor to the earlier attempts that still wait there",
        };
        let words = format!("no answer within {:.1} s{beside}", waited.as_secs_f64());
        self.told.add(&self.hosts.label(one.target), &words);
    }

    /// `Some`: the walk has ended.
    fn hear(&mut self, number: u64, event: Event<O>) -> Option<Result<O::Connection, O::Error>> {
        let position = self.pending.iter().position(|one| one.number == number)?;
        let target = self.pending.swap_remove(position).target;
        let (ended, address) = match event {
            Event::Several(addresses) => {
                let mut several = self.hosts.addresses_in_order(target.host, addresses);
                let mute = several.partition_point(|one| !self.is_mute(one));
                self.queue.extend(several.split_off(mute));
                while let Some(candidate) = several.pop_back() {
                    self.queue.push_front(candidate);
                }
                return None;
            }
            Event::Ended(Err(panic), _) => panic.resume(),
            Event::Ended(Ok(ended), address) => (ended, address),
        };
        match ended {
            Ok(Judged::Suits(connection)) => {
                self.is_good(target, address);
                if let Some((_, _, second)) = self.second_best.take() {
                    self.close(second);
                }
                Some(Ok(connection))
            }
            Ok(Judged::SecondBest(connection, why)) => {
                self.told.add(&self.hosts.label(target), why);
                match &self.second_best {
                    None => self.second_best = Some((target, address, connection)),
                    Some(_) => self.close(connection),
                }
                None
            }
            Err(error) => self.failed(target, error),
        }
    }

    fn failed(
        &mut self,
        target: Target,
        error: O::Error,
    ) -> Option<Result<O::Connection, O::Error>> {
        let words = self.opens.words(&error);
        self.told.add(&self.hosts.label(target), &words);
        if !self.opens.goes_on(&error) {
            std::mem::take(&mut self.told).leave();
            if let Some((_, _, second)) = self.second_best.take() {
                self.close(second);
            }
            return Some(Err(error));
        }
        let tells_more =
            |known: &O::Error| self.opens.is_an_answer(&error) || !self.opens.is_an_answer(known);
        if self.error.as_ref().is_none_or(tells_more) {
            self.error = Some(error);
        }
        None
    }

    /// Notes where the connection leads. What others said before is logged once, since the good one is asked first from now on.
    fn is_good(&mut self, target: Target, address: Option<SocketAddr>) {
        self.hosts.memory.is_good(target, address);
        let others = std::mem::take(&mut self.told);
        if let Some(said) = others.text() {
            let label = self.hosts.label(target);
            say!(
                Info,
                &self.hosts.target,
                "connected to {label} after {said}"
            );
        }
    }

    /// On a helper thread, since a close may block.
    fn close(&self, connection: O::Connection) {
        if let Err(unrun) = self.hosts.helpers.run(move || let_go(connection)) {
            (unrun.job)();
        }
    }
}
