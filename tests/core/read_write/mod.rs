//! Writes go to a primary and reads to its replicas, of which those that are not fit are passed over.

mod checks;
mod choosing;
mod lag;
mod marks;
mod registered;

use std::sync::Arc;

use queuepool::read_write::Builder;
use queuepool::{Clock, Pool, ReadWrite, Replication, Retry, Settings};

use support::scripted::*;

type ScriptedPool = Pool<ScriptedManager>;
type Apart = ReadWrite<ScriptedPool>;

/// A primary and its replicas, each a server of its own.
struct Fleet {
    primary: Arc<Server>,
    replicas: Vec<Arc<Server>>,
    clock: Clock,
}

impl Fleet {
    fn new(replicas: usize) -> Self {
        let fleet = Fleet {
            primary: Server::new(),
            replicas: (0..replicas).map(|_| Server::new()).collect(),
            clock: Clock::stopped(),
        };
        fleet.primary.local.store(true, SEQ);
        for replica in &fleet.replicas {
            replica.local.store(true, SEQ);
        }
        fleet
    }

    /// Checked by hand, with a clock that stands still.
    fn described(&self) -> Builder<ScriptedPool> {
        self.described_with(settings)
    }

    fn described_with(&self, settings: impl Fn() -> Settings) -> Builder<ScriptedPool> {
        let primary = ReadWrite::new(self.primary.pool(settings()));
        let replicas = self.replicas.iter().map(|replica| replica.pool(settings()));
        replicas
            .fold(primary, Builder::replica)
            .clock(self.clock.clone())
            .checked_by_hand()
    }

    fn apart(&self) -> Apart {
        self.described().build().unwrap()
    }
}

const SEQ: std::sync::atomic::Ordering = std::sync::atomic::Ordering::SeqCst;

/// Two connections, and one attempt to open each.
fn settings() -> Settings {
    let settings = Settings::default().pool_size(2).max_overflow(0);
    settings.retry(Retry::default().max_attempts(1))
}

/// The log of this server has come so far.
fn log_is_at(server: &Server, position: u64) {
    *server.replication.lock() = Replication::at([("", position)]);
}

/// How many reads and writes each server has been given: the primary, and each replica.
fn checkouts(apart: &Apart) -> Vec<u64> {
    let status = apart.status();
    let pools = [status.primary].into_iter().chain(status.replicas);
    pools.map(|status| status.checkouts).collect()
}

#[track_caller]
fn why_passed_over(apart: &Apart, replica: usize) -> String {
    let why = apart.status().replicas[replica].passed_over.clone();
    why.expect("the replica is passed over")
}

#[track_caller]
fn assert_used(apart: &Apart, replica: usize) {
    assert_eq!(apart.status().replicas[replica].passed_over, None);
}
