//! The faults. Each is mended before the next one strikes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use fastrand::Rng;
use queuepool::Pool;

use super::HANG;
use super::worker::Crew;
use crate::backend::Backend;
use crate::subject::Session;
use support::proxy::{Mode, Proxy, Side, When};
use support::scripted::{millis, secs};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Cut,
    Swallow,
    Delay,
    HalfCloseClient,
    HalfCloseServer,
    Refuse,
    EverySessionEnded,
    Killed,
    Frozen,
    Restarted,
    AllInvalidated,
}

const ALL: [Fault; 11] = [
    Fault::Cut,
    Fault::Swallow,
    Fault::Delay,
    Fault::HalfCloseClient,
    Fault::HalfCloseServer,
    Fault::Refuse,
    Fault::EverySessionEnded,
    Fault::Killed,
    Fault::Frozen,
    Fault::Restarted,
    Fault::AllInvalidated,
];

impl Fault {
    /// Whether there is a moment from which on everything is well again. After a delay there is none, because bytes that
    /// were delayed still arrive late.
    fn is_an_outage(self) -> bool {
        !matches!(self, Fault::Delay | Fault::AllInvalidated)
    }
}

/// Strikes for as long as it is asked to: every fault once in a random order, then all of them again in another order.
pub struct Strikes<'a, B: Backend> {
    server: &'a mut B,
    proxy: &'a Proxy,
    pool: &'a Pool<B::Manager>,
    rng: Rng,
    deck: Vec<Fault>,
    struck: BTreeMap<Fault, usize>,
    recoveries: Vec<(Duration, Fault)>,
}

impl<'a, B: Backend> Strikes<'a, B> {
    pub fn new(
        server: &'a mut B,
        proxy: &'a Proxy,
        pool: &'a Pool<B::Manager>,
        rng: Rng,
    ) -> Strikes<'a, B> {
        Strikes {
            server,
            proxy,
            pool,
            rng,
            deck: Vec::new(),
            struck: BTreeMap::new(),
            recoveries: Vec::new(),
        }
    }

    pub fn have_all_struck(&self) -> bool {
        self.struck.len() == ALL.len()
    }

    pub fn longest_recovery(&self) -> Duration {
        let longest = self.recoveries.iter().max();
        longest.expect("a fault has struck").0
    }

    /// One fault, until a new caller is served.
    pub fn next(&mut self, crew: &Crew) {
        if self.deck.is_empty() {
            self.deck = ALL.to_vec();
            self.rng.shuffle(&mut self.deck);
        }
        let fault = self.deck.pop().expect("filled above");
        *self.struck.entry(fault).or_default() += 1;
        self.strike(fault);
        let mended = Instant::now();
        loop {
            let served = self.pool.get_timeout(secs(20));
            if served.is_ok_and(|mut connection| connection.run("SELECT 1").is_ok()) {
                break;
            }
            // A refused caller tries again.
            std::thread::sleep(millis(1));
            let waited = mended.elapsed();
            assert!(
                waited < HANG,
                "{fault:?}, {waited:?}: {:#?}",
                self.pool.status()
            );
        }
        if fault.is_an_outage() {
            self.recoveries.push((mended.elapsed(), fault));
        }
        crew.goes_on(1);
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Cut => self.between(Mode::Cut),
            Fault::Swallow => self.between(Mode::Swallow),
            Fault::Delay => {
                let delay = millis(self.rng.u64(20..400));
                self.between(Mode::Delay(delay));
            }
            Fault::HalfCloseClient => self.between(Mode::HalfClose(Side::Client)),
            Fault::HalfCloseServer => self.between(Mode::HalfClose(Side::Server)),
            Fault::Refuse => self.between(Mode::Refuse),
            Fault::EverySessionEnded => self.server.end_sessions(),
            Fault::Killed => {
                self.server.kill();
                self.lasts(0..300);
                self.server.start_again();
            }
            Fault::Frozen => {
                self.server.pause();
                // connect_timeout and the limit of a ping are 500 ms.
                self.lasts(100..1500);
                self.server.resume();
            }
            Fault::Restarted => {
                self.server.stop();
                self.server.start_again();
            }
            Fault::AllInvalidated => self.pool.invalidate_all(),
        }
    }

    /// A fault between client and server, at some point of each connection.
    fn between(&mut self, mode: Mode) {
        let when = match self.rng.u32(0..4) {
            0 => When::Now,
            1 => When::ClientSent("INSERT"),
            // The server commits, and the client never hears of it.
            2 => When::ClientSent("COMMIT"),
            _ => When::ServerSent(self.rng.usize(0..3000)),
        };
        self.proxy.set_when(when, mode);
        self.lasts(100..1000);
        self.proxy.set(Mode::Pass);
    }

    fn lasts(&mut self, milliseconds: std::ops::Range<u64>) {
        std::thread::sleep(millis(self.rng.u64(milliseconds)));
    }
}

impl<B: Backend> fmt::Display for Strikes<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slowest = self.recoveries.clone();
        slowest.sort_by(|one, other| other.cmp(one));
        slowest.truncate(5);
        write!(f, "{:?}; the slowest recoveries: {slowest:?}", self.struck)
    }
}
