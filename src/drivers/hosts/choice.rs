//! The hosts of a pool, what a driver does at one of them, and in which order they are tried.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::memory::{Memory, Target};
use super::told;
use super::walk::Walk;
use crate::base::helpers::Helpers;

/// What a driver does at one address.
pub(crate) trait Opens: Send + Sync + 'static {
    type Connection: Send + 'static;
    type Error: Send + 'static;

    /// Connects to this host of the list, logs in, runs the login's own SQL and judges the session. Without an address, the driver
    /// looks up the name itself, or there is none to look up.
    fn open(
        &self,
        host: usize,
        address: Option<SocketAddr>,
    ) -> Result<Judged<Self::Connection>, Self::Error>;

    /// Whether another host may do better.
    fn goes_on(&self, error: &Self::Error) -> bool;

    /// What this host said, in a few words and without secrets.
    fn words(&self, error: &Self::Error) -> String;

    /// Whether a server said it, which tells more than that it could not be reached.
    fn is_an_answer(&self, error: &Self::Error) -> bool;

    /// The error if no host has answered.
    fn silence(&self) -> Self::Error;
}

/// A session that was opened.
pub(crate) enum Judged<C> {
    /// It is what was asked for.
    Suits(C),
    /// It is taken if no other host has a better one (prefer-standby), and why it is not better.
    SecondBest(C, &'static str),
}

/// One entry of the list.
pub(crate) struct Host {
    /// As errors name it.
    pub(crate) label: String,
    /// The name and port, if its addresses are to be looked up.
    pub(crate) name: Option<(String, u16)>,
}

/// As many hosts are named in an error, so that it stays a line that can be read.
const MOST_SHOWN: usize = 3;

pub(super) type Resolve = Box<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The hosts of a pool.
pub(crate) struct Hosts {
    /// Under which it logs.
    pub(super) target: String,
    pub(super) hosts: Vec<Host>,
    in_random_order: bool,
    pub(super) memory: Arc<Memory>,
    pub(super) helpers: Helpers,
    pub(super) resolve: Arc<Resolve>,
}

impl Hosts {
    /// Their threads have the pool's name.
    pub(crate) fn new(pool: &str, hosts: Vec<Host>, in_random_order: bool) -> Self {
        let resolve = |name: &str, port| Ok((name, port).to_socket_addrs()?.collect());
        Hosts::resolving(pool, hosts, in_random_order, Box::new(resolve))
    }

    pub(super) fn resolving(
        pool: &str,
        hosts: Vec<Host>,
        in_random_order: bool,
        resolve: Resolve,
    ) -> Self {
        Hosts {
            target: format!("queuepool::{pool}"),
            hosts,
            in_random_order,
            memory: Arc::default(),
            // The walks under way and `memory::MOST_SILENT` bound them.
            helpers: Helpers::new(pool, usize::MAX),
            resolve: Arc::new(resolve),
        }
    }

    /// Who connects to what: `app@a:5432,b:5432/orders`; without the user where a closure says who logs in. The drivers do not ask
    /// where a URL names no user or no database: of `app:pass@word` or `app:/pass` nobody knows which part is a host, and which the
    /// rest of a password that was not encoded. `None` for a user such as `app:pass`, whose encoded colon hides a password.
    pub(crate) fn server(&self, user: Option<&str>, database: &str) -> Option<String> {
        if user.is_some_and(|user| user.contains(':')) {
            return None;
        }
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let shown = self.hosts.iter().take(MOST_SHOWN);
        let labels: Vec<&str> = shown.map(|host| host.label.as_str()).collect();
        let hosts = labels.join(",");
        Some(match self.hosts.len().saturating_sub(MOST_SHOWN) {
            0 => format!("{user}{hosts}/{database}"),
            more => format!("{user}{hosts} and {more} more/{database}"),
        })
    }

    /// How many hosts are named, if there is anything to walk: several hosts, or a name that may have several addresses.
    pub(crate) fn to_walk(&self) -> Option<u32> {
        match &self.hosts[..] {
            [Host { name: None, .. }] => None,
            hosts => u32::try_from(hosts.len()).ok(),
        }
    }

    /// Wherever a connection has led to: the host, and the address if it was looked up.
    #[cfg(feature = "postgres")]
    pub(crate) fn good(&self) -> Vec<(usize, Option<SocketAddr>)> {
        self.memory.good()
    }

    /// Idle threads end at once.
    pub(crate) fn stop(&self) {
        self.helpers.stop();
    }

    /// Opens a connection to the first host that gives one. A host has `each`; `limit` is what all may take together, or what is
    /// left of the caller's time.
    pub(crate) fn open<O: Opens>(
        &self,
        opens: &Arc<O>,
        each: Duration,
        limit: Duration,
    ) -> Result<O::Connection, O::Error> {
        told::forget();
        let walk = Walk::new(self, opens, each, limit);
        let [host] = &self.hosts[..] else {
            return walk.along(self.in_order());
        };
        let addresses = match &host.name {
            // The driver says it in its own words if there is none.
            Some((name, port)) => lookup(&self.resolve, name, *port).unwrap_or_default(),
            None => Vec::new(),
        };
        if addresses.len() > 1 {
            return walk.along(self.addresses_in_order(0, addresses));
        }
        let address = addresses.first().copied();
        match opens.open(0, address)? {
            Judged::Suits(connection) | Judged::SecondBest(connection, _) => {
                let target = Target {
                    host: 0,
                    address: None,
                };
                self.memory.is_good(target, address);
                Ok(connection)
            }
        }
    }

    /// The last good one first, or all in random order; the mute ones last.
    fn in_order(&self) -> VecDeque<Candidate> {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        if self.in_random_order {
            fastrand::shuffle(&mut order);
        } else if let Some(good) = self.memory.last_good() {
            order.sort_by_key(|host| *host != good.host);
        }
        let all = order.into_iter().map(|host| Candidate {
            target: Target {
                host,
                address: None,
            },
            is_looked_up: self.hosts[host].name.is_none(),
            share: 1,
        });
        self.mute_last(all.collect())
    }

    pub(super) fn addresses_in_order(
        &self,
        host: usize,
        mut addresses: Vec<SocketAddr>,
    ) -> VecDeque<Candidate> {
        if self.in_random_order {
            fastrand::shuffle(&mut addresses);
        } else if let Some(good) = self.memory.last_good().filter(|good| good.host == host) {
            addresses.sort_by_key(|address| Some(*address) != good.address);
        }
        let share = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let all = addresses.into_iter().map(|address| Candidate {
            target: Target {
                host,
                address: Some(address),
            },
            is_looked_up: true,
            share,
        });
        self.mute_last(all.collect())
    }

    fn mute_last(&self, all: Vec<Candidate>) -> VecDeque<Candidate> {
        let mut all = all;
        let now = Instant::now();
        all.sort_by_key(|candidate| self.memory.is_mute(candidate.target, now));
        all.into()
    }

    pub(super) fn label(&self, target: Target) -> String {
        let label = &self.hosts[target.host].label;
        match target.address {
            Some(address) => format!("{label} ({})", address.ip()),
            None => label.clone(),
        }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Without doubles, in the order in which the system prefers them.
pub(super) fn lookup(resolve: &Resolve, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in resolve(name, port)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// What is to be tried.
pub(super) struct Candidate {
    pub(super) target: Target,
    /// Its address is known, or its name is not to be looked up.
    pub(super) is_looked_up: bool,
    /// Among how many addresses of one name the host's time is shared.
    pub(super) share: u32,
}
